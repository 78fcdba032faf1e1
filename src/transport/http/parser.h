/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The head of an HTTP/1.x request: its first line and its fields (RFC 9112,
 * RFC 9110). Of what the RFCs leave to the recipient, the strict side is taken,
 * so that no proxy in front can see other messages in the same bytes than we
 * do: lines end with CRLF only, no folded lines, one Host, Content-Length or
 * `Transfer-Encoding: chunked` but never both and never twice. Bounded by
 * LIMIT_HTTP_*. Knows no path and no policy. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_PATCH,
	/* Well formed, and no business of ours; such a request is the last one of its connection.
	 * Never CONNECT, which is refused. */
	HTTP_OTHER_METHOD,
};

/* Names as they were sent (compare with strcasecmp), values without the white space around them.
 * No NUL, no control byte but tab; bytes from 0x80 on may be anything. */
struct http_field {
	const char *name, *value;
};

/* All strings are the head's own copies and live until http_head_finish. */
struct http_head {
	enum http_method method;
	/* As it was sent: percent signs are not decoded, dots are not resolved. "*" for OPTIONS of
	 * the server as a whole. Otherwise it begins with a slash. */
	const char *path;
	const char *query; /* without its question mark; NULL: none */
	/* What the client wants to talk to, HOST or HOST:PORT, from the target or from Host, which
	 * say the same but for the case of letters. NULL only in HTTP/1.0. */
	const char *host;
	unsigned minor; /* of HTTP/1.x: 0 or 1 */
	struct http_field *fields;
	size_t field_count;
	/* How the body is framed. Neither of them: there is none. */
	bool has_content_length;
	uint64_t content_length;
	bool is_chunked;
	bool keeps_alive;      /* the connection may be used again */
	bool expects_continue; /* there is a body, and it is held back until a 100 (Continue) */

	char *text;	   /* what the strings point into */
	size_t seen_bytes; /* of an unfinished head: up to here it has been looked at */
	size_t line_start, lines;
};

enum http_parse {
	HTTP_PARSE_MORE, /* right so far, and not complete */
	HTTP_PARSE_DONE,
	HTTP_PARSE_BAD, /* answer with the status and close: where the next message begins is
			   unknown */
};

/*
 * Looks for a head at the start of `data`. `head` is all zeros when a message begins; when more
 * bytes have come it is called again with the same head and with the bytes of before in front.
 * Each byte is looked at once or twice, however small the pieces.
 *
 * DONE: *used says where the body begins; http_head_finish frees the head. BAD: *status (400, 413,
 * 414, 417, 431, 501, 505) and *reason, a static sentence for the client that repeats nothing of
 * what it sent. MORE and BAD hold no memory. What a verdict does not name is left untouched.
 */
enum http_parse http_head_parse(struct http_head *head, const char *data, size_t bytes,
				size_t *used, int *status, const char **reason);
/* Frees, and leaves zeros: ready for the next message. Also after MORE and BAD. */
void http_head_finish(struct http_head *head);

/* The value of the first field of that name, in whichever case; NULL: there is none. */
const char *http_head_find(const struct http_head *head, const char *name);
/* How many fields have that name. More than one of what routes a request is to be refused. */
size_t http_head_count(const struct http_head *head, const char *name);
