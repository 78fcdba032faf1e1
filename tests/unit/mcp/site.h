/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * An endpoint with a transport and a session room that the test plays. Whoever
 * fails to keep the contract of mcp/endpoint.h fails the test: each exchange
 * ends once, and says nothing afterwards.
 */

#include "base/limits.h"
#include "mcp/endpoint.h"
#include "mcp/era.h"
#include "tests/stubs/session.h"
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stddef.h>

#define SITE_POSTS 4096
#define POST_EVENTS 64

struct site {
	struct loop *loop;
	struct registry registry;
	struct budget *budget;
	struct mcp_server *server;
	struct endpoint *endpoint;
	struct post *posts[SITE_POSTS];
	size_t post_count;
};

/* One HTTP request and what came back. */
struct post {
	struct site *site;
	struct exchange *exchange; /* NULL once it is over */
	int status;		   /* 0: no answer yet */
	char *body;		   /* of the answer, or NULL */
	char session_id[64];	   /* "" for none */
	bool is_stream, is_over, is_abandoned;
	char *events[POST_EVENTS];
	size_t event_count;
	size_t body_bytes, consumed_bytes;
	/* At its last callback, from inside. */
	void (*on_over)(struct post *post);
	/* From inside open_stream, send (once for each), before they return. */
	void (*on_event)(struct post *post);
	bool stops_loop; /* at each callback */
};

struct site_options {
	enum sandbox_scope scope;
	enum mcp_protocol protocol;
	unsigned max_sessions;
	uint64_t session_ms;
};

struct site *site_open_with(const struct site_options *options);
struct site *site_open(void);
/* Abandons what is open. */
void site_close(struct site *site);

/* What is sent; `method` 0 is POST. */
struct wire {
	struct endpoint_request request;
	const char *body;
	void (*on_over)(struct post *post);
	void (*on_event)(struct post *post);
};

struct post *site_send(struct site *site, const struct wire *wire);
void post_abandon(struct post *post);
/* Runs the loop until something happens to the post. */
void post_wait(struct post *post);

/* Of a legacy client; `session` may be NULL. */
struct post *site_say(struct site *site, const char *session, const char *body);
/* Of a modern one, with the headers that go with a request of `method` (and tool). */
struct post *site_say_modern(struct site *site, const char *method, const char *body);
/* Its answer's id is copied to `id`. */
void site_initialize(struct site *site, const char *principal, const char *version, char id[64]);

/* The whole answer, not a stream. */
void post_expect(const struct post *post, int status, const char *part);
void post_expect_empty(const struct post *post, int status);
void post_expect_error(const struct post *post, int status, const char *id, int code);
/* An open stream, or one that has ended, with so many events. */
void post_expect_stream(const struct post *post, bool is_over, size_t event_count);

struct call *site_call(struct site *site, size_t index);
void site_finish(struct site *site, size_t index, const char *out);

#define REQUEST(id, method, params)                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"
#define NOTE(method, params) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params "}"
#define META "\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\",\"" MCP_META_CAPABILITIES "\":{}}"
#define META_TOKEN                                                                                 \
	"\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\",\"" MCP_META_CAPABILITIES "\":{},"     \
	"\"progressToken\":7}"
#define MODERN(id, method) REQUEST(id, method, "{" META "}")
#define CALL(id, more)                                                                             \
	REQUEST(id, "tools/call",                                                                  \
		"{\"name\":\"sandbox_exec\",\"arguments\":{\"command\":\"a\"}" more "}")
#define TOKEN ",\"_meta\":{\"progressToken\":0}"
#define PING(id) REQUEST(id, "ping", "{}")
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"
#define INITIALIZE(version)                                                                        \
	REQUEST("0", "initialize", "{\"protocolVersion\":\"" version "\",\"capabilities\":{}}")
#define CANCEL(id) NOTE("notifications/cancelled", "{\"requestId\":" id "}")
