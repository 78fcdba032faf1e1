/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What endpoint.c, exchange.c and legacy_session.c know of each other; for them
 * alone. Loop thread.
 *
 * Every callback of the transport may come back into the endpoint: an answer
 * makes room for the next request of its connection, a deleted session ends
 * what others wait for. So what a function up the stack still needs is pinned,
 * and an exchange is taken out of everything before its last callback.
 */

#include "base/hash.h"
#include "base/table.h"
#include "mcp/endpoint.h"
#include "mcp/intake.h"
#include "mcp/state.h"

#define SESSION_ID_BYTES 33 /* 128 bits as hex digits, NUL */

/* Who has legacy sessions. */
struct session_owner {
	char *name; /* "": the unnamed principal */
	unsigned session_count;
	UT_hash_handle hh;
};

struct legacy_session {
	struct endpoint *endpoint;
	struct legacy_session *prev, *next;
	struct session_owner *owner;
	/* Looked up by its hash, so that no comparison tells a guesser how near he came. */
	unsigned char digest[HASH_BYTES];
	UT_hash_handle hh;
	struct client *client;
	struct intake *intake;	 /* NULL once ended */
	struct exchange *stream; /* the open GET, or NULL */
	uint64_t opened_ms, used_ms;
	unsigned pins;
	bool is_ended;
};

struct endpoint {
	struct mcp_server *server;
	struct endpoint_config config;
	struct legacy_session *sessions_by_digest; /* uthash */
	struct legacy_session *sessions;	   /* the longest unused one first */
	struct session_owner *owners;		   /* uthash, by name */
	unsigned session_count;
	struct loop_timer *expiry_timer;
	struct exchange *exchanges;
	bool is_draining;
};

struct exchange {
	struct sink sink;
	struct mcp_headers headers;
	struct endpoint *endpoint;
	struct exchange *prev, *next;
	struct exchange_callbacks callbacks;
	enum endpoint_method method;
	char *principal; /* NULL: the unnamed */
	char *version_header, *method_header, *name_header;
	bool names_session; /* whether there is such a session or not */
	struct legacy_session *session;
	struct intake *own_intake; /* if there is no session */
	struct client *own_client; /* if the message turned out to need none */
	struct loop_timer *stream_timer;
	char session_id[SESSION_ID_BYTES]; /* "" unless the answer tells it */
	size_t body_bytes;		   /* that still take memory */
	bool is_read;			   /* the body was handed on by its intake */
	bool ends_as_stream;		   /* without a message */
	bool is_modern, is_batch, is_stream, is_over, is_abandoned;
	unsigned pins;
};

/* --- exchange.c -------------------------------------------------------------- */

struct exchange *exchange_create(struct endpoint *endpoint, const struct endpoint_request *request,
				 const struct exchange_callbacks *callbacks);
void exchange_pin(struct exchange *exchange);
/* May free it. */
void exchange_unpin(struct exchange *exchange);

/* These end it, unless it is over already. `id` is JSON text or NULL. */
void exchange_accept(struct exchange *exchange, int status);
void exchange_refuse(struct exchange *exchange, int status, enum jsonrpc_code code, const char *id,
		     const char *text);
void exchange_end_stream(struct exchange *exchange);
/* The session that it waits for has ended. */
void exchange_bereave(struct exchange *exchange);

void exchange_open_stream(struct exchange *exchange);

/* --- legacy_session.c -------------------------------------------------------- */

/* Writes the id that its client gets. NULL if there are too many and each of them is busy. */
struct legacy_session *legacy_session_open(struct endpoint *endpoint, const char *principal,
					   char id[SESSION_ID_BYTES]);
/* NULL unless it is there and this principal's. */
struct legacy_session *legacy_session_find(const struct endpoint *endpoint, const char *id,
					   const char *principal);
/* It was used just now. */
void legacy_session_touch(struct legacy_session *session);
void legacy_session_pin(struct legacy_session *session);
void legacy_session_unpin(struct legacy_session *session);
/* Cancels its calls; whoever waits for an answer is told. `reason` is for the log. */
void legacy_session_end(struct legacy_session *session, const char *reason);
/* The timer of all of an endpoint, which is the context. */
void legacy_session_expire(void *context);
