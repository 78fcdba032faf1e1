/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct client *client_create(struct mcp_server *server, struct session *session)
{
	struct client *client = alloc_zeroed(sizeof(*client));

	client->server = server;
	client->session = session;
	/* What a client without a handshake is taken for, as the specification advises. */
	client->version = MCP_2025_03_26;
	return client;
}

/* --- what a message means --------------------------------------------------- */

static void cancel_request(struct client *client, const json_t *params)
{
	char *id = jsonrpc_id_text(json_object_get(params, "requestId"));
	struct request *request = id ? request_find(client, id) : NULL;

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

/* An id that nobody waits for may be used again: its client has lost the connection, and may well
 * count from the beginning. */
static bool is_taken(const struct client *client, const char *id)
{
	const struct request *other = id ? request_find(client, id) : NULL;

	return other && request_is_wanted(other);
}

static void handle_request(struct client *client, struct sink *sink, struct batch *batch,
			   const struct incoming_item *item)
{
	const struct jsonrpc_message *message = item->message;
	bool is_duplicate = is_taken(client, message->id);
	struct request *request = request_create(client, batch ? NULL : sink, batch, message->id);

	if (item->era == ERA_MODERN)
		request->frame.version = MCP_2026_07_28;
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

static void handle_item(struct client *client, struct sink *sink, struct batch *batch,
			const struct incoming_item *item)
{
	const struct jsonrpc_message *message = item->message;

	switch (message->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_INVALID:
		handle_request(client, sink, batch, item);
		break;
	case JSONRPC_NOTIFICATION:
		if (strcmp(message->method, "notifications/cancelled") == 0)
			cancel_request(client, message->params);
		break;
	case JSONRPC_RESPONSE:
		break;
	}
}

static void handle_batch(struct client *client, struct sink *sink, const struct incoming *incoming)
{
	struct batch *batch;
	size_t i;

	if (!client->is_initialized || client->version != MCP_2025_03_26) {
		client_refuse(client, sink,
			      "Only MCP 2025-03-26 has batches; send one message at a time.");
		return;
	}
	batch = batch_create(sink, incoming->json.count, session_budget(client->session));
	for (i = 0; i < incoming->json.count; i++)
		handle_item(client, sink, batch, &incoming->items[i]);
	batch_release(batch);
}

void client_handle(struct client *client, struct sink *sink, const struct incoming *incoming)
{
	if (incoming->json.is_batch)
		handle_batch(client, sink, incoming);
	else
		handle_item(client, sink, NULL, &incoming->items[0]);
}

void client_refuse(struct client *client, struct sink *sink, const char *reason)
{
	struct request *request = request_create(client, sink, NULL, NULL);

	request_fail(request, JSONRPC_INVALID_REQUEST, reason, NULL);
}

/* --- the end ---------------------------------------------------------------- */

void client_forget_sink(struct client *client, const struct sink *sink)
{
	struct request *request;

	for (request = client->requests; request; request = request->next) {
		if (request->sink == sink)
			request->sink = NULL;
		if (request->batch && request->batch->sink == sink)
			batch_forget_sink(request->batch);
	}
}

static void detach_batches(struct client *client)
{
	struct request *request;

	for (request = client->requests; request; request = request->next) {
		if (request->batch)
			batch_forget_sink(request->batch);
	}
}

void client_destroy(struct client *client)
{
	if (!client)
		return;
	client->on_settled = NULL;
	detach_batches(client);
	while (client->requests) {
		struct request *request = client->requests;

		/* At a clean end, subscriptions get a result; the rest is not answered. */
		if (request->is_subscription)
			modern_end_subscription(request);
		else
			request_abandon(request);
	}
	session_close(client->session);
	free(client);
}
