/* SPDX-License-Identifier: MIT */
#include "transport/http/chunked.h"

#include "base/attr.h"
#include "transport/http/syntax.h"

#include <assert.h>
#include <string.h>

#define MAX_SIZE_DIGITS 16

void http_chunked_init(struct http_chunked *chunked, uint64_t max_bytes)
{
	*chunked = (struct http_chunked){ .state = HTTP_CHUNKED_SIZE, .max_bytes = max_bytes };
}

static enum http_parse refuse(struct http_chunked_step *step, int status, const char *reason)
{
	step->status = status;
	step->reason = reason;
	return HTTP_PARSE_BAD;
}

/* --- what stands behind a chunk's size --------------------------------------- */

/* The bytes of a quoted string, or 0. Its backslashes may escape anything that a line may hold. */
static size_t quoted_bytes(struct http_span text)
{
	size_t i;

	if (text.bytes == 0 || text.at[0] != '"')
		return 0;
	for (i = 1; i < text.bytes; i++) {
		if (text.at[i] == '"')
			return i + 1;
		if (text.at[i] == '\\')
			i++;
	}
	return 0;
}

/* The bytes before the first of `ends`, or all. */
static size_t bytes_before(struct http_span text, const char *ends)
{
	size_t i = 0;

	while (i < text.bytes && !strchr(ends, text.at[i]))
		i++;
	return i;
}

static void skip(struct http_span *text, size_t bytes)
{
	text->at += bytes;
	text->bytes -= bytes;
}

/* *( ";" NAME [ "=" VALUE ] ) without white space, which nobody may send. */
static bool are_extensions(struct http_span text)
{
	while (text.bytes > 0) {
		size_t bytes;

		if (text.at[0] != ';')
			return false;
		skip(&text, 1);
		bytes = bytes_before(text, ";=");
		if (!http_is_token((struct http_span){ text.at, bytes }))
			return false;
		skip(&text, bytes);
		if (text.bytes == 0 || text.at[0] == ';')
			continue;
		skip(&text, 1);
		bytes = quoted_bytes(text);
		if (bytes == 0) {
			bytes = bytes_before(text, ";");
			if (!http_is_token((struct http_span){ text.at, bytes }))
				return false;
		}
		skip(&text, bytes);
	}
	return true;
}

/* --- lines ------------------------------------------------------------------- */

static enum http_parse end_size(struct http_chunked *chunked, struct http_chunked_step *step)
{
	struct http_span rest = { chunked->line, chunked->line_bytes };
	uint64_t size = 0;

	while (rest.bytes > 0 && http_hex_value(rest.at[0]) >= 0) {
		if (chunked->line_bytes - rest.bytes == MAX_SIZE_DIGITS)
			return refuse(step, 413, "A chunk is larger than any body.");
		size = size << 4 | (uint64_t)http_hex_value(rest.at[0]);
		skip(&rest, 1);
	}
	if (rest.bytes == chunked->line_bytes || (rest.bytes > 0 && rest.at[0] != ';'))
		return refuse(step, 400, "A chunk does not begin with its size in hexadecimal.");
	if (!are_extensions(rest))
		return refuse(step, 400, "A chunk extension is not NAME or NAME=VALUE.");
	chunked->extension_bytes += rest.bytes;
	if (chunked->extension_bytes > LIMIT_HTTP_EXTENSION_BYTES)
		return refuse(step, 400, "The chunk extensions are too long.");
	if (size > chunked->max_bytes)
		return refuse(step, 413, "The body is too large.");
	chunked->max_bytes -= size;
	chunked->left = size;
	chunked->state = size > 0 ? HTTP_CHUNKED_DATA : HTTP_CHUNKED_TRAILER;
	return HTTP_PARSE_MORE;
}

/* What says how messages are framed or routed came too late to be followed, and must not seem to
 * have been (RFC 9110 section 6.5.1). */
static bool is_too_late(struct http_span name)
{
	static const char *const names[] = { "Content-Length", "Host", "Transfer-Encoding" };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (http_is_named(name, names[i]))
			return true;
	}
	return false;
}

static enum http_parse end_trailer(struct http_chunked *chunked, struct http_chunked_step *step)
{
	struct http_span line = { chunked->line, chunked->line_bytes };
	struct http_span name, value;

	if (line.bytes == 0) {
		chunked->state = HTTP_CHUNKED_ENDED;
		return HTTP_PARSE_DONE;
	}
	if (!http_split_field(line, &name, &value))
		return refuse(step, 400, "A trailer is not NAME: VALUE.");
	if (is_too_late(name))
		return refuse(step, 400, "A trailer belongs into the head.");
	chunked->trailer_bytes += line.bytes;
	if (chunked->trailer_bytes > LIMIT_HTTP_TRAILER_BYTES)
		return refuse(step, 431, "The trailers are too long.");
	return HTTP_PARSE_MORE;
}

static enum http_parse end_line(struct http_chunked *chunked, struct http_chunked_step *step)
{
	enum http_parse verdict = HTTP_PARSE_MORE;

	if (chunked->state == HTTP_CHUNKED_SIZE)
		verdict = end_size(chunked, step);
	else if (chunked->state == HTTP_CHUNKED_TRAILER)
		verdict = end_trailer(chunked, step);
	else
		chunked->state = HTTP_CHUNKED_SIZE;
	chunked->line_bytes = 0;
	chunked->has_cr = false;
	return verdict;
}

static enum http_parse add_to_line(struct http_chunked *chunked, char byte,
				   struct http_chunked_step *step)
{
	if (chunked->has_cr && byte == '\n')
		return end_line(chunked, step);
	if (chunked->has_cr || (byte != '\r' && http_is_control(byte)))
		return refuse(step, 400, "A line of the chunked body does not end with CRLF.");
	if (byte == '\r') {
		chunked->has_cr = true;
		return HTTP_PARSE_MORE;
	}
	if (chunked->state == HTTP_CHUNKED_DATA_END)
		return refuse(step, 400, "A chunk does not end where its size says.");
	if (chunked->line_bytes == sizeof(chunked->line))
		return refuse(step, 400, "A line of the chunked body is too long.");
	chunked->line[chunked->line_bytes++] = byte;
	return HTTP_PARSE_MORE;
}

/* --- the contract ------------------------------------------------------------ */

static void take_data(struct http_chunked *chunked, const char *data, size_t bytes,
		      struct http_chunked_step *step)
{
	size_t part = bytes < chunked->left ? bytes : (size_t)chunked->left;

	step->body = data;
	step->body_bytes = part;
	step->used += part;
	chunked->left -= part;
	if (chunked->left == 0)
		chunked->state = HTTP_CHUNKED_DATA_END;
}

enum http_parse http_chunked_feed(struct http_chunked *chunked, const char *data, size_t bytes,
				  struct http_chunked_step *step)
{
	assert(chunked->state != HTTP_CHUNKED_ENDED);
	*step = (struct http_chunked_step){ 0 };
	while (step->used < bytes) {
		enum http_parse verdict;

		if (chunked->state == HTTP_CHUNKED_DATA) {
			take_data(chunked, data + step->used, bytes - step->used, step);
			break;
		}
		verdict = add_to_line(chunked, data[step->used], step);
		step->used++;
		if (verdict != HTTP_PARSE_MORE)
			return verdict;
	}
	return HTTP_PARSE_MORE;
}
