/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/escape.h"
#include "base/limits.h"

#include <string.h>
#include <utlist.h>

/* MCP 2026-07-28: no handshake; every request says in params._meta what it is. */

static void discover(struct request *request, const struct incoming_item *item)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	(void)item;
	result_open(&message, &request->frame);
	(void)buf_printf(&message,
			 "\"supportedVersions\":[\"%s\"],\"capabilities\":{\"tools\":{}},"
			 "\"ttlMs\":%d,\"cacheScope\":\"public\"",
			 mcp_version_name(MCP_2026_07_28), MCP_CACHE_MS);
	result_close(&message, &request->frame);
	request_answer(request, &message);
	buf_finish(&message);
}

/* Whether one more would be more than there are, or than one name has of them: the half. */
static bool has_too_many(const struct client *client)
{
	const struct mcp_server *server = client->server;
	const char *name = session_principal(client->session);
	const struct request *request;
	unsigned own = 0;

	LL_FOREACH2(server->subscriptions, request, next_subscription)
	{
		const char *other = session_principal(request->client->session);

		own += name && other && strcmp(name, other) == 0;
	}
	return server->subscription_count >= LIMIT_LISTEN_STREAMS ||
	       own >= LIMIT_LISTEN_STREAMS / 2;
}

/* Our lists never change, so a subscription is acknowledged, and then only held. */
static void listen(struct request *request, const struct incoming_item *item)
{
	struct client *client = request->client;
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	(void)item;
	if (has_too_many(client)) {
		request->http_status = 503;
		request_fail(request, JSONRPC_INVALID_REQUEST,
			     "Too many subscriptions are open; cancel one.", NULL);
		return;
	}
	request->is_subscription = true;
	client->subscription_count++;
	client->server->subscription_count++;
	LL_PREPEND2(client->server->subscriptions, request, next_subscription);
	(void)buf_printf(&message,
			 "{\"jsonrpc\":\"2.0\","
			 "\"method\":\"notifications/subscriptions/acknowledged\","
			 "\"params\":{\"_meta\":{\"%s\":%s},\"notifications\":{}}}",
			 MCP_META_SUBSCRIPTION, request->id);
	request_notify(request, &message);
	buf_finish(&message);
}

void modern_end_subscription(struct request *request)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	jsonrpc_result_open(&message, request->id);
	(void)buf_printf(&message, "\"resultType\":\"complete\",\"_meta\":{\"%s\":%s,\"%s\":",
			 MCP_META_SUBSCRIPTION, request->id, MCP_META_SERVER_INFO);
	result_append_server_info(&message);
	(void)buf_append_byte(&message, '}');
	jsonrpc_result_close(&message);
	request_answer(request, &message);
	buf_finish(&message);
}

static void fail_version(struct request *request, const char *wanted)
{
	struct buf data = BUF_INIT(4096);

	(void)buf_printf(&data, "{\"supported\":[\"%s\"],\"requested\":\"",
			 mcp_version_name(MCP_2026_07_28));
	(void)escape_append(&data, wanted, strlen(wanted), REQUEST_QUOTED_BYTES, ESCAPE_JSON);
	(void)buf_append_string(&data, "\"}");
	(void)buf_append_byte(&data, '\0');
	request_fail(request, JSONRPC_UNSUPPORTED_VERSION, "Unsupported protocol version.",
		     data.data);
	buf_finish(&data);
}

static const struct method methods[] = {
	{ "server/discover", discover },
	{ "tools/list", tools_list },
	{ "tools/call", tools_call },
	{ "subscriptions/listen", listen },
};

/* Of a server that is told to have no legacy era. A client that has one reads here which versions
 * to try. */
static void refuse_handshake(struct request *request, const struct incoming_item *item)
{
	const char *wanted =
		jsonrpc_plain_string(json_object_get(item->message->params, "protocolVersion"));

	fail_version(request, wanted ? wanted : "");
}

static void fail_header(struct request *request, const char *reason)
{
	request_fail(request, JSONRPC_HEADER_MISMATCH, reason, NULL);
}

/* What params._meta says, checked in the order in which clients expect mistakes to be told. */
static void handle_checked(struct request *request, const struct incoming_item *item,
			   const char *version)
{
	const struct mcp_headers *headers = request->sink->headers;
	const char *reason = headers ? headers_refuse_version(headers, version) : NULL;

	if (reason) {
		fail_header(request, reason);
		return;
	}
	if (strcmp(version, mcp_version_name(MCP_2026_07_28)) != 0) {
		fail_version(request, version);
		return;
	}
	reason = headers ? headers_refuse_method(headers, item->message) : NULL;
	if (reason)
		fail_header(request, reason);
	else
		method_handle(methods, ARRAY_LENGTH(methods), request, item);
}

void modern_handle(struct request *request, const struct incoming_item *item)
{
	const json_t *meta = json_object_get(item->message->params, "_meta");
	const json_t *version = json_object_get(meta, MCP_META_VERSION);

	if (!version && strcmp(item->message->method, "initialize") == 0) {
		refuse_handshake(request, item);
	} else if (!jsonrpc_plain_string(version)) {
		request->http_status = 400;
		request_fail(request, JSONRPC_INVALID_PARAMS,
			     "params._meta needs \"" MCP_META_VERSION "\", a string.", NULL);
	} else if (!json_is_object(json_object_get(meta, MCP_META_CAPABILITIES))) {
		request->http_status = 400;
		request_fail(request, JSONRPC_INVALID_PARAMS,
			     "params._meta needs \"" MCP_META_CAPABILITIES "\", an object.", NULL);
	} else {
		handle_checked(request, item, jsonrpc_plain_string(version));
	}
}
