/* SPDX-License-Identifier: MIT */
#include "transport/line_reader.h"

#include "base/attr.h"
#include "base/buf.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 8

/* Lines joined by '|'; one that was too long is '!'. */
static void note_line(void *context, char *text, size_t bytes)
{
	struct buf *seen = context;

	if (text) {
		assert_int_equal(strlen(text), bytes);
		(void)buf_append(seen, text, bytes);
	} else {
		(void)buf_append_byte(seen, '!');
	}
	(void)buf_append_byte(seen, '|');
	free(text);
}

/* In pieces of `step` bytes: where a read ends must not matter. */
static void assert_lines(const char *stream, size_t step, const char *expected)
{
	struct buf seen = BUF_INIT(4096);
	const struct line_callbacks callbacks = { note_line, &seen };
	struct line_reader *reader = line_reader_create(MAX_BYTES, &callbacks);
	size_t bytes = strlen(stream);
	size_t at;

	for (at = 0; at < bytes; at += step)
		line_reader_add(reader, stream + at, bytes - at < step ? bytes - at : step);
	line_reader_end(reader);
	line_reader_destroy(reader);
	(void)buf_append_byte(&seen, '\0');
	assert_string_equal(seen.data, expected);
	buf_finish(&seen);
}

static void a_stream_is_cut_into_lines_wherever_reads_end(void **state)
{
	static const struct {
		const char *stream, *lines;
	} rows[] = {
		{ "", "" },
		{ "one\ntwo\n", "one|two|" },
		{ "one\r\ntwo\r\n", "one|two|" },
		{ "one\ntwo", "one|two|" },
		{ "\n\n \t\n\r\n \r\none\n\n", "one|" },
		{ "a\rb\n", "a\rb|" },
		{ " one \n", " one |" },
		{ "12345678\nab\n", "12345678|ab|" },
		{ "12345678\r\nab\n", "12345678|ab|" },
		{ "123456789\nab\n", "!|ab|" },
		{ "123456789\r\nab\n", "!|ab|" },
		{ "1234567890123456789\nab\n", "!|ab|" },
		{ "1234567890123456789", "!|" },
		{ "12345678901\n12345678901\nab", "!|!|ab|" },
	};
	size_t step;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		for (step = 1; step < 20; step++)
			assert_lines(rows[i].stream, step, rows[i].lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_cut_into_lines_wherever_reads_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
