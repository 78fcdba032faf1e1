/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/limits.h"
#include "tests/http/transcript.h"
#include "transport/http/parser.h"
#include "transport/http/syntax.h"

#include <assert.h>
#include <string.h>

static struct http_span span_of(const char *text)
{
	return (struct http_span){ text, strlen(text) };
}

static void check_field(const struct http_head *head, const struct http_field *field)
{
	struct http_span value = span_of(field->value);
	size_t i;

	assert(http_is_token(span_of(field->name)));
	for (i = 0; i < value.bytes; i++)
		assert(!http_is_control(value.at[i]));
	if (value.bytes > 0) {
		assert(!strchr(" \t", value.at[0]));
		assert(!strchr(" \t", value.at[value.bytes - 1]));
	}
	assert(http_head_find(head, field->name));
	assert(http_head_count(head, field->name) >= 1);
}

/* What users of a head rely on. */
static void check_head(const struct http_head *head)
{
	size_t i;

	assert(head->path[0] == '/' || strcmp(head->path, "*") == 0);
	assert(http_is_path(span_of(head->path)));
	assert(!head->query || http_is_query(span_of(head->query)));
	assert(head->host ? http_is_host(span_of(head->host)) : head->minor == 0);
	assert(head->minor <= 1);
	assert(!head->is_chunked || !head->has_content_length);
	assert(head->has_content_length || head->content_length == 0);
	assert(!head->expects_continue || head->is_chunked || head->content_length > 0);
	assert(http_head_count(head, "Host") == (head->minor == 1) ||
	       (head->minor == 0 && http_head_count(head, "Host") <= 1));
	assert(head->field_count <= LIMIT_HTTP_FIELDS);
	for (i = 0; i < head->field_count; i++)
		check_field(head, &head->fields[i]);
}

static void check_first_head(const char *data, size_t size)
{
	struct http_head head = { 0 };
	const char *reason = NULL;
	size_t used = 0;
	int status = 0;

	switch (http_head_parse(&head, data, size, &used, &status, &reason)) {
	case HTTP_PARSE_MORE:
		assert(size < LIMIT_HTTP_HEAD_BYTES && !head.text);
		break;
	case HTTP_PARSE_DONE:
		assert(used <= size && used <= LIMIT_HTTP_HEAD_BYTES);
		assert(memcmp(data + used - 4, "\r\n\r\n", 4) == 0);
		check_head(&head);
		break;
	case HTTP_PARSE_BAD:
		assert(status >= 400 && status <= 505 && reason && !head.text);
		break;
	}
	http_head_finish(&head);
}

/* A connection's bytes mean the same however they arrive. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 7, 64 };
	const char *text = (const char *)data;
	/* Everything in hexadecimal, and some words for each of the shortest requests. */
	struct buf whole = BUF_INIT(16 * size + 4096);
	size_t i;

	check_first_head(text, size);
	http_transcribe(&whole, text, size, size + 1);
	assert(!whole.failed);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct buf again = BUF_INIT(16 * size + 4096);

		http_transcribe(&again, text, size, pieces[i]);
		assert(whole.length == again.length);
		assert(memcmp(whole.data, again.data, whole.length) == 0);
		buf_finish(&again);
	}
	buf_finish(&whole);
	return 0;
}
