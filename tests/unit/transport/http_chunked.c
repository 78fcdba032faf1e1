/* SPDX-License-Identifier: MIT */
#include "transport/http/chunked.h"

#include "base/attr.h"
#include "base/buf.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 32

/* Decodes in pieces of `step` bytes, each in a copy of its own. Returns the verdict; *status is the
 * one of BAD; *used is what was not left over. */
static enum http_parse decode(struct buf *body, const char *data, size_t bytes, size_t piece,
			      size_t *used, int *status)
{
	struct http_chunked chunked;
	enum http_parse verdict = HTTP_PARSE_MORE;
	size_t at = 0;

	http_chunked_init(&chunked, MAX_BYTES);
	while (verdict == HTTP_PARSE_MORE && at < bytes) {
		size_t part = bytes - at < piece ? bytes - at : piece;
		char *copy = malloc(part);
		struct http_chunked_step step;

		assert_non_null(copy);
		memcpy(copy, data + at, part);
		verdict = http_chunked_feed(&chunked, copy, part, &step);
		assert_true(step.used > 0 && step.used <= part);
		if (step.body_bytes > 0) {
			assert_int_equal(verdict, HTTP_PARSE_MORE);
			assert_true(step.body >= copy &&
				    step.body + step.body_bytes <= copy + step.used);
			assert_int_equal(buf_append(body, step.body, step.body_bytes), 0);
		}
		assert_int_equal(step.reason != NULL, verdict == HTTP_PARSE_BAD);
		*status = step.status;
		at += step.used;
		free(copy);
	}
	*used = at;
	return verdict;
}

static void assert_body(const char *text, const char *expected, const char *left_over)
{
	size_t piece;

	for (piece = 1; piece <= strlen(text); piece++) {
		struct buf body = BUF_INIT(MAX_BYTES);
		size_t used;
		int status;

		assert_int_equal(decode(&body, text, strlen(text), piece, &used, &status),
				 HTTP_PARSE_DONE);
		assert_int_equal(body.length, strlen(expected));
		if (body.length > 0)
			assert_memory_equal(body.data, expected, body.length);
		assert_string_equal(text + used, left_over);
		buf_finish(&body);
	}
}

static void assert_refused(const char *text, size_t bytes, int expected)
{
	size_t piece;

	for (piece = 1; piece <= bytes; piece++) {
		struct buf body = BUF_INIT(MAX_BYTES);
		size_t used;
		int status = 0;

		if (decode(&body, text, bytes, piece, &used, &status) != HTTP_PARSE_BAD)
			fail_msg("taken: %s", text);
		assert_int_equal(status, expected);
		buf_finish(&body);
	}
}

