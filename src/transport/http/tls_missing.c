/* SPDX-License-Identifier: MIT */
#include "transport/http/tls.h"

#include "transport/http/wire.h"

struct tls *tls_create(const char *certificate, const char *key, struct error *err)
{
	(void)certificate;
	(void)key;
	(void)error_set(err, ERROR_CONFIG,
			"this build cannot speak TLS. Put a proxy that does in front of it, or "
			"build kilntainers-full, which has it");
	return NULL;
}

void tls_destroy(struct tls *tls)
{
	(void)tls;
}

struct tls_session *tls_session_create(struct tls *tls, int fd)
{
	(void)tls;
	(void)fd;
	return NULL;
}

int tls_session_handshake(struct tls_session *session)
{
	(void)session;
	return WIRE_BROKEN;
}

ssize_t tls_session_receive(struct tls_session *session, void *data, size_t bytes)
{
	(void)session;
	(void)data;
	(void)bytes;
	return WIRE_BROKEN;
}

ssize_t tls_session_send(struct tls_session *session, const void *data, size_t bytes)
{
	(void)session;
	(void)data;
	(void)bytes;
	return WIRE_BROKEN;
}

void tls_session_end(struct tls_session *session)
{
	(void)session;
}

void tls_session_destroy(struct tls_session *session)
{
	(void)session;
}
