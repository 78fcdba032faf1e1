/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A chunked body (RFC 9112 section 7.1), decoded piece by piece and as strictly
 * as the head: lines end with CRLF only, sizes are at most 16 hexadecimal
 * digits. Extensions must be well formed and mean nothing (no client sends any,
 * but the RFC says to ignore them); they and the trailers, which are checked and
 * dropped, are bounded by LIMIT_HTTP_*. Holds no memory. Pure; any thread.
 */

#include "base/limits.h"
#include "transport/http/parser.h"

#include <stdint.h>

enum http_chunked_state {
	HTTP_CHUNKED_SIZE,     /* in the line that says how long the next chunk is */
	HTTP_CHUNKED_DATA,     /* in a chunk */
	HTTP_CHUNKED_DATA_END, /* behind it, where CRLF must be */
	HTTP_CHUNKED_TRAILER,  /* behind the last one, up to an empty line */
	HTTP_CHUNKED_ENDED,
};

struct http_chunked {
	enum http_chunked_state state;
	uint64_t left;	    /* bytes of the current chunk that are still to come */
	uint64_t max_bytes; /* of body that may still be announced */
	size_t extension_bytes, trailer_bytes;
	bool has_cr; /* of the current line */
	size_t line_bytes;
	char line[LIMIT_HTTP_CHUNK_LINE_BYTES];
};

/* What one call made of its bytes. */
struct http_chunked_step {
	size_t used;	    /* these are done with */
	const char *body;   /* bytes of the body, within `data` ... */
	size_t body_bytes;  /* ... so many, maybe none */
	int status;	    /* if BAD: 400, 413 or 431 ... */
	const char *reason; /* ... and a static sentence for the client */
};

/* A chunk that would make the body longer than `max_bytes` is refused (413) as soon as its size is
 * known. */
void http_chunked_init(struct http_chunked *chunked, uint64_t max_bytes);
/*
 * Goes on until there is a piece of the body, the input ends, or the body does. So: while it says
 * MORE and used something, store the piece, skip what was used and call again; MORE with all used
 * wants further input. DONE: the body is complete, and what was not used belongs to the next
 * message; comes without a piece, and ends the use of `chunked`. BAD: as of http_head_parse. `step`
 * is always set.
 */
enum http_parse http_chunked_feed(struct http_chunked *chunked, const char *data, size_t bytes,
				  struct http_chunked_step *step);
