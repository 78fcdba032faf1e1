/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The bytes of one connection, in the clear or through TLS. Never blocks. Ends
 * are told apart: a client that has stopped sending may still read.
 */

#include "transport/http/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire {
	int fd;			 /* owned; non-blocking */
	struct tls_session *tls; /* owned; NULL: in the clear */
};

/* What is not a number of bytes. */
enum wire_result {
	WIRE_WAIT = -1,	     /* not now: the loop will say when */
	WIRE_BROKEN = -2,    /* nothing will move any more */
	WIRE_PLAINTEXT = -3, /* of the handshake: the client speaks HTTP without TLS */
};

/* 0: done, at once if there is no TLS. */
int wire_handshake(struct wire *wire);
/* 0: the client has stopped sending. */
ssize_t wire_receive(struct wire *wire, void *data, size_t bytes);
ssize_t wire_send(struct wire *wire, const void *data, size_t bytes);
/* Reads and drops, past TLS. `scratch` has room for `bytes`. 0: as of wire_receive. */
ssize_t wire_discard(struct wire *wire, void *scratch, size_t bytes);
/* Whether the client has gone altogether, however much of what it sent is unread. One that has
 * closed its socket without a word, and was not sent anything since, looks alive. */
bool wire_is_dead(const struct wire *wire);
/* Nothing further will be sent. */
void wire_end(struct wire *wire);
void wire_finish(struct wire *wire);
