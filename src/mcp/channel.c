/* SPDX-License-Identifier: MIT */
#include "mcp/channel.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "mcp/state.h"

#include <stdlib.h>
#include <string.h>

/* A large message on its way through a parser thread. */
struct parsing {
	struct parser_job job;
	struct channel *channel; /* loop thread; NULL once it was closed */
	struct incoming_rules rules;
	struct incoming incoming;
	char *text;
	size_t bytes;
};

struct channel *channel_open(struct mcp_server *server, const struct channel_callbacks *callbacks)
{
	struct channel *channel = alloc_zeroed(sizeof(*channel));

	channel->server = server;
	channel->callbacks = *callbacks;
	channel->session = session_open(registry_principal(server->config.registry, NULL));
	/* What a client without a handshake is taken for, as the specification advises. */
	channel->version = MCP_2025_03_26;
	return channel;
}

void channel_send(struct channel *channel, struct buf *message)
{
	size_t bytes = message->length;
	char *text = buf_take_string(message);

	if (text)
		channel->callbacks.send(channel->callbacks.context, text, bytes);
}

/* --- what a message means --------------------------------------------------- */

static void cancel_request(struct channel *channel, const json_t *params)
{
	char *id = jsonrpc_id_text(json_object_get(params, "requestId"));
	struct request *request = id ? request_find(channel, id) : NULL;

	/* Unknown, finished and malformed ones are not worth an answer: they cross on the way. */
	if (request)
		request_abandon(request);
	free(id);
}

static const char *refusal_in_batch(const struct incoming_item *item)
{
	if (item->era == ERA_MODERN)
		return "A request of 2026-07-28 must not be in a batch.";
	if (strcmp(item->message->method, "initialize") == 0)
		return "initialize must not be in a batch.";
	return NULL;
}

static void handle_request(struct channel *channel, const struct incoming_item *item,
			   struct batch *batch)
{
	const struct jsonrpc_message *message = item->message;
	bool is_duplicate = message->id && request_find(channel, message->id);
	enum mcp_version version = item->era == ERA_MODERN ? MCP_2026_07_28 : channel->version;
	struct request *request = request_create(channel, batch, message->id, version);

	if (message->kind == JSONRPC_INVALID)
		request_fail(request, message->code, message->reason, NULL);
	else if (is_duplicate)
		request_fail(request, JSONRPC_INVALID_REQUEST,
			     "A request with this id is still unanswered.", NULL);
	else if (batch && refusal_in_batch(item))
		request_fail(request, JSONRPC_INVALID_REQUEST, refusal_in_batch(item), NULL);
	else if (item->era == ERA_MODERN)
		modern_handle(request, item);
	else
		legacy_handle(request, item);
}

static void handle_item(struct channel *channel, const struct incoming_item *item,
			struct batch *batch)
{
	const struct jsonrpc_message *message = item->message;

	switch (message->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_INVALID:
		handle_request(channel, item, batch);
		break;
	case JSONRPC_NOTIFICATION:
		if (strcmp(message->method, "notifications/cancelled") == 0)
			cancel_request(channel, message->params);
		break;
	case JSONRPC_RESPONSE:
		break;
	}
}

static void fail_unread(struct channel *channel, const char *reason)
{
	struct request *request = request_create(channel, NULL, NULL, channel->version);

	request_fail(request, JSONRPC_INVALID_REQUEST, reason, NULL);
}

static void handle(struct channel *channel, const struct incoming *incoming)
{
	struct batch *batch = NULL;
	size_t i;

	if (incoming->json.is_batch) {
		if (!channel->is_initialized || channel->version != MCP_2025_03_26) {
			fail_unread(channel, "Only MCP 2025-03-26 has batches; send one message "
					     "at a time.");
			return;
		}
		batch = batch_create(channel, incoming->json.count);
	}
	for (i = 0; i < incoming->json.count; i++)
		handle_item(channel, &incoming->items[i], batch);
	if (batch)
		batch_release(batch);
}

/* --- one after another ------------------------------------------------------ */

static void run_queue(struct channel *channel);

static void free_parsing(struct parsing *parsing)
{
	incoming_finish(&parsing->incoming);
	free(parsing);
}

static void run_parsing(struct parser_job *job)
{
	struct parsing *parsing = CONTAINER_OF(job, struct parsing, job);

	incoming_parse(&parsing->incoming, parsing->text, parsing->bytes, &parsing->rules);
	free(TAKE_PTR(parsing->text));
}

