/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/limits.h"
#include "mcp/endpoint.h"
#include "tests/stubs/session.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/*
 * Clients that send whatever they like in whatever order. A line is a request or an event:
 *
 *   P sv... BODY   a POST; s: its session (- none, ? unknown, 0 to 7 as they were minted),
 *                  v: its MCP-Protocol-Version (a letter of `versions`), m: its Mcp-Method (of
 *                  `methods`)
 *   G s, D s       GET, DELETE
 *   A n            the n-th exchange loses its client
 *   F n            the n-th call ends; R n: it reports first
 *   S              the server is about to stop
 */

#define EXCHANGES 256
#define SESSIONS 8

struct peer {
	struct exchange *exchange;
	bool is_stream, is_over, is_consumed, is_abandoned;
	size_t body_bytes;
};

static struct peer peers[EXCHANGES];
static size_t peer_count;
static char sessions[SESSIONS][64];
static size_t session_count;

static const char *const versions[] = { NULL, "2025-11-25", "2025-03-26", "2026-07-28", "x" };
static const char *const methods[] = { NULL, "tools/call", "tools/list", "subscriptions/listen" };

static void check_part(const json_t *part)
{
	assert(json_is_object(part));
	assert(strcmp(json_string_value(json_object_get(part, "jsonrpc")), "2.0") == 0);
	assert(!json_object_get(part, "method") || !json_object_get(part, "id"));
}

static void check_message(char *message, size_t bytes)
{
	json_t *root = json_loadb(message, bytes, JSON_ALLOW_NUL, NULL);
	size_t i;

	assert(root && !memchr(message, '\n', bytes));
	if (!json_is_array(root))
		check_part(root);
	for (i = 0; i < json_array_size(root); i++)
		check_part(json_array_get(root, i));
	json_decref(root);
	free(message);
}

static void check_alive(const struct peer *peer)
{
	assert(!peer->is_over && !peer->is_abandoned);
}

static void end(struct peer *peer)
{
	assert(peer->is_consumed || peer->body_bytes == 0);
	peer->is_over = true;
	peer->exchange = NULL;
}

static void on_answer(void *context, int status, char *body, size_t bytes, const char *session_id)
{
	struct peer *peer = context;

	check_alive(peer);
	assert(!peer->is_stream && status >= 200 && status <= 503);
	if (body)
		check_message(body, bytes);
	else
		assert(status == 202 || status == 204);
	if (session_id && session_count < SESSIONS)
		(void)snprintf(sessions[session_count++], sizeof(sessions[0]), "%s", session_id);
	end(peer);
}

static void on_open_stream(void *context)
{
	struct peer *peer = context;

	check_alive(peer);
	assert(!peer->is_stream);
	peer->is_stream = true;
}

static void on_send(void *context, char *message, size_t bytes)
{
	const struct peer *peer = context;

	check_alive(peer);
	assert(peer->is_stream);
	check_message(message, bytes);
}

static void on_end_stream(void *context)
{
	struct peer *peer = context;

	check_alive(peer);
	assert(peer->is_stream);
	end(peer);
}

static void on_consumed(void *context, size_t bytes)
{
	struct peer *peer = context;

	check_alive(peer);
	assert(!peer->is_consumed && bytes == peer->body_bytes);
	peer->is_consumed = true;
}

static const char *session_of(char letter)
{
	if (letter >= '0' && letter < '0' + SESSIONS)
		return sessions[letter - '0'];
	return letter == '?' ? "unknown" : NULL;
}

static void receive(struct endpoint *endpoint, const struct endpoint_request *request,
		    const char *body, size_t bytes)
{
	struct peer *peer = &peers[peer_count];
	const struct exchange_callbacks callbacks = {
		.answer = on_answer,
		.open_stream = on_open_stream,
		.send = on_send,
		.end_stream = on_end_stream,
		.on_consumed = on_consumed,
		.context = peer,
	};
	char *copy = malloc(bytes + 1);

	if (peer_count == EXCHANGES || bytes > LIMIT_LOOP_PARSE_BYTES) {
		free(copy);
		return;
	}
	peer_count++;
	*peer = (struct peer){ .body_bytes = bytes };
	memcpy(copy, body, bytes);
	copy[bytes] = '\0';
	peer->exchange = endpoint_receive(endpoint, request, copy, bytes, &callbacks);
	assert((peer->exchange == NULL) == peer->is_over);
}

