/* SPDX-License-Identifier: MIT */
#include "transcript.h"

#include "base/limits.h"
#include "transport/http/chunked.h"
#include "transport/http/parser.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* A connection's bytes, of which `come` have come. */
struct input {
	const char *data;
	size_t bytes, piece;
	size_t at, come;
};

static bool wait_for_more(struct input *input)
{
	size_t left = input->bytes - input->come;

	input->come += left < input->piece ? left : input->piece;
	return left > 0;
}

static void add_hex(struct buf *out, const char *text, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		(void)buf_printf(out, "%02x", (unsigned char)text[i]);
}

static void add_text(struct buf *out, const char *label, const char *text)
{
	(void)buf_printf(out, "%s ", label);
	if (text)
		add_hex(out, text, strlen(text));
	else
		(void)buf_append_string(out, "-");
	(void)buf_append_string(out, "\n");
}

static void add_head(struct buf *out, const struct http_head *head)
{
	static const char *const methods[] = {
		[HTTP_GET] = "GET",	[HTTP_HEAD] = "HEAD",	       [HTTP_POST] = "POST",
		[HTTP_PUT] = "PUT",	[HTTP_DELETE] = "DELETE",      [HTTP_OPTIONS] = "OPTIONS",
		[HTTP_PATCH] = "PATCH", [HTTP_OTHER_METHOD] = "OTHER",
	};
	size_t i;

	(void)buf_printf(out, "message %s %u %s\n", methods[head->method], head->minor,
			 head->keeps_alive ? "keep" : "close");
	add_text(out, "host", head->host);
	add_text(out, "path", head->path);
	add_text(out, "query", head->query);
	for (i = 0; i < head->field_count; i++) {
		(void)buf_append_string(out, "field ");
		add_hex(out, head->fields[i].name, strlen(head->fields[i].name));
		add_text(out, "", head->fields[i].value);
	}
}

static enum http_parse read_chunks(struct input *input, struct buf *body, int *status,
				   const char **reason)
{
	struct http_chunked chunked;
	struct http_chunked_step step;
	enum http_parse verdict = HTTP_PARSE_MORE;

	http_chunked_init(&chunked, LIMIT_MESSAGE_BYTES);
	do {
		while (verdict == HTTP_PARSE_MORE && input->at < input->come) {
			verdict = http_chunked_feed(&chunked, input->data + input->at,
						    input->come - input->at, &step);
			assert(step.used > 0 && step.used <= input->come - input->at);
			assert(step.body_bytes <= step.used);
			input->at += step.used;
			if (step.body_bytes > 0)
				(void)buf_append(body, step.body, step.body_bytes);
		}
	} while (verdict == HTTP_PARSE_MORE && wait_for_more(input));
	if (verdict == HTTP_PARSE_BAD) {
		*status = step.status;
		*reason = step.reason;
	}
	return verdict;
}

static enum http_parse read_length(struct input *input, struct buf *body, uint64_t length)
{
	while (input->come - input->at < length) {
		if (!wait_for_more(input))
			return HTTP_PARSE_MORE;
	}
	(void)buf_append(body, input->data + input->at, (size_t)length);
	input->at += (size_t)length;
	return HTTP_PARSE_DONE;
}

static enum http_parse read_head(struct input *input, struct http_head *head, int *status,
				 const char **reason)
{
	enum http_parse verdict = HTTP_PARSE_MORE;
	size_t used;

	*head = (struct http_head){ 0 };
	do {
		if (input->at < input->come)
			verdict = http_head_parse(head, input->data + input->at,
						  input->come - input->at, &used, status, reason);
	} while (verdict == HTTP_PARSE_MORE && wait_for_more(input));
	if (verdict == HTTP_PARSE_DONE) {
		assert(used <= input->come - input->at);
		input->at += used;
	}
	return verdict;
}

/* The whole of the next request. DONE: it is in `out`. */
static enum http_parse read_message(struct input *input, struct buf *out, bool *is_last,
				    int *status, const char **reason)
{
	struct buf body = BUF_INIT(input->bytes + 1);
	struct http_head head;
	const char *framing = "none";
	enum http_parse verdict = read_head(input, &head, status, reason);

	if (verdict != HTTP_PARSE_DONE)
		return verdict;
	add_head(out, &head);
	if (head.is_chunked) {
		framing = "chunked";
		verdict = read_chunks(input, &body, status, reason);
	} else if (head.has_content_length) {
		framing = "length";
		verdict = read_length(input, &body, head.content_length);
	}
	if (verdict == HTTP_PARSE_DONE) {
		(void)buf_printf(out, "body %s ", framing);
		add_hex(out, body.data, body.length);
		(void)buf_append_string(out, "\n");
		*is_last = !head.keeps_alive;
	}
	http_head_finish(&head);
	buf_finish(&body);
	return verdict;
}

void http_transcribe(struct buf *out, const char *data, size_t bytes, size_t piece)
{
	struct input input = { data, bytes, piece, 0, 0 };
	enum http_parse verdict = HTTP_PARSE_DONE;
	const char *reason = NULL;
	bool is_last = false;
	int status = 0;

	(void)wait_for_more(&input);
	while (verdict == HTTP_PARSE_DONE && !is_last)
		verdict = read_message(&input, out, &is_last, &status, &reason);
	if (verdict == HTTP_PARSE_BAD)
		(void)buf_printf(out, "end bad %d %s\n", status, reason);
	else
		(void)buf_append_string(out, is_last ? "end closed\n" : "end more\n");
}
