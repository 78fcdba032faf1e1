/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the files of this room know of a server, a client and a request; for
 * them alone. Loop thread, but for what a request says of its frame, which does
 * not change and which the thread of its call reads.
 */

#include "base/buf.h"
#include "mcp/headers.h"
#include "mcp/incoming.h"
#include "mcp/parser.h"
#include "mcp/result.h"
#include "mcp/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcp_server {
	struct mcp_server_config config;
	struct incoming_rules rules;
	struct parser_pool *parsers;
	struct request *waiting_for_facts; /* linked by next_waiting */
	bool is_probing;
	unsigned subscription_count;   /* of all clients */
	struct request *subscriptions; /* linked by next_subscription */
};

/* Where answers to one message go; one for all of stdio, one for each POST over HTTP. */
struct sink {
	/* A notification that belongs to a request which is still unanswered. `message` is borrowed
	 * here and below, but its bytes may be taken. */
	void (*notify)(struct sink *sink, struct buf *message);
	/* What ends it, over HTTP: the answer to the message, or to all of a batch. */
	void (*answer)(struct sink *sink, struct buf *message, int http_status);
	void (*end_without_answer)(struct sink *sink);
	/* The request, which is not part of a batch, is a call that has begun. */
	void (*expect_call)(struct sink *sink, const struct request *request);
	const struct mcp_headers *headers; /* NULL: stdio, which has none */
};

/* Whose requests and calls belong together: the process on stdio, a legacy session, or whoever sent
 * one modern request over HTTP. */
struct client {
	struct mcp_server *server;
	struct session *session;
	enum mcp_version version; /* agreed by `initialize` */
	bool is_initialized;
	struct request *requests;
	unsigned request_count;
	unsigned subscription_count;	   /* of the requests */
	void (*on_settled)(void *context); /* may be NULL: there is less to do than before */
	void *settled_context;
};

/* Answers to a batch: sent as one array when the last one is there. */
struct batch {
	struct sink *sink;     /* NULL: nobody waits any more */
	struct budget *budget; /* of `out` */
	size_t request_count;
	unsigned open_count; /* requests without an answer, and the hand that is dealing them */
	bool has_requests;
	struct buf out;
	size_t charged_bytes;
};

/* Something that gets one answer. */
struct request {
	struct request *next, *previous;
	struct client *client; /* NULL: it was abandoned */
	struct sink *sink;     /* NULL: in a batch, or nobody waits any more */
	struct batch *batch;   /* NULL: it came alone */
	struct result_frame frame;
	char *id;		   /* as JSON text; NULL if it could not be read */
	char *progress_token;	   /* likewise; NULL: no progress is wanted */
	uint64_t progress_ms;	   /* the last one told */
	uint64_t progress_sent_ms; /* when, in clock_now_ms() time */
	struct call *call;	   /* while it runs */
	struct request *next_waiting, *next_subscription;
	int http_status; /* of an error; 0: what its code says */
	bool is_waiting_for_facts;
	bool is_subscription;
};

#define REQUEST_QUOTED_BYTES 100 /* of what an answer repeats of a client's words */

/* request.c. `id` is borrowed; one of sink and batch is NULL. */
struct request *request_create(struct client *client, struct sink *sink, struct batch *batch,
			       const char *id);
/* The request that is in flight under this id, or NULL. One whose answer somebody waits for comes
 * before one that nobody does. */
struct request *request_find(const struct client *client, const char *id);
/* Whether anybody waits for its answer. */
bool request_is_wanted(const struct request *request);
/* A notification to whoever waits for the answer. */
void request_notify(const struct request *request, struct buf *message);
/* These four end the request. request_answer borrows `message`, but may take its bytes. */
void request_answer(struct request *request, struct buf *message);
void request_fail(struct request *request, enum jsonrpc_code code, const char *text,
		  const char *data);
/* An error that ends in the client's own words, cut and escaped. */
void request_fail_quoting(struct request *request, enum jsonrpc_code code, const char *text,
			  const char *quoted);
void request_drop(struct request *request);
/* Nobody wants the answer: stops the work. */
void request_abandon(struct request *request);

struct batch *batch_create(struct sink *sink, size_t request_count, struct budget *budget);
void batch_release(struct batch *batch);
/* Nobody waits for it any more. */
void batch_forget_sink(struct batch *batch);

/* client.c. The session is taken, and closed at the end. */
struct client *client_create(struct mcp_server *server, struct session *session);
/* Calls that run are cancelled; subscriptions get their last answer, the rest none. Takes NULL. */
void client_destroy(struct client *client);
/* Everything in the message is done, or begun. */
void client_handle(struct client *client, struct sink *sink, const struct incoming *incoming);
/* In the place of a message that cannot be read as one. */
void client_refuse(struct client *client, struct sink *sink, const char *reason);
/* Whoever waited for these answers is gone; what was begun goes on. */
void client_forget_sink(struct client *client, const struct sink *sink);

/* server.c: tools_list_answer follows, perhaps at once. */
void mcp_server_want_facts(struct mcp_server *server, struct request *request);
void mcp_server_forget(struct mcp_server *server, struct request *request);
bool mcp_server_takes_handle(const struct mcp_server *server, enum era era);

/* legacy.c, modern.c: answers the request, now or later. */
void legacy_handle(struct request *request, const struct incoming_item *item);
void modern_handle(struct request *request, const struct incoming_item *item);
/* The last answer to a subscription. */
void modern_end_subscription(struct request *request);

/* tool_call.c: what both eras share. */
void tools_list(struct request *request, const struct incoming_item *item);
void tools_list_answer(struct request *request, const struct exec_facts *facts);
void tools_call(struct request *request, const struct incoming_item *item);

/* method.c: the tables of both eras. */
struct method {
	const char *name;
	void (*handle)(struct request *request, const struct incoming_item *item);
};

/* Looks the method up, or answers that there is none. */
void method_handle(const struct method *methods, size_t count, struct request *request,
		   const struct incoming_item *item);