static void post(struct endpoint *endpoint, const char *line, size_t bytes)
{
	struct endpoint_request request = { .name_header = "sandbox_exec" };

	if (bytes < 6)
		return;
	request.session_id = session_of(line[2]);
	request.protocol_version = versions[(unsigned char)line[3] % ARRAY_LENGTH(versions)];
	request.method_header = methods[(unsigned char)line[4] % ARRAY_LENGTH(methods)];
	receive(endpoint, &request, line + 5, bytes - 5);
}

static void abandon(size_t index)
{
	struct peer *peer = &peers[index % EXCHANGES];
	struct exchange *exchange = peer->exchange;

	if (index >= peer_count || !exchange)
		return;
	peer->is_abandoned = true;
	peer->exchange = NULL;
	exchange_abandon(exchange);
}

static void end_call(struct registry *registry, size_t index, bool reports)
{
	struct call *call = index < registry->call_count ? registry->calls[index] : NULL;

	if (!call)
		return;
	if (reports)
		call->callbacks.on_progress(call->callbacks.context, 10000, NULL);
	else
		stub_finish(call, &(struct stub_outcome){ .out = "done", .handle = "sbx_0" });
}

static void act(struct endpoint *endpoint, struct registry *registry, const char *line,
		size_t bytes)
{
	char argument = bytes > 2 ? line[2] : '-';
	size_t index = (size_t)(argument - '0') % EXCHANGES;
	const struct endpoint_request bodiless = {
		.method = line[0] == 'G' ? ENDPOINT_GET : ENDPOINT_DELETE,
		.session_id = session_of(argument),
	};

	switch (line[0]) {
	case 'P':
		if (registry->call_count < STUB_CALLS - LIMIT_BATCH_MESSAGES)
			post(endpoint, line, bytes);
		break;
	case 'G':
	case 'D':
		receive(endpoint, &bodiless, "", 0);
		break;
	case 'A':
		abandon(index);
		break;
	case 'F':
	case 'R':
		end_call(registry, index, line[0] == 'R');
		break;
	case 'S':
		endpoint_drain(endpoint);
		break;
	default:
		stub_settle(registry);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry registry;
	struct error err = ERROR_INIT;
	struct loop *loop = loop_create(&err);
	const struct mcp_server_config config = {
		.loop = loop,
		.registry = &registry,
		.sandbox_scope = size > 0 ? (enum sandbox_scope)(data[0] % 4) : SANDBOX_SCOPE_AUTO,
		.protocol = size > 0 ? (enum mcp_protocol)(data[0] / 4 % 3) : MCP_PROTOCOL_BOTH,
		.is_http = true,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	};
	struct mcp_server *server;
	struct endpoint *endpoint;
	const char *at = (const char *)data;
	const char *last = at + size;
	size_t i;

	peer_count = session_count = 0;
	memset(sessions, 0, sizeof(sessions));
	stub_registry_init(&registry);
	server = mcp_server_create(&config);
	endpoint =
		endpoint_create(&(struct endpoint_config){ .server = server, .max_sessions = 4 });
	while (at < last) {
		const char *newline = memchr(at, '\n', (size_t)(last - at));
		const char *stop = newline ? newline : last;

		if (stop > at)
			act(endpoint, &registry, at, (size_t)(stop - at));
		at = stop + (newline != NULL);
	}
	for (i = 0; i < peer_count; i++)
		abandon(i);
	endpoint_destroy(endpoint);
	stub_registry_finish(&registry);
	mcp_server_destroy(server);
	loop_destroy(loop);
	return 0;
}
