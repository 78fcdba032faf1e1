/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * HTTP/1.1 requests as their handler sees them (RFC 9112): a head, then a body
 * if the handler wants it, then one answer, whole or as a stream of server-sent
 * events. Knows no path, no JSON and no right; transport/http/route.c does.
 *
 * A connection has one request at a time: what a client sends behind it stays
 * in the kernel until its answer is out. That the client has gone is noticed at
 * any moment all the same (docs/decisions/0018-own-http-server.md).
 *
 * Loop thread only. No function of this header calls the handler: on_head,
 * on_body and on_gone come from the loop, one at a time.
 */

#include "transport/http/parser.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Room for an address as text: IPv6 with its zone. */
#define HTTP_ADDRESS_BYTES 64

/* One request, from its head to the end of its answer. The server's; a handler may keep the pointer
 * until it has answered or on_gone came, whichever is first. */
struct http_request;

/* Who is at the other end. */
struct http_peer {
	bool is_unix;
	bool is_loopback; /* TCP from this machine, by its address; IPv4 in IPv6 too */
	bool has_uid;	  /* known of unix sockets only (SO_PEERCRED) */
	uid_t uid;
	char address[HTTP_ADDRESS_BYTES]; /* for logs: "127.0.0.1", "fe80::1%eth0", "unix" */
	int fd;				  /* to look it up; not to be read, written or closed */
};

struct http_handler {
	/* A head has come; nothing of a body was read. Before it returns, one of http_reply,
	 * http_stream_open and http_request_read_body must have been called. */
	void (*on_head)(void *context, struct http_request *request);
	/* The body that was asked for, whole, with a NUL behind it; of no bytes if there is none.
	 * Takes it (free()). Answers now or later. */
	void (*on_body)(void *context, struct http_request *request, char *body, size_t bytes);
	/* There is nobody to answer any more: the client has gone or broke the protocol, its body
	 * was too large, too slow or more than there was memory for (it was told so), or the server
	 * is being destroyed. The last word of this request, and only before http_reply or
	 * http_stream_end. */
	void (*on_gone)(void *context, struct http_request *request);
	void *context;
};

/* Both live as long as the request. */
const struct http_head *http_request_head(const struct http_request *request);
const struct http_peer *http_request_peer(const struct http_request *request);
/* Whatever the handler wants to find again. NULL at first. */
void http_request_set_user(struct http_request *request, void *user);
void *http_request_user(const struct http_request *request);

/* The connection is that of somebody who may use the server: it no longer counts among the
 * unauthenticated, and bodies may be as large as http_request_read_body says. From this request on
 * it stays so for the caps; for the size of a body it holds for this request. So does the name:
 * body and answer are charged to its share of the budget. NULL: nobody in particular. */
void http_request_trust(struct http_request *request, const char *name);
/* Only from on_head, and at most once. Sends 100 (Continue) to whoever waits for it. A body of more
 * than `max_bytes` is answered with 413, one that the budget has no room for with 503, one that
 * takes longer than LIMIT_HTTP_BODY_MS with 408; then on_gone comes, not on_body. Of a request that
 * is not trusted no more than LIMIT_HTTP_UNTRUSTED_BODY_BYTES are read. */
void http_request_read_body(struct http_request *request, size_t max_bytes);
/* The body that on_body handed over is freed, or nearly so: it no longer counts against the budget.
 * Otherwise it does until the request's end. */
void http_request_release_body(struct http_request *request);

/*
 * Answers, whole. Takes `body` (free(); NULL: no bytes). `content_type` may be NULL. `fields` are
 * copied; they must not be those which are written here: Date, Content-Type, Content-Length,
 * Transfer-Encoding, Connection, X-Content-Type-Options. An answer to HEAD is sent without its
 * body. The request is not to be used any more.
 *
 * Answered before the body was read, a connection is closed behind the answer.
 */
void http_reply(struct http_request *request, int status, const char *content_type,
		const struct http_field *fields, size_t field_count, char *body, size_t bytes);

/* Opens the answer as a stream of events (text/event-stream, `Cache-Control: no-cache`). From here
 * on a comment goes out every LIMIT_HTTP_COMMENT_MS. A request whose body was not read may have one
 * only if it has no body. */
void http_stream_open(struct http_request *request, const struct http_field *fields,
		      size_t field_count);
/* One event of type `message`. Takes `message` (free()): one line without CR or LF. A client that
 * does not read loses the connection (on_gone) once LIMIT_HTTP_UNSENT_BYTES are waiting for it, or
 * nothing has moved for LIMIT_HTTP_STALL_MS. */
void http_stream_send(struct http_request *request, char *message, size_t bytes);
/* The stream is complete. The request is not to be used any more. */
void http_stream_end(struct http_request *request);
