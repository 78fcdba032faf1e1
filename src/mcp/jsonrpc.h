/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * JSON-RPC 2.0 as MCP narrows it: bytes in, messages out; and the frames that
 * answers stand in. A message that cannot be read comes out as one, with the
 * error that answers it. Knows no method. Pure; any thread with a stack that
 * bears LIMIT_JSON_DEPTH levels of the parser's recursion (a few KiB).
 */

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum jsonrpc_code {
	JSONRPC_PARSE_ERROR = -32700,
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_METHOD_NOT_FOUND = -32601,
	JSONRPC_INVALID_PARAMS = -32602,
	JSONRPC_INTERNAL_ERROR = -32603,
	/* MCP 2026-07-28 */
	JSONRPC_HEADER_MISMATCH = -32020,
	JSONRPC_MISSING_CAPABILITY = -32021,
	JSONRPC_UNSUPPORTED_VERSION = -32022,
};

enum jsonrpc_kind {
	JSONRPC_REQUEST,
	JSONRPC_NOTIFICATION,
	JSONRPC_RESPONSE, /* to be ignored: we ask nothing */
	JSONRPC_INVALID,  /* to be answered with `code` and `reason` */
};

struct jsonrpc_message {
	enum jsonrpc_kind kind;
	char *id;	      /* as JSON text, exactly as it is echoed; NULL: none, or unreadable */
	const char *method;   /* of requests and notifications; borrowed from the input */
	const json_t *params; /* an object, or NULL; borrowed from the input */
	enum jsonrpc_code code;
	const char *reason; /* static */
};

struct jsonrpc_input {
	bool is_batch;
	size_t count; /* at least 1 */
	struct jsonrpc_message *messages;
	json_t *root;
};

/* Always succeeds; an unreadable text is one JSONRPC_INVALID message. Changes `text` in place
 * (scan_mend_surrogates) and does not need it afterwards. */
void jsonrpc_parse(struct jsonrpc_input *input, char *text, size_t bytes);
void jsonrpc_input_finish(struct jsonrpc_input *input);

/* `value` as a request id or progress token: the JSON text of a string or an integer, at most
 * LIMIT_REQUEST_ID_BYTES long. NULL if it is anything else. Two are equal if their texts are. */
char *jsonrpc_id_text(const json_t *value);

/* A text that C strings can compare: NULL for what is not a string, and for one with a NUL inside,
 * which would hide what follows it. Borrowed. */
const char *jsonrpc_plain_string(const json_t *value);

/* What a JSON value is, as a sentence names it: "a string". */
const char *jsonrpc_type_name(const json_t *value);

/* `{"jsonrpc":"2.0","id":ID,"result":{` and its end. */
void jsonrpc_result_open(struct buf *out, const char *id);
void jsonrpc_result_close(struct buf *out);
/* A whole error message. `id` NULL gives null; `data` is JSON text or NULL. */
void jsonrpc_error(struct buf *out, const char *id, enum jsonrpc_code code, const char *text,
		   const char *data);
