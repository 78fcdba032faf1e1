/* SPDX-License-Identifier: MIT */
#include "mcp/fixtures.h"

#include "base/attr.h"
#include "base/limits.h"
#include "mcp/encode.h"
#include "mcp/state.h"

#include <stddef.h>
#include <string.h>

/* One red pixel, and half a millisecond of silence. */
#define PNG                                                                                        \
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSu" \
	"QmCC"
#define WAV "UklGRigAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQQAAACAgICA"

#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define IMAGE "{\"type\":\"image\",\"data\":\"" PNG "\",\"mimeType\":\"image/png\"}"
#define AUDIO "{\"type\":\"audio\",\"data\":\"" WAV "\",\"mimeType\":\"audio/wav\"}"
#define RESOURCE(uri, type, text)                                                                  \
	"{\"type\":\"resource\",\"resource\":{\"uri\":\"" uri "\",\"mimeType\":\"" type            \
	"\",\"text\":\"" text "\"}}"

struct fixture {
	const char *name;
	const char *description;
	const char *content; /* what stands in the brackets */
	bool is_error;
	/* Whether it has dealt with the request, so that nothing is left to answer. May be NULL. */
	bool (*begin)(struct request *request, const struct incoming_item *item);
};

static void append_progress(struct buf *out, const char *token, int progress)
{
	(void)buf_printf(out,
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			 "\"progressToken\":%s,\"progress\":%d,\"total\":100}}",
			 token, progress);
}

static bool report_progress(struct request *request, const struct incoming_item *item)
{
	const json_t *meta = json_object_get(item->message->params, "_meta");
	int progress;

	request->progress_token = jsonrpc_id_text(json_object_get(meta, "progressToken"));
	for (progress = 0; request->progress_token && progress <= 100; progress += 50) {
		struct buf out = BUF_INIT(LIMIT_REPLY_BYTES);

		append_progress(&out, request->progress_token, progress);
		request_notify(request, &out);
		buf_finish(&out);
	}
	return false;
}

/* Whether a modern client has it; of others nothing is asked. */
static bool has_capability(const struct request *request, const struct incoming_item *item,
			   const char *name)
{
	const json_t *meta = json_object_get(item->message->params, "_meta");

	return request->frame.version < MCP_2026_07_28 ||
	       json_object_get(json_object_get(meta, MCP_META_CAPABILITIES), name);
}

static bool require_sampling(struct request *request, const struct incoming_item *item)
{
	if (has_capability(request, item, "sampling"))
		return false;
	request_fail(request, JSONRPC_MISSING_CAPABILITY, "This tool needs sampling.",
		     "{\"requiredCapabilities\":{\"sampling\":{}}}");
	return true;
}

static bool ask_user(struct request *request, const struct incoming_item *item)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	if (!has_capability(request, item, "elicitation")) {
		request_fail(request, JSONRPC_MISSING_CAPABILITY, "This tool needs elicitation.",
			     "{\"requiredCapabilities\":{\"elicitation\":{}}}");
		return true;
	}
	if (request->frame.version < MCP_2026_07_28 ||
	    json_object_get(item->message->params, "inputResponses"))
		return false;
	jsonrpc_result_open(&message, request->id);
	(void)buf_append_string(
		&message, "\"resultType\":\"input_required\",\"inputRequests\":{\"confirm\":{"
			  "\"method\":\"elicitation/create\",\"params\":{\"mode\":\"form\","
			  "\"message\":\"Go on?\",\"requestedSchema\":{\"type\":\"object\","
			  "\"properties\":{\"confirmed\":{\"type\":\"boolean\"}}}}}},\"_meta\":{"
			  "\"" MCP_META_SERVER_INFO "\":");
	result_append_server_info(&message);
	(void)buf_append_byte(&message, '}');
	jsonrpc_result_close(&message);
	request_answer(request, &message);
	buf_finish(&message);
	return true;
}

static const struct fixture fixtures[] = {
	{ "test_simple_text", "Returns a sentence.",
	  TEXT("This is a simple text response for testing."), false, NULL },
	{ "test_image_content", "Returns an image.", IMAGE, false, NULL },
	{ "test_audio_content", "Returns a sound.", AUDIO, false, NULL },
	{ "test_embedded_resource", "Returns a resource.",
	  RESOURCE("test://embedded-resource", "text/plain",
		   "This is an embedded resource content."),
	  false, NULL },
	{ "test_multiple_content_types", "Returns a text, an image and a resource.",
	  TEXT("Multiple content types test:") "," IMAGE "," RESOURCE(
		  "test://mixed-content-resource", "application/json",
		  "{\\\"test\\\":\\\"data\\\",\\\"value\\\":123}"),
	  false, NULL },
	{ "test_error_handling", "Fails.",
	  TEXT("This tool intentionally returns an error for testing"), true, NULL },
	{ "test_tool_with_progress", "Reports progress three times.", TEXT("All done."), false,
	  report_progress },
	{ "test_missing_capability", "Works for clients with sampling alone.",
	  TEXT("The client has sampling."), false, require_sampling },
	{ "test_streaming_elicitation", "Asks the user something.", TEXT("The user was asked."),
	  false, ask_user },
	{ "test_logging_tool", "Has something to log, and nobody to tell.",
	  TEXT("Nothing was logged."), false, NULL },
};

void fixtures_append_list(struct buf *out)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(fixtures); i++) {
		(void)buf_append_string(out, ",{");
		encode_member(out, "name", fixtures[i].name);
		(void)buf_append_byte(out, ',');
		encode_member(out, "description", fixtures[i].description);
		(void)buf_append_string(out, ",\"inputSchema\":{\"type\":\"object\"}}");
	}
}

static void answer(struct request *request, const struct fixture *fixture)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	result_open(&message, &request->frame);
	(void)buf_printf(&message, "\"content\":[%s],\"isError\":%s", fixture->content,
			 fixture->is_error ? "true" : "false");
	result_close(&message, &request->frame);
	request_answer(request, &message);
	buf_finish(&message);
}

bool fixtures_call(struct request *request, const struct incoming_item *item, const char *name)
{
	size_t i = 0;

	while (i < ARRAY_LENGTH(fixtures) && strcmp(fixtures[i].name, name) != 0)
		i++;
	if (i == ARRAY_LENGTH(fixtures))
		return false;
	if (!fixtures[i].begin || !fixtures[i].begin(request, item))
		answer(request, &fixtures[i]);
	return true;
}
