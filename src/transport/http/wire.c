/* SPDX-License-Identifier: MIT */
#include "transport/http/wire.h"

#include "base/cleanup.h"

#include <errno.h>
#include <sys/socket.h>

/* Of a system call that has failed. */
static ssize_t failure(void)
{
	return errno == EAGAIN || errno == EINTR ? WIRE_WAIT : WIRE_BROKEN;
}

int wire_handshake(struct wire *wire)
{
	return wire->tls ? tls_session_handshake(wire->tls) : 0;
}

ssize_t wire_receive(struct wire *wire, void *data, size_t bytes)
{
	ssize_t received;

	if (wire->tls)
		return tls_session_receive(wire->tls, data, bytes);
	received = recv(wire->fd, data, bytes, MSG_DONTWAIT);
	return received < 0 ? failure() : received;
}

ssize_t wire_send(struct wire *wire, const void *data, size_t bytes)
{
	ssize_t sent;

	if (wire->tls)
		return tls_session_send(wire->tls, data, bytes);
	sent = send(wire->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? failure() : sent;
}

ssize_t wire_discard(struct wire *wire, void *scratch, size_t bytes)
{
	/* With MSG_TRUNC the kernel drops what came by TCP without copying it. */
	ssize_t received = recv(wire->fd, scratch, bytes, MSG_DONTWAIT | MSG_TRUNC);

	return received < 0 ? failure() : received;
}

bool wire_is_dead(const struct wire *wire)
{
	/* Sending nothing sends nothing, and fails where something could not be sent. */
	return send(wire->fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
	       errno != EINTR;
}

void wire_end(struct wire *wire)
{
	if (wire->tls)
		tls_session_end(wire->tls);
	(void)shutdown(wire->fd, SHUT_WR);
}

void wire_finish(struct wire *wire)
{
	tls_session_destroy(wire->tls);
	wire->tls = NULL;
	cleanup_fd(&wire->fd);
}