static void finish_parsing(struct parser_job *job)
{
	struct parsing *parsing = CONTAINER_OF(job, struct parsing, job);
	struct channel *channel = parsing->channel;

	if (channel) {
		channel->parsing = NULL;
		channel->callbacks.on_consumed(channel->callbacks.context, parsing->bytes);
		handle(channel, &parsing->incoming);
		run_queue(channel);
	}
	free_parsing(parsing);
}

static void parse_elsewhere(struct channel *channel, struct pending *message)
{
	struct parsing *parsing = alloc_zeroed(sizeof(*parsing));

	parsing->job.run = run_parsing;
	parsing->job.done = finish_parsing;
	parsing->channel = channel;
	parsing->rules = channel->server->rules;
	parsing->text = TAKE_PTR(message->text);
	parsing->bytes = message->bytes;
	channel->parsing = parsing;
	parser_pool_submit(channel->server->parsers, &parsing->job);
}

static void parse_here(struct channel *channel, struct pending *message)
{
	struct incoming incoming;

	incoming_parse(&incoming, message->text, message->bytes, &channel->server->rules);
	channel->callbacks.on_consumed(channel->callbacks.context, message->bytes);
	handle(channel, &incoming);
	incoming_finish(&incoming);
}

static void free_pending(struct pending *message)
{
	free(message->text);
	free(message);
}

static void run_queue(struct channel *channel)
{
	while (channel->first && !channel->parsing) {
		struct pending *message = channel->first;

		channel->first = message->next;
		if (!message->text)
			fail_unread(channel, "The message is larger than 16 MiB.");
		else if (message->bytes <= LIMIT_LOOP_PARSE_BYTES)
			parse_here(channel, message);
		else
			parse_elsewhere(channel, message);
		free_pending(message);
	}
	channel_settle(channel);
}

static void receive(struct channel *channel, char *text, size_t bytes)
{
	struct pending *message = alloc_zeroed(sizeof(*message));

	message->text = text;
	message->bytes = bytes;
	if (channel->first)
		channel->last->next = message;
	else
		channel->first = message;
	channel->last = message;
	run_queue(channel);
}

void channel_receive(struct channel *channel, char *message, size_t bytes)
{
	receive(channel, message, bytes);
}

void channel_receive_oversize(struct channel *channel)
{
	_Static_assert(LIMIT_MESSAGE_BYTES == 16 * MIB, "the error names the limit");
	receive(channel, NULL, 0);
}

/* --- the end ---------------------------------------------------------------- */

static bool is_idle(const struct channel *channel)
{
	return !channel->first && !channel->parsing &&
	       channel->request_count == channel->subscription_count;
}

/* From the loop and not from where the last thing ended, so that the owner may close the channel
 * in on_drained. */
static void drained(void *context)
{
	struct channel *channel = context;

	if (!is_idle(channel) || channel->is_drained)
		return;
	channel->is_drained = true;
	while (channel->requests)
		modern_end_subscription(channel->requests);
	channel->callbacks.on_drained(channel->callbacks.context);
}

void channel_settle(struct channel *channel)
{
	if (channel->drain_timer && !channel->is_drained && is_idle(channel))
		loop_timer_start(channel->drain_timer, 0);
}

void channel_drain(struct channel *channel)
{
	if (!channel->drain_timer)
		channel->drain_timer =
			loop_timer_create(channel->server->config.loop, drained, channel);
	channel_settle(channel);
}

static void detach_batches(struct channel *channel)
{
	struct request *request;

	for (request = channel->requests; request; request = request->next) {
		if (request->batch)
			request->batch->channel = NULL;
	}
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	loop_timer_destroy(channel->drain_timer);
	channel->drain_timer = NULL;
	detach_batches(channel);
	while (channel->requests) {
		struct request *request = channel->requests;

		/* At a clean end, subscriptions get a result; the rest is not answered. */
		if (request->is_subscription)
			modern_end_subscription(request);
		else
			request_abandon(request);
	}
	if (channel->parsing)
		channel->parsing->channel = NULL;
	while (channel->first) {
		struct pending *message = channel->first;

		channel->first = message->next;
		free_pending(message);
	}
	session_close(channel->session);
	free(channel);
}
