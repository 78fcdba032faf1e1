/* SPDX-License-Identifier: MIT */
#include "mcp/incoming.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static bool calls_our_tool(const struct jsonrpc_message *message)
{
	const char *name = jsonrpc_plain_string(json_object_get(message->params, "name"));

	return message->kind == JSONRPC_REQUEST && strcmp(message->method, "tools/call") == 0 &&
	       name && strcmp(name, SANDBOX_EXEC_NAME) == 0;
}

/* NULL if `arguments` is not an object: that is the protocol's error, not the tool's. */
static struct tool_arguments *decode(const json_t *params, const struct sandbox_exec_rules *rules)
{
	const json_t *object = json_object_get(params, "arguments");
	struct tool_arguments *arguments;

	if (object && !json_is_object(object) && !json_is_null(object))
		return NULL;
	arguments = alloc_zeroed(sizeof(*arguments));
	(void)sandbox_exec_decode(json_is_object(object) ? object : NULL, rules,
				  &arguments->request, &arguments->error);
	return arguments;
}

static enum era era_of(const json_t *params, enum mcp_protocol protocol)
{
	switch (protocol) {
	case MCP_PROTOCOL_LEGACY:
		return ERA_LEGACY;
	case MCP_PROTOCOL_MODERN:
		return ERA_MODERN;
	case MCP_PROTOCOL_BOTH:
		break;
	}
	return era_classify(params);
}

void incoming_parse(struct incoming *incoming, char *text, size_t bytes,
		    const struct incoming_rules *rules)
{
	size_t i;

	jsonrpc_parse(&incoming->json, text, bytes);
	incoming->items = alloc_array(incoming->json.count, sizeof(*incoming->items));
	for (i = 0; i < incoming->json.count; i++) {
		struct incoming_item *item = &incoming->items[i];

		item->message = &incoming->json.messages[i];
		item->era = era_of(item->message->params, rules->protocol);
		if (calls_our_tool(item->message))
			item->arguments = decode(item->message->params, &rules->of_era[item->era]);
	}
}

void incoming_finish(struct incoming *incoming)
{
	size_t i;

	for (i = 0; i < incoming->json.count; i++) {
		struct tool_arguments *arguments = incoming->items[i].arguments;

		if (arguments)
			call_request_finish(&arguments->request);
		free(arguments);
	}
	free(incoming->items);
	jsonrpc_input_finish(&incoming->json);
}
