/* SPDX-License-Identifier: MIT */
#include "mcp/endpoint_state.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct endpoint *endpoint_create(const struct endpoint_config *config)
{
	struct endpoint *endpoint = alloc_zeroed(sizeof(*endpoint));

	endpoint->server = config->server;
	endpoint->config = *config;
	if (endpoint->config.max_sessions == 0)
		endpoint->config.max_sessions = LIMIT_DEFAULT_SESSIONS;
	if (endpoint->config.session_ms == 0)
		endpoint->config.session_ms = LIMIT_SESSION_MS;
	endpoint->expiry_timer =
		loop_timer_create(config->server->config.loop, legacy_session_expire, endpoint);
	return endpoint;
}

void endpoint_destroy(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	assert(!endpoint->exchanges);
	while (endpoint->sessions)
		legacy_session_end(endpoint->sessions, "the server is stopping");
	loop_timer_destroy(endpoint->expiry_timer);
	free(endpoint);
}

static enum mcp_protocol protocol_of(const struct endpoint *endpoint)
{
	return endpoint->server->config.protocol;
}

const char *endpoint_allowed_methods(const struct endpoint *endpoint)
{
	return protocol_of(endpoint) == MCP_PROTOCOL_MODERN ? "POST" : "GET, POST, DELETE";
}

/* --- what a POST means ------------------------------------------------------------- */

/* NULL for a message that has none or whose id could not be read, and for a batch. */
static const char *id_of(const struct incoming *incoming)
{
	return incoming->json.is_batch ? NULL : incoming->items[0].message->id;
}

static void refuse_shape(struct exchange *exchange, const struct incoming *incoming,
			 const char *text)
{
	exchange_refuse(exchange, 400, JSONRPC_INVALID_REQUEST, id_of(incoming), text);
}

/* Whether the message holds nothing but notifications and responses. */
static bool wants_no_answer(const struct incoming *incoming)
{
	size_t i;

	for (i = 0; i < incoming->json.count; i++) {
		enum jsonrpc_kind kind = incoming->items[i].message->kind;

		if (kind == JSONRPC_REQUEST || kind == JSONRPC_INVALID)
			return false;
	}
	return true;
}

static void handle_in_session(struct exchange *exchange, const struct incoming *incoming)
{
	struct legacy_session *session = exchange->session;

	if (!session) {
		if (exchange->names_session)
			exchange_refuse(exchange, 404, JSONRPC_INVALID_REQUEST, id_of(incoming),
					"Session not found");
		else
			refuse_shape(exchange, incoming,
				     "Mcp-Session-Id is missing: initialize gives one.");
		return;
	}
	legacy_session_pin(session);
	legacy_session_touch(session);
	client_handle(session->client, &exchange->sink, incoming);
	if (wants_no_answer(incoming))
		exchange_accept(exchange, 202);
	legacy_session_unpin(session);
}

/* A client that only this message has. */
static void handle_alone(struct exchange *exchange, const struct incoming *incoming)
{
	struct mcp_server *server = exchange->endpoint->server;
	struct registry *registry = server->config.registry;

	exchange->own_client = client_create(
		server, session_open(registry_principal(registry, exchange->principal)));
	client_handle(exchange->own_client, &exchange->sink, incoming);
}

/* Always a session of its own, whether the client names an older one or not. */
static void initialize(struct exchange *exchange, const struct incoming *incoming)
{
	const struct incoming_item *item = &incoming->items[0];
	struct legacy_session *session;

	if (exchange->endpoint->is_draining) {
		exchange_refuse(exchange, 503, JSONRPC_INTERNAL_ERROR, id_of(incoming),
				"The server is stopping.");
		return;
	}
	if (!jsonrpc_plain_string(json_object_get(item->message->params, "protocolVersion"))) {
		handle_alone(exchange, incoming); /* which refuses it */
		return;
	}
	session =
		legacy_session_open(exchange->endpoint, exchange->principal, exchange->session_id);
	if (!session) {
		exchange_refuse(exchange, 503, JSONRPC_INTERNAL_ERROR, id_of(incoming),
				"Server is busy: all sessions are in use. Try again later.");
		return;
	}
	legacy_session_pin(session);
	client_handle(session->client, &exchange->sink, incoming);
	legacy_session_unpin(session);
}

