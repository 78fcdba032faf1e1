/* SPDX-License-Identifier: MIT */
#include "mcp/headers.h"

#include "base/attr.h"
#include "mcp/era.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define ENCODED_START "=?base64?"
#define ENCODED_END "?="

/* YYYY-MM-DD, whatever its figures say. */
static bool is_date(const char *text)
{
	static const char shape[] = "0000-00-00";
	size_t i;

	for (i = 0; i < sizeof(shape) - 1; i++) {
		bool fits = shape[i] == '0' ? isdigit((unsigned char)text[i]) : text[i] == shape[i];

		if (!fits)
			return false;
	}
	return text[i] == '\0';
}

enum header_era headers_era(const struct mcp_headers *headers)
{
	const char *name = headers->version;
	enum mcp_version version;

	if (!name)
		return HEADER_ERA_NONE;
	if (mcp_version_find(name, &version))
		return version > MCP_NEWEST_LEGACY ? HEADER_ERA_MODERN : HEADER_ERA_LEGACY;
	/* Dates of this shape sort as texts. */
	if (is_date(name) && strcmp(name, mcp_version_name(MCP_2026_07_28)) > 0)
		return HEADER_ERA_MODERN;
	return HEADER_ERA_UNKNOWN;
}

const char *headers_refuse_version(const struct mcp_headers *headers, const char *body_version)
{
	if (!headers->version)
		return "Header mismatch: MCP-Protocol-Version is missing.";
	if (strcmp(headers->version, body_version) != 0)
		return "Header mismatch: MCP-Protocol-Version is not the version in params._meta.";
	return NULL;
}

/* --- values ------------------------------------------------------------------ */

/* 0 to 63, or -1. */
static int sextet(char digit)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Goes along `text` while it decodes: no memory is taken for what a peer made long. */
static bool decodes_to(const char *code, size_t length, const char *text)
{
	size_t text_bytes = strlen(text);
	size_t padding = 0;
	size_t done = 0;
	unsigned bits = 0;
	unsigned bit_count = 0;
	size_t i;

	while (padding < 2 && padding < length && code[length - 1 - padding] == '=')
		padding++;
	if (length % 4 != 0 || length / 4 * 3 - padding != text_bytes)
		return false;
	for (i = 0; i < length - padding; i++) {
		int value = sextet(code[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
		bit_count += 6;
		if (bit_count < 8)
			continue;
		bit_count -= 8;
		if ((unsigned char)text[done++] != (bits >> bit_count & 0xFF))
			return false;
	}
	/* Bits that say nothing are zero: each text has one code. */
	return (bits & ((1U << bit_count) - 1)) == 0;
}

bool headers_value_is(const char *value, const char *text)
{
	const size_t start = sizeof(ENCODED_START) - 1;
	const size_t end = sizeof(ENCODED_END) - 1;
	size_t length = strlen(value);

	if (length < start + end || strncmp(value, ENCODED_START, start) != 0 ||
	    strcmp(value + length - end, ENCODED_END) != 0)
		return strcmp(value, text) == 0;
	return decodes_to(value + start, length - start - end, text);
}

/* --- methods ------------------------------------------------------------------ */

/* The member of params that Mcp-Name repeats, or NULL for methods without. */
static const char *named_member(const char *method)
{
	static const struct {
		const char *method, *member;
	} rows[] = {
		{ "tools/call", "name" },
		{ "prompts/get", "name" },
		{ "resources/read", "uri" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (strcmp(method, rows[i].method) == 0)
			return rows[i].member;
	}
	return NULL;
}

const char *headers_refuse_method(const struct mcp_headers *headers,
				  const struct jsonrpc_message *message)
{
	const char *member = named_member(message->method);
	const char *name;

	if (!headers->method)
		return "Header mismatch: Mcp-Method is missing.";
	if (strcmp(headers->method, message->method) != 0)
		return "Header mismatch: Mcp-Method is not the method of the body.";
	if (!member)
		return NULL;
	if (!headers->name)
		return "Header mismatch: Mcp-Name is missing.";
	name = jsonrpc_plain_string(json_object_get(message->params, member));
	/* A body without a name has a mistake of its own, of which the method speaks. */
	if (name && !headers_value_is(headers->name, name))
		return "Header mismatch: Mcp-Name is not the name in the body.";
	return NULL;
}
