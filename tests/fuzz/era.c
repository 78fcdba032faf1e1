/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/limits.h"
#include "mcp/channel.h"
#include "tests/stubs/session.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A client that says whatever it likes, one message per line, to a whole channel. What comes back
 * must be JSON-RPC that asks nothing. */

static const char *output;

static void check_part(const json_t *part)
{
	assert(json_is_object(part));
	assert(strcmp(json_string_value(json_object_get(part, "jsonrpc")), "2.0") == 0);
	assert(!json_object_get(part, "method") || !json_object_get(part, "id"));
}

static void check_sent(void *context, char *message, size_t bytes)
{
	json_t *root = json_loadb(message, bytes, JSON_ALLOW_NUL, NULL);
	size_t i;

	(void)context;
	assert(root && !memchr(message, '\n', bytes));
	if (json_is_array(root)) {
		for (i = 0; i < json_array_size(root); i++)
			check_part(json_array_get(root, i));
	} else {
		check_part(root);
	}
	json_decref(root);
	free(message);
}

static void ignore_consumed(void *context, size_t bytes)
{
	(void)context;
	(void)bytes;
}

static void ignore_drained(void *context)
{
	(void)context;
}

/* Every call ends; some report before. */
static void end_calls(struct registry *registry)
{
	struct stub_outcome outcome = { .out = output, .handle = "" };
	size_t i;

	stub_settle(registry);
	for (i = 0; i < registry->call_count; i++) {
		struct call *call = registry->calls[i];

		if (!call)
			continue;
		assert(!call->request.command != !call->request.args);
		assert(call->request.timeout_ms >= 1000);
		if (call->request.target != CALL_TARGET_SESSION)
			outcome.handle = "sbx_0";
		call->callbacks.on_progress(call->callbacks.context, i, i ? "half" : NULL);
		outcome.result.end = (enum exec_end)(i % (EXEC_END_NOT_STARTED + 1));
		outcome.error.kind = i % 3 == 2 ? ERROR_LOST : ERROR_NONE;
		stub_finish(call, &outcome);
	}
	registry->call_count = 0;
}

static void say(struct channel *channel, struct registry *registry, const char *line, size_t bytes)
{
	char *message;

	/* Larger ones go the same way by another thread, which would make runs differ. */
	if (bytes == 0 || bytes > LIMIT_LOOP_PARSE_BYTES)
		return;
	message = malloc(bytes);
	memcpy(message, line, bytes);
	channel_receive(channel, message, bytes);
	/* A line that begins with a space leaves its call in flight, for cancels and duplicates. */
	if (line[0] != ' ' || registry->call_count > STUB_CALLS / 2)
		end_calls(registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct channel_callbacks callbacks = { check_sent, ignore_consumed,
							    ignore_drained, NULL };
	static struct registry registry;
	struct error err = ERROR_INIT;
	struct loop *loop = loop_create(&err);
	const struct mcp_server_config config = {
		.loop = loop,
		.registry = &registry,
		.sandbox_scope = size > 0 ? (enum sandbox_scope)(data[0] % 4) : SANDBOX_SCOPE_AUTO,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	};
	struct mcp_server *server;
	struct channel *channel;
	const char *at = (const char *)data;
	const char *end = at + size;

	output = "a \"line\"\n";
	stub_registry_init(&registry);
	server = mcp_server_create(&config);
	channel = channel_open(server, &callbacks);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		say(channel, &registry, at, (size_t)(stop - at));
		at = stop + (newline != NULL);
	}
	channel_receive_oversize(channel);
	channel_drain(channel);
	channel_close(channel);
	stub_registry_finish(&registry);
	mcp_server_destroy(server);
	loop_destroy(loop);
	return 0;
}
