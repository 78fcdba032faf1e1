/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the files of this room know of a server, a channel and a request; for
 * them alone. Loop thread, but for what a request says of its frame, which does
 * not change and which the thread of its call reads.
 */

#include "base/buf.h"
#include "mcp/channel.h"
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
};

/* A message that waits for its turn. */
struct pending {
	struct pending *next;
	char *text; /* NULL: it was too large, and was skipped */
	size_t bytes;
};

struct parsing;

struct channel {
	struct mcp_server *server;
	struct channel_callbacks callbacks;
	struct session *session;
	enum mcp_version version; /* agreed by `initialize` */
	bool is_initialized;
	struct pending *first, *last;
	struct parsing *parsing; /* the message that a parser thread has; later ones wait */
	struct request *requests;
	unsigned request_count;
	unsigned subscription_count;	/* of the requests */
	struct loop_timer *drain_timer; /* not NULL: nothing further comes */
	bool is_drained;
};

/* Answers to a batch: sent as one array when the last one is there. */
struct batch {
	struct channel *channel; /* NULL once it was closed */
	size_t request_count;
	unsigned open_count; /* requests without an answer, and the hand that is dealing them */
	struct buf out;
};

/* Something that gets one answer. */
struct request {
	struct request *next, *previous;
	struct channel *channel; /* NULL: nobody waits any more */
	struct batch *batch;	 /* NULL: it came alone */
	struct result_frame frame;
	char *id;		   /* as JSON text; NULL if it could not be read */
	char *progress_token;	   /* likewise; NULL: no progress is wanted */
	uint64_t progress_ms;	   /* the last one told */
	uint64_t progress_sent_ms; /* when, in clock_now_ms() time */
	struct call *call;	   /* while it runs */
	struct request *next_waiting;
	bool is_waiting_for_facts;
	bool is_subscription;
};

#define REQUEST_QUOTED_BYTES 100 /* of what an answer repeats of a client's words */

/* request.c. `id` is borrowed; `batch` may be NULL. */
struct request *request_create(struct channel *channel, struct batch *batch, const char *id,
			       enum mcp_version version);
/* The request that is in flight under this id, or NULL. */
struct request *request_find(const struct channel *channel, const char *id);
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

struct batch *batch_create(struct channel *channel, size_t request_count);
void batch_release(struct batch *batch);

/* channel.c */
void channel_send(struct channel *channel, struct buf *message);
/* To be called whenever there is less to do than before. */
void channel_settle(struct channel *channel);

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