static bool is_initialize(const struct incoming *incoming)
{
	const struct jsonrpc_message *message = incoming->items[0].message;

	return !incoming->json.is_batch && message->kind == JSONRPC_REQUEST &&
	       strcmp(message->method, "initialize") == 0;
}

/* The body claims nothing, but the header names a version that has no handshake. */
static void refuse_unclaimed(struct exchange *exchange, const struct incoming *incoming)
{
	if (wants_no_answer(incoming))
		exchange_accept(exchange, 202);
	else if (is_initialize(incoming))
		exchange_refuse(exchange, 400, JSONRPC_HEADER_MISMATCH, id_of(incoming),
				"Header mismatch: the version in MCP-Protocol-Version has no "
				"initialize.");
	else
		exchange_refuse(exchange, 400, JSONRPC_INVALID_PARAMS, id_of(incoming),
				"params._meta needs \"" MCP_META_VERSION
				"\", a string, and \"" MCP_META_CAPABILITIES "\", an object.");
}

static void handle_legacy(struct exchange *exchange, const struct incoming *incoming)
{
	enum header_era era = headers_era(&exchange->headers);

	if (era == HEADER_ERA_MODERN && protocol_of(exchange->endpoint) == MCP_PROTOCOL_BOTH)
		refuse_unclaimed(exchange, incoming);
	else if (era == HEADER_ERA_MODERN || era == HEADER_ERA_UNKNOWN)
		refuse_shape(exchange, incoming, "Unsupported MCP-Protocol-Version.");
	else if (is_initialize(incoming))
		initialize(exchange, incoming);
	else
		handle_in_session(exchange, incoming);
}

static void handle_modern(struct exchange *exchange, const struct incoming *incoming)
{
	struct request *request;

	if (wants_no_answer(incoming)) {
		exchange_accept(exchange, 202);
		return;
	}
	exchange->is_modern = true;
	handle_alone(exchange, incoming);
	request = exchange->own_client ? exchange->own_client->requests : NULL;
	if (exchange->endpoint->is_draining && request && request->is_subscription)
		modern_end_subscription(request);
}

static bool has_modern_item(const struct incoming *incoming)
{
	size_t i;

	for (i = 0; i < incoming->json.count; i++) {
		if (incoming->items[i].era == ERA_MODERN)
			return true;
	}
	return false;
}

/* The era is judged for each message by itself, by its body first. */
static void handle(struct exchange *exchange, const struct incoming *incoming)
{
	const struct jsonrpc_message *message = incoming->items[0].message;
	bool is_modern = has_modern_item(incoming);

	exchange->is_batch = incoming->json.is_batch;
	if (exchange->is_batch &&
	    (is_modern || headers_era(&exchange->headers) == HEADER_ERA_MODERN))
		refuse_shape(exchange, incoming,
			     "Only MCP 2025-03-26 has batches; send one message "
			     "at a time.");
	else if (!exchange->is_batch && message->kind == JSONRPC_INVALID)
		exchange_refuse(exchange, 400, message->code, message->id, message->reason);
	else if (is_modern)
		handle_modern(exchange, incoming);
	else
		handle_legacy(exchange, incoming);
}

static void handle_message(void *context, const struct incoming *incoming, size_t bytes)
{
	struct exchange *exchange = context;

	exchange_pin(exchange);
	exchange->is_read = true;
	exchange->body_bytes = 0;
	exchange->callbacks.on_consumed(exchange->callbacks.context, bytes);
	if (!exchange->is_over)
		handle(exchange, incoming);
	exchange_unpin(exchange);
}

/* --- what comes in ----------------------------------------------------------------- */

static void receive_post(struct exchange *exchange, char *body, size_t bytes)
{
	struct intake *intake;

	/* Messages of a session keep their order, though they come by many connections. */
	if (exchange->session)
		intake = exchange->session->intake;
	else
		intake = exchange->own_intake = intake_create(exchange->endpoint->server);
	exchange->body_bytes = bytes;
	intake_receive(intake, body ? body : alloc_string(""), bytes, handle_message, exchange);
}

