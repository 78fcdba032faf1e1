/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * TLS 1.2 and 1.3 for one end of a connection: the server's. Two of these
 * exist, and the build takes one: with OpenSSL, in kilntainers-full, and one
 * that says where TLS is to be had. Results are those of transport/http/wire.h.
 * Loop thread only; SIGPIPE must be ignored.
 */

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

/* A certificate and its key. */
struct tls;
struct tls_session;

/* Reads both (PEM). A key that everybody may read, that wants a password, or that is not that of
 * the certificate is ERROR_CONFIG. */
struct tls *tls_create(const char *certificate, const char *key, struct error *err);
/* Sessions live on. Takes NULL. */
void tls_destroy(struct tls *tls);

/* On an accepted socket, which stays the caller's. NULL: out of memory. */
struct tls_session *tls_session_create(struct tls *tls, int fd);
int tls_session_handshake(struct tls_session *session);
ssize_t tls_session_receive(struct tls_session *session, void *data, size_t bytes);
/* What could not be sent is given again, with whatever has come behind it. */
ssize_t tls_session_send(struct tls_session *session, const void *data, size_t bytes);
/* Tells the client that nothing follows. */
void tls_session_end(struct tls_session *session);
/* Takes NULL. */
void tls_session_destroy(struct tls_session *session);
