/* SPDX-License-Identifier: MIT */
#include "mcp/jsonrpc.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "mcp/encode.h"
#include "mcp/scan.h"

#include <stdlib.h>
#include <string.h>

/* JSON_ALLOW_NUL: stdin may hold any character. JSON_DECODE_ANY: a lone number is JSON, and so an
 * invalid request, not a parse error. */
#define PARSER_FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY)

char *jsonrpc_id_text(const json_t *value)
{
	struct buf text = BUF_INIT(LIMIT_REQUEST_ID_BYTES);
	char *taken;

	if (json_is_integer(value)) {
		(void)buf_printf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_string(value)) {
		(void)buf_append_byte(&text, '"');
		encode_text(&text, json_string_value(value), json_string_length(value),
			    ENCODE_ONCE);
		(void)buf_append_byte(&text, '"');
	} else {
		return NULL;
	}
	taken = buf_take_string(&text);
	buf_finish(&text);
	return taken;
}

const char *jsonrpc_plain_string(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

const char *jsonrpc_type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "a boolean",
		[JSON_FALSE] = "a boolean",  [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static void refuse(struct jsonrpc_message *message, enum jsonrpc_code code, const char *reason)
{
	message->kind = JSONRPC_INVALID;
	message->code = code;
	message->reason = reason;
}

static bool is_version_2(const json_t *value)
{
	const char *version = jsonrpc_plain_string(value);

	return version && strcmp(version, "2.0") == 0;
}

static void read_message(struct jsonrpc_message *message, const json_t *value)
{
	const json_t *id = json_object_get(value, "id");
	const json_t *method = json_object_get(value, "method");
	const json_t *params = json_object_get(value, "params");

	if (!json_is_object(value)) {
		refuse(message, JSONRPC_INVALID_REQUEST, "A message must be a JSON object.");
		return;
	}
	if (!method && (json_object_get(value, "result") || json_object_get(value, "error"))) {
		message->kind = JSONRPC_RESPONSE;
		return;
	}
	if (id && !(message->id = jsonrpc_id_text(id))) {
		refuse(message, JSONRPC_INVALID_REQUEST,
		       "The id must be a string or an integer, at most 1024 bytes long.");
		return;
	}
	if (!is_version_2(json_object_get(value, "jsonrpc"))) {
		refuse(message, JSONRPC_INVALID_REQUEST, "The member jsonrpc must be \"2.0\".");
		return;
	}
	message->method = jsonrpc_plain_string(method);
	if (!message->method) {
		refuse(message, JSONRPC_INVALID_REQUEST, "The method must be a string.");
		return;
	}
	message->kind = message->id ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
	if (json_is_object(params))
		message->params = params;
	else if (params && !json_is_null(params) && message->id)
		refuse(message, JSONRPC_INVALID_PARAMS, "params must be an object.");
}

static void read_batch(struct jsonrpc_input *input)
{
	size_t count = json_array_size(input->root);
	size_t i;

	if (count == 0 || count > LIMIT_BATCH_MESSAGES) {
		refuse(input->messages, JSONRPC_INVALID_REQUEST,
		       count ? "A batch may hold at most 100 messages." : "The batch is empty.");
		return;
	}
	free(input->messages);
	input->messages = alloc_array(count, sizeof(*input->messages));
	input->count = count;
	input->is_batch = true;
	for (i = 0; i < count; i++)
		read_message(&input->messages[i], json_array_get(input->root, i));
}

void jsonrpc_parse(struct jsonrpc_input *input, char *text, size_t bytes)
{
	enum scan_verdict verdict = scan_json(text, bytes);

	*input = (struct jsonrpc_input){ .count = 1 };
	input->messages = alloc_zeroed(sizeof(*input->messages));
	if (verdict != SCAN_FINE) {
		bool is_too_much = verdict == SCAN_TOO_DEEP || verdict == SCAN_TOO_STRUCTURED;

		refuse(input->messages, is_too_much ? JSONRPC_INVALID_REQUEST : JSONRPC_PARSE_ERROR,
		       scan_verdict_text(verdict));
		return;
	}
	scan_mend_surrogates(text, bytes);
	input->root = json_loadb(text, bytes, PARSER_FLAGS, NULL);
	if (!input->root)
		refuse(input->messages, JSONRPC_PARSE_ERROR, "The message is not valid JSON.");
	else if (json_is_array(input->root))
		read_batch(input);
	else
		read_message(input->messages, input->root);
}

void jsonrpc_input_finish(struct jsonrpc_input *input)
{
	size_t i;

	for (i = 0; i < input->count; i++)
		free(input->messages[i].id);
	free(input->messages);
	json_decref(input->root);
	*input = (struct jsonrpc_input){ 0 };
}

static void open_answer(struct buf *out, const char *id)
{
	(void)buf_append_string(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	(void)buf_append_string(out, id ? id : "null");
}

void jsonrpc_result_open(struct buf *out, const char *id)
{
	open_answer(out, id);
	(void)buf_append_string(out, ",\"result\":{");
}

void jsonrpc_result_close(struct buf *out)
{
	(void)buf_append_string(out, "}}");
}

void jsonrpc_error(struct buf *out, const char *id, enum jsonrpc_code code, const char *text,
		   const char *data)
{
	open_answer(out, id);
	(void)buf_printf(out, ",\"error\":{\"code\":%d,", (int)code);
	encode_member(out, "message", text);
	if (data) {
		(void)buf_append_string(out, ",\"data\":");
		(void)buf_append_string(out, data);
	}
	(void)buf_append_string(out, "}}");
}
