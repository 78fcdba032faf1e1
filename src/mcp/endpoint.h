/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * MCP over Streamable HTTP, without the HTTP: the transport hands in one
 * request of the endpoint's path with the headers that mean something here, and
 * gets back what to answer. Both eras are served side by side; legacy clients
 * have sessions, which belong to the principal that opened them and end by
 * DELETE, by age, or as the longest unused one when there are too many.
 *
 * The transport has checked Host, Origin, Authorization, Content-Type, Accept
 * and the size of the body before. It knows principals by name alone.
 *
 * Loop thread throughout. Callbacks may come from inside any function here, and
 * may call any function here but endpoint_destroy.
 */

#include "mcp/server.h"

#include <stddef.h>
#include <stdint.h>

struct endpoint;

struct endpoint_config {
	struct mcp_server *server; /* with is_http; borrowed */
	unsigned max_sessions;	   /* of legacy clients; 0: LIMIT_DEFAULT_SESSIONS */
	uint64_t session_ms;	   /* unused for so long, a session ends; 0: LIMIT_SESSION_MS */
};

struct endpoint *endpoint_create(const struct endpoint_config *config);
/* Ends every session; their calls are cancelled. Every exchange must be over or abandoned. Before
 * registry_shut_down's on_gone can come, and before mcp_server_destroy. Takes NULL. */
void endpoint_destroy(struct endpoint *endpoint);

enum endpoint_method { ENDPOINT_POST, ENDPOINT_GET, ENDPOINT_DELETE };

/* For the Allow header of an answer 405, the endpoint's and the transport's own. */
const char *endpoint_allowed_methods(const struct endpoint *endpoint);

/* Borrowed for the call. Headers are NULL if absent, without white space around them; a repeated
 * one is the transport's to refuse. */
struct endpoint_request {
	enum endpoint_method method;
	const char *principal;	      /* NULL: the unnamed one */
	const char *session_id;	      /* Mcp-Session-Id */
	const char *protocol_version; /* MCP-Protocol-Version */
	const char *method_header;    /* Mcp-Method */
	const char *name_header;      /* Mcp-Name */
};

/* One HTTP request, until its answer is complete. */
struct exchange;

/*
 * Either `answer`, or `open_stream`, any number of `send` and `end_stream`. The
 * exchange is gone after `answer`, after `end_stream` and after exchange_abandon.
 */
struct exchange_callbacks {
	/* The whole answer. `body` is JSON (application/json), taken (free()), or NULL for none.
	 * `session_id`: to be sent as Mcp-Session-Id, borrowed; or NULL. Beyond what is said here
	 * the transport adds Allow to a 405 and Retry-After to a 503. */
	void (*answer)(void *context, int status, char *body, size_t bytes, const char *session_id);
	/* 200 with text/event-stream; it is the transport that keeps it alive by comments. */
	void (*open_stream)(void *context);
	/* One event: a JSON message without a line break. Takes `message` (free()). */
	void (*send)(void *context, char *message, size_t bytes);
	void (*end_stream)(void *context);
	/* Once for a body that is not empty, before `answer` or `end_stream`: it no longer takes
	 * memory. Not after exchange_abandon, which gives the body up itself. */
	void (*on_consumed)(void *context, size_t bytes);
	void *context;
};

/* Takes `body` (heap; NULL without one). NULL if the exchange is over already: its last callback
 * came from inside. */
struct exchange *endpoint_receive(struct endpoint *endpoint, const struct endpoint_request *request,
				  char *body, size_t bytes,
				  const struct exchange_callbacks *callbacks);
/* The client is gone; no callback comes any more. What it sent is forgotten if it was not read
 * yet. A modern call is cancelled, a legacy one runs to its end, as the specification asks. */
void exchange_abandon(struct exchange *exchange);

/* The server is about to stop: streams without an end (GET, subscriptions) get theirs, and no new
 * one stays open; calls may finish. */
void endpoint_drain(struct endpoint *endpoint);

unsigned endpoint_session_count(const struct endpoint *endpoint);

/* Of a legacy session, for people. Borrowed for the call; the id that clients use is a secret and
 * not in it. */
struct endpoint_session_view {
	const char *tag;       /* what logs call it */
	const char *principal; /* NULL: the unnamed one */
	const char *protocol_version;
	uint64_t age_ms;
	uint64_t unused_ms; /* since its last message */
	unsigned open_requests;
};

/* In the order of their last messages, latest last. `principal` NULL visits all; else those of the
 * principal of this name. `visit` must not call back. */
void endpoint_each_session(const struct endpoint *endpoint, const char *principal,
			   void (*visit)(void *context, const struct endpoint_session_view *view),
			   void *context);
