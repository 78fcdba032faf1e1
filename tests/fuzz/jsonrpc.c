/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/limits.h"
#include "mcp/jsonrpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Every message says what it is, and an error for it is JSON with its id in it. */
static void walk(const struct jsonrpc_message *message)
{
	struct buf out = BUF_INIT(LIMIT_REPLY_BYTES);
	json_t *error;
	char *id;

	if (message->kind == JSONRPC_REQUEST)
		assert(message->id);
	if (message->kind == JSONRPC_REQUEST || message->kind == JSONRPC_NOTIFICATION)
		assert(message->method && (!message->params || json_is_object(message->params)));
	if (message->kind == JSONRPC_INVALID)
		assert(message->code < 0 && message->reason);
	jsonrpc_error(&out, message->id, JSONRPC_INTERNAL_ERROR, "text", "{\"a\":1}");
	error = json_loadb(out.data, out.length, JSON_ALLOW_NUL, NULL);
	assert(error);
	id = jsonrpc_id_text(json_object_get(error, "id"));
	assert(message->id ? strcmp(id, message->id) == 0 : !id);
	free(id);
	json_decref(error);
	buf_clear(&out);
	jsonrpc_result_open(&out, message->id);
	jsonrpc_result_close(&out);
	error = json_loadb(out.data, out.length, JSON_ALLOW_NUL, NULL);
	assert(json_is_object(json_object_get(error, "result")));
	json_decref(error);
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_input input;
	char *text = malloc(size + 1);
	size_t i;

	memcpy(text, data, size);
	jsonrpc_parse(&input, text, size);
	free(text);
	assert(input.count >= 1 && input.count <= LIMIT_BATCH_MESSAGES);
	if (input.root)
		assert(strlen(jsonrpc_type_name(input.root)) > 0);
	for (i = 0; i < input.count; i++)
		walk(&input.messages[i]);
	jsonrpc_input_finish(&input);
	return 0;
}