static void chunks_are_joined_wherever_reads_end(void **state)
{
	static const struct {
		const char *text, *body, *left_over;
	} rows[] = {
		{ "0\r\n\r\n", "", "" },
		{ "5\r\nhello\r\n0\r\n\r\n", "hello", "" },
		{ "5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\nGET", "hello, world", "GET" },
		{ "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "" },
		{ "a\r\n0123456789\r\n000\r\n\r\n\r\n", "0123456789", "\r\n" },
		{ "0000000000000002\r\n\r\n\r\n0000000000000000\r\n\r\n", "\r\n", "" },
		{ "20\r\n0123456789abcdef0123456789abcdef\r\n0\r\n\r\n",
		  "0123456789abcdef0123456789abcdef", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_body(rows[i].text, rows[i].body, rows[i].left_over);
}

static void extensions_and_trailers_are_checked_and_dropped(void **state)
{
	static const struct {
		const char *text, *body;
	} rows[] = {
		{ "1;a\r\nx\r\n0;b=c;d\r\n\r\n", "x" },
		{ "1;a=\"b;\\\" =\"\r\nx\r\n0\r\n\r\n", "x" },
		{ "1\r\nx\r\n0\r\nA: b\r\nContent-Lengths: 7\r\nC:\r\n\r\n", "x" },
	};
	static const char *const refused[] = {
		"1;\r\n",
		"1;;a\r\n",
		"1;a=\r\n",
		"1;=a\r\n",
		"1; a\r\n",
		"1 ;a\r\n",
		"1;a b\r\n",
		"1;a=b c\r\n",
		"1;a=\"b\r\n",
		"1;a=\"b\"c\r\n",
		"1;a=\"\\\r\n",
		"1;a=\"\x01\"\r\n",
		"0\r\nA : b\r\n",
		"0\r\n A: b\r\n",
		"0\r\nA\r\n",
		"0\r\n: b\r\n",
		"0\r\nA: \x01\r\n",
		"0\r\nA: b\n",
		"0\r\ncontent-length: 1\r\n",
		"0\r\nHost: a\r\n",
		"0\r\nTransfer-Encoding:\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_body(rows[i].text, rows[i].body, "");
	for (i = 0; i < ARRAY_LENGTH(refused); i++)
		assert_refused(refused[i], strlen(refused[i]), 400);
}

static void what_is_no_chunk_is_refused(void **state)
{
	static const char *const rows[] = {
		"\r\n",	  "g\r\n",	    "-1\r\n",	   "+1\r\n",	"0x1\r\n", " 1\r\n",
		"1 \r\n", "1\t\r\n",	    "1\n",	   "1\rx",	"1\r\r",   "1.0\r\n",
		";a\r\n", "1\r\nxx",	    "1\r\nx\n",	   "1\r\nx\rx", "0\r\n\n", "0\r\n\rx",
		"0\n",	  "1\r\nx\r\n\r\n", "1\r\nx0\r\n", "\xff\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_refused(rows[i], strlen(rows[i]), 400);
	assert_refused("1\0\r\n", 4, 400);
}

static void a_body_over_its_limit_is_refused_at_the_chunks_size(void **state)
{
	static const char *const rows[] = {
		"21\r\n",
		"7fffffffffffffff\r\n",
		"ffffffffffffffff\r\n",
		"10000000000000000\r\n",
		"00000000000000001\r\n",
		"20\r\n0123456789abcdef0123456789abcdef\r\n1\r\n",
		"1\r\nx\r\nffffffffffffffff\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_refused(rows[i], strlen(rows[i]), 413);
}

/* --- limits ------------------------------------------------------------------ */

/* `part` as often as it fits into `bytes`, between `start` and `end`; at once. */
static int status_of(const char *start, const char *part, size_t bytes, const char *end)
{
	struct buf text = BUF_INIT(LIMIT_HTTP_EXTENSION_BYTES * 4);
	struct buf body = BUF_INIT(MAX_BYTES);
	size_t used;
	int status = 0;

	assert_int_equal(buf_append_string(&text, start), 0);
	for (; bytes >= strlen(part); bytes -= strlen(part))
		assert_int_equal(buf_append_string(&text, part), 0);
	assert_int_equal(buf_append_string(&text, end), 0);
	(void)decode(&body, text.data, text.length, text.length, &used, &status);
	assert_true(used == text.length || status != 0);
	buf_finish(&body);
	buf_finish(&text);
	return status;
}

static void lines_have_a_longest_length(void **state)
{
	(void)state;
	assert_int_equal(status_of("0;", "a", LIMIT_HTTP_CHUNK_LINE_BYTES - 2, "\r\n\r\n"), 0);
	assert_int_equal(status_of("0;", "a", LIMIT_HTTP_CHUNK_LINE_BYTES - 1, "\r\n\r\n"), 400);
	assert_int_equal(status_of("0\r\na:", "a", LIMIT_HTTP_CHUNK_LINE_BYTES - 2, "\r\n\r\n"), 0);
	assert_int_equal(status_of("0\r\na:", "a", LIMIT_HTTP_CHUNK_LINE_BYTES - 1, "\r\n\r\n"),
			 400);
}

static void all_extensions_and_all_trailers_have_a_longest_length(void **state)
{
	const char *trailer = "123:567\r\n"; /* 7 bytes of 9 count */
	size_t trailers = LIMIT_HTTP_TRAILER_BYTES / 7 * 9;
	char chunk[300] = "1;";
	char all[16 * sizeof(chunk)] = "";
	size_t i;

	(void)state;
	memset(chunk + 2, 'a', 255);
	memcpy(chunk + 257, "\r\nx\r\n", 6);
	for (i = 0; i < LIMIT_HTTP_EXTENSION_BYTES / 256; i++)
		(void)stpcpy(all + strlen(all), chunk);
	assert_int_equal(status_of(all, "-", 0, "0\r\n\r\n"), 0);
	assert_int_equal(status_of(all, "-", 0, "0;a\r\n\r\n"), 400);
	assert_int_equal(status_of("0\r\n", trailer, trailers, "\r\n"), 0);
	assert_int_equal(status_of("0\r\n", trailer, trailers + 9, "\r\n"), 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_joined_wherever_reads_end),
		cmocka_unit_test(extensions_and_trailers_are_checked_and_dropped),
		cmocka_unit_test(what_is_no_chunk_is_refused),
		cmocka_unit_test(a_body_over_its_limit_is_refused_at_the_chunks_size),
		cmocka_unit_test(lines_have_a_longest_length),
		cmocka_unit_test(all_extensions_and_all_trailers_have_a_longest_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
