/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/encode.h"
#include "mcp/fixtures.h"
#include "mcp/tools.h"

#include <inttypes.h>
#include <string.h>

/* Whether one more would be more than a client may have in flight. */
static bool is_busy(const struct request *request)
{
	const struct client *client = request->client;

	/* Cancelled calls are no requests any more, but they still run. */
	return client->request_count > LIMIT_CHANNEL_QUEUE_MESSAGES ||
	       session_calls(client->session) >= LIMIT_CHANNEL_QUEUE_MESSAGES;
}

/* --- tools/list ------------------------------------------------------------ */

static enum era era_of(const struct request *request)
{
	return request->frame.version >= MCP_2026_07_28 ? ERA_MODERN : ERA_LEGACY;
}

void tools_list(struct request *request, const struct incoming_item *item)
{
	const json_t *cursor = json_object_get(item->message->params, "cursor");

	if (cursor && !json_is_null(cursor)) {
		request_fail(request, JSONRPC_INVALID_PARAMS,
			     "Unknown cursor: the list has one page.", NULL);
		return;
	}
	if (is_busy(request)) {
		request_fail(request, JSONRPC_INTERNAL_ERROR,
			     "Server is busy: too many requests are unanswered.", NULL);
		return;
	}
	mcp_server_want_facts(request->client->server, request);
}

void tools_list_answer(struct request *request, const struct exec_facts *facts)
{
	const struct mcp_server_config *config = &request->client->server->config;
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);
	const struct tools_text text = {
		.facts = facts,
		.timeout_s = config->timeout_s,
		.max_timeout_s = config->max_timeout_s,
		.output_limit_bytes = config->output_limit_bytes,
		.takes_handle = mcp_server_takes_handle(request->client->server, era_of(request)),
		.override = config->description_override,
		.extension = config->description_extension,
	};

	result_open(&message, &request->frame);
	tools_append_list(&message, &text, request->frame.version);
	/* A list without facts is not worth keeping: the next probe may succeed. */
	if (era_of(request) == ERA_MODERN)
		(void)buf_printf(&message, ",\"ttlMs\":%d,\"cacheScope\":\"public\"",
				 facts ? MCP_CACHE_MS : 0);
	result_close(&message, &request->frame);
	request_answer(request, &message);
	buf_finish(&message);
}

/* --- tools/call ------------------------------------------------------------ */

/* The thread of the call. */
static enum call_encoding encode_reply(void *context, const struct call_outcome *outcome,
				       struct buf *reply)
{
	const struct request *request = context;

	return result_encode_outcome(reply, &request->frame, outcome);
}

static void append_progress_text(struct buf *out, const char *message, uint64_t elapsed_ms)
{
	struct buf text = BUF_INIT(LIMIT_LOG_FIELD_BYTES);

	if (message)
		(void)utf8_repair(&text, message, strlen(message));
	else
		(void)buf_printf(&text, "Running for %" PRIu64 " s", elapsed_ms / 1000);
	(void)buf_append_string(out, ",\"message\":\"");
	encode_text(out, text.data, text.length, ENCODE_ONCE);
	(void)buf_append_byte(out, '"');
	buf_finish(&text);
}

static void send_progress(void *context, uint64_t elapsed_ms, const char *message)
{
	struct request *request = context;
	uint64_t now_ms = clock_now_ms();
	struct buf out = BUF_INIT(LIMIT_REPLY_BYTES);

	if (!request_is_wanted(request) || !request->progress_token)
		return;
	/* A registry's pull can report a thousand times a second. */
	if (request->progress_sent_ms && now_ms - request->progress_sent_ms < LIMIT_PROGRESS_GAP_MS)
		return;
	request->progress_sent_ms = now_ms;
	/* Two reports in one millisecond, or a clock that starts again, must still increase. */
	request->progress_ms =
		elapsed_ms > request->progress_ms ? elapsed_ms : request->progress_ms + 1;
	(void)buf_printf(&out,
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			 "\"progressToken\":%s,\"progress\":%" PRIu64 ".%03" PRIu64,
			 request->progress_token, request->progress_ms / 1000,
			 request->progress_ms % 1000);
	if (request->frame.version >= MCP_2025_03_26)
		append_progress_text(&out, message, elapsed_ms);
	(void)buf_append_string(&out, "}}");
	request_notify(request, &out);
	buf_finish(&out);
}

static void call_done(void *context, struct buf *reply, bool is_cancelled)
{
	struct request *request = context;

	request->call = NULL;
	if (is_cancelled || !request->client)
		request_drop(request);
	else
		request_answer(request, reply);
}

static void answer_with_error(struct request *request, const struct error *error)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	result_encode_error(&message, &request->frame, error);
	request_answer(request, &message);
	buf_finish(&message);
}

static void start_call(struct request *request, const struct incoming_item *item)
{
	const json_t *meta = json_object_get(item->message->params, "_meta");
	const struct call_callbacks callbacks = {
		.encode = encode_reply,
		.on_progress = send_progress,
		.on_done = call_done,
		.context = request,
	};

	request->progress_token = jsonrpc_id_text(json_object_get(meta, "progressToken"));
	request->call = call_start(request->client->session, &item->arguments->request, &callbacks);
	if (request->sink)
		request->sink->expect_call(request->sink, request);
}

/* A modern request over HTTP has no session whose sandbox it could use. */
static bool lacks_session(const struct request *request)
{
	const struct mcp_server_config *config = &request->client->server->config;

	return config->is_http && config->sandbox_scope == SANDBOX_SCOPE_SESSION &&
	       era_of(request) == ERA_MODERN;
}

void tools_call(struct request *request, const struct incoming_item *item)
{
	const char *name = jsonrpc_plain_string(json_object_get(item->message->params, "name"));
	struct error error = ERROR_INIT;

	if (!name) {
		request_fail(request, JSONRPC_INVALID_PARAMS,
			     "name must be a string without NUL characters.", NULL);
	} else if (strcmp(name, SANDBOX_EXEC_NAME) != 0) {
		if (!fixtures_call(request, item, name))
			request_fail_quoting(request, JSONRPC_INVALID_PARAMS,
					     "Unknown tool: ", name);
	} else if (!item->arguments) {
		request_fail(request, JSONRPC_INVALID_PARAMS, "arguments must be an object.", NULL);
	} else if (item->arguments->error.kind != ERROR_NONE) {
		answer_with_error(request, &item->arguments->error);
	} else if (lacks_session(request)) {
		(void)error_set(&error, ERROR_INVALID,
				"This server runs with --sandbox-scope session, but MCP 2026-07-28 "
				"has no sessions over HTTP. Its operator can start it with "
				"--sandbox-scope auto or handle; or use a client of an earlier "
				"revision.");
		answer_with_error(request, &error);
	} else if (is_busy(request)) {
		(void)error_set(&error, ERROR_BUSY,
				"Server is busy: %d calls of this connection are unanswered. "
				"Wait for one to end.",
				LIMIT_CHANNEL_QUEUE_MESSAGES);
		answer_with_error(request, &error);
	} else {
		start_call(request, item);
	}
}
