/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/limits.h"
#include "mcp/encode.h"

/* MCP 2024-11-05 to 2025-11-25: a handshake, then requests in the version agreed on. */

static void initialize(struct request *request, const struct incoming_item *item)
{
	const char *wanted =
		jsonrpc_plain_string(json_object_get(item->message->params, "protocolVersion"));
	struct client *client = request->client;
	struct registry *registry = client->server->config.registry;
	enum mcp_version version;
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	if (!wanted) {
		request_fail(request, JSONRPC_INVALID_PARAMS, "protocolVersion must be a string.",
			     NULL);
		return;
	}
	/* An unknown version is answered with our newest; the client decides whether to stay.
	 * The modern era has no handshake, so it is never the answer to one. */
	if (!mcp_version_find(wanted, &version) || version > MCP_NEWEST_LEGACY)
		version = MCP_NEWEST_LEGACY;
	client->version = version;
	client->is_initialized = true;
	result_open(&message, &request->frame);
	encode_member(&message, "protocolVersion", mcp_version_name(version));
	(void)buf_append_string(&message, ",\"capabilities\":{\"tools\":{}},\"serverInfo\":");
	result_append_server_info(&message);
	result_close(&message, &request->frame);
	request_answer(request, &message);
	buf_finish(&message);
	/* Only now: at start it would compete with this answer. */
	registry_prepare(registry);
}

static void ping(struct request *request, const struct incoming_item *item)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	(void)item;
	result_open(&message, &request->frame);
	result_close(&message, &request->frame);
	request_answer(request, &message);
	buf_finish(&message);
}

static const struct method methods[] = {
	{ "initialize", initialize },
	{ "ping", ping },
	{ "tools/list", tools_list },
	{ "tools/call", tools_call },
};

void legacy_handle(struct request *request, const struct incoming_item *item)
{
	method_handle(methods, ARRAY_LENGTH(methods), request, item);
}