static void open_session_stream(struct exchange *exchange)
{
	struct legacy_session *session = exchange->session;

	if (exchange->endpoint->is_draining) {
		exchange_refuse(exchange, 503, JSONRPC_INTERNAL_ERROR, NULL,
				"The server is stopping.");
	} else if (session->stream) {
		exchange_refuse(exchange, 409, JSONRPC_INVALID_REQUEST, NULL,
				"This session has its stream already.");
	} else {
		session->stream = exchange;
		exchange_open_stream(exchange);
	}
}

/* GET and DELETE: only legacy clients have a use for them. */
static void receive_bodiless(struct exchange *exchange)
{
	enum header_era era = headers_era(&exchange->headers);
	struct legacy_session *session = exchange->session;

	if (protocol_of(exchange->endpoint) == MCP_PROTOCOL_MODERN || era == HEADER_ERA_MODERN ||
	    !exchange->names_session) {
		exchange_refuse(exchange, 405, JSONRPC_INVALID_REQUEST, NULL,
				"This method needs the Mcp-Session-Id of a session; MCP 2026-07-28 "
				"has POST alone.");
	} else if (era == HEADER_ERA_UNKNOWN) {
		exchange_refuse(exchange, 400, JSONRPC_INVALID_REQUEST, NULL,
				"Unsupported MCP-Protocol-Version.");
	} else if (!session) {
		exchange_refuse(exchange, 404, JSONRPC_INVALID_REQUEST, NULL, "Session not found");
	} else if (exchange->method == ENDPOINT_GET) {
		open_session_stream(exchange);
	} else {
		exchange->session = NULL;
		legacy_session_end(session, "deleted");
		exchange_accept(exchange, 204);
	}
}

struct exchange *endpoint_receive(struct endpoint *endpoint, const struct endpoint_request *request,
				  char *body, size_t bytes,
				  const struct exchange_callbacks *callbacks)
{
	struct exchange *exchange = exchange_create(endpoint, request, callbacks);
	bool is_over;

	exchange_pin(exchange);
	if (request->session_id)
		exchange->session =
			legacy_session_find(endpoint, request->session_id, request->principal);
	if (request->method == ENDPOINT_POST) {
		receive_post(exchange, body, bytes);
	} else {
		free(body);
		receive_bodiless(exchange);
	}
	is_over = exchange->is_over;
	exchange_unpin(exchange);
	return is_over ? NULL : exchange;
}

/* --- the end, and a look ------------------------------------------------------------- */

static struct request *subscription_of(const struct exchange *exchange)
{
	struct request *request = exchange->own_client ? exchange->own_client->requests : NULL;

	return request && request->is_subscription ? request : NULL;
}

static struct exchange *find_endless(const struct endpoint *endpoint)
{
	struct exchange *exchange;

	DL_FOREACH (endpoint->exchanges, exchange) {
		if (exchange->method == ENDPOINT_GET || subscription_of(exchange))
			return exchange;
	}
	return NULL;
}

void endpoint_drain(struct endpoint *endpoint)
{
	struct exchange *exchange;

	endpoint->is_draining = true;
	while ((exchange = find_endless(endpoint))) {
		if (exchange->method == ENDPOINT_GET)
			exchange_end_stream(exchange);
		else
			modern_end_subscription(subscription_of(exchange));
	}
}

unsigned endpoint_session_count(const struct endpoint *endpoint)
{
	return endpoint->session_count;
}

void endpoint_each_session(const struct endpoint *endpoint, const char *principal,
			   void (*visit)(void *context, const struct endpoint_session_view *view),
			   void *context)
{
	uint64_t now_ms = clock_now_ms();
	const struct legacy_session *session;

	DL_FOREACH (endpoint->sessions, session) {
		const char *name = session->owner->name;
		const struct endpoint_session_view view = {
			.tag = session_tag(session->client->session),
			.principal = name[0] ? name : NULL,
			.protocol_version = mcp_version_name(session->client->version),
			.age_ms = now_ms - session->opened_ms,
			.unused_ms = now_ms - session->used_ms,
			.open_requests = session->client->request_count,
		};

		if (!principal || strcmp(name, principal) == 0)
			visit(context, &view);
	}
}
