/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Requests without a connection: a head as it would have come, and what the
 * handler did with it. For tests of what stands above transport/http/connection.h.
 */

#include "transport/http/connection.h"

#include <stdbool.h>
#include <stddef.h>

#define STUB_TEXT_BYTES 4096

struct http_request {
	struct http_head head;
	struct http_peer peer;
	void *user;
	bool is_trusted, wants_body, is_released;
	size_t max_body_bytes;
	int status;		      /* 0: not answered */
	char type[STUB_TEXT_BYTES];   /* Content-Type; "-": none */
	char fields[STUB_TEXT_BYTES]; /* "Name: value\n" for each */
	char body[STUB_TEXT_BYTES];
	bool has_body;
	bool is_stream, is_ended;
	char events[STUB_TEXT_BYTES]; /* each with a line end */
};

/* `head` is the whole of it, up to the empty line, and must be one that the parser takes. The peer
 * is at 192.0.2.7, of which nothing else is known. */
void stub_request_init(struct http_request *request, const char *head);
void stub_request_finish(struct http_request *request);
