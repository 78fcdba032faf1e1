/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/attr.h"
#include "mcp/headers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A header's value, NUL, and a text to compare it with. */

static char *encode(const char *text, size_t bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	char *code = malloc((bytes + 2) / 3 * 4 + 12);
	char *out = code + 9;
	size_t i;

	memcpy(code, "=?base64?", 9);
	for (i = 0; i < bytes; i += 3) {
		unsigned a = (unsigned char)text[i];
		unsigned b = i + 1 < bytes ? (unsigned char)text[i + 1] : 0;
		unsigned c = i + 2 < bytes ? (unsigned char)text[i + 2] : 0;
		unsigned bits = a << 16 | b << 8 | c;

		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = i + 1 < bytes ? digits[bits >> 6 & 63] : '=';
		*out++ = i + 2 < bytes ? digits[bits & 63] : '=';
	}
	memcpy(out, "?=", 3);
	return code;
}

/* As the headers of a call of the tool with this name, and of a request of this method. */
static void refuse(const char *value, const char *text)
{
	static const char *const methods[] = { "tools/call", "tools/list" };
	json_t *params = json_object();
	size_t i;

	/* Fails for what is not UTF-8: then there is no name to compare. */
	(void)json_object_set_new(params, "name", json_string(text));
	for (i = 0; i < ARRAY_LENGTH(methods); i++) {
		const struct jsonrpc_message message = { .method = methods[i], .params = params };
		struct mcp_headers headers = { .method = methods[i], .name = value };
		bool is_named = i == 0 && json_object_get(params, "name");

		assert((headers_refuse_method(&headers, &message) == NULL) ==
		       (!is_named || headers_value_is(value, text)));
		headers.name = NULL;
		assert((headers_refuse_method(&headers, &message) == NULL) == (i == 1));
		headers.method = value;
		assert(headers_refuse_method(&headers, &message) || strcmp(value, methods[i]) == 0);
		headers.method = NULL;
		assert(headers_refuse_method(&headers, &message));
	}
	json_decref(params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 2);
	const char *value = copy;
	const struct mcp_headers headers = { .version = value };
	const char *text;
	char *code;

	memcpy(copy, data, size);
	copy[size] = copy[size + 1] = '\0';
	text = value + strlen(value) + (strlen(value) < size);
	code = encode(text, strlen(text));
	/* A text has one code, and what is no code stands for itself. */
	assert(headers_value_is(code, text));
	assert(headers_value_is(value, text) ==
	       (strcmp(value, code) == 0 ||
		(strcmp(value, text) == 0 && (strncmp(value, code, 9) != 0 || strlen(value) < 11 ||
					      strcmp(value + strlen(value) - 2, "?=") != 0))));
	assert(headers_era(&headers) != HEADER_ERA_NONE);
	assert((headers_refuse_version(&headers, text) == NULL) == (strcmp(value, text) == 0));
	refuse(value, text);
	free(code);
	free(copy);
	return 0;
}
