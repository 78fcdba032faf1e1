/* SPDX-License-Identifier: MIT */
#include "mcp/scan.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static enum scan_verdict scan(const char *text)
{
	return scan_json(text, strlen(text));
}

static enum scan_verdict scan_repeated(const char *text, size_t times)
{
	struct buf buf = BUF_INIT(LIMIT_MESSAGE_BYTES);
	enum scan_verdict verdict;

	while (times-- > 0)
		(void)buf_append_string(&buf, text);
	verdict = scan_json(buf.data, buf.length);
	buf_finish(&buf);
	return verdict;
}

static void ordinary_messages_pass(void **state)
{
	(void)state;
	assert_int_equal(scan("{\"a\":[1,2,{\"b\":\"\\u0000\"}]}"), SCAN_FINE);
	assert_int_equal(scan(""), SCAN_FINE);
	assert_int_equal(scan("\"gr\xC3\xBC\xC3\x9F\x65\""), SCAN_FINE);
	assert_int_equal(scan("\"unterminated \\"), SCAN_FINE);
}

static void nesting_ends_at_64_levels(void **state)
{
	(void)state;
	assert_int_equal(scan_repeated("[", 64), SCAN_FINE);
	assert_int_equal(scan_repeated("[", 65), SCAN_TOO_DEEP);
	assert_int_equal(scan_repeated("{\"a\":", 64), SCAN_FINE);
	assert_int_equal(scan_repeated("{\"a\":", 65), SCAN_TOO_DEEP);
	assert_int_equal(scan_repeated("[]", 5000), SCAN_FINE);
}

static void structure_ends_at_20000_characters(void **state)
{
	(void)state;
	assert_int_equal(scan_repeated("[]", 10000), SCAN_FINE);
	assert_int_equal(scan_repeated(",", 20001), SCAN_TOO_STRUCTURED);
	assert_int_equal(scan_repeated("{},", 6667), SCAN_TOO_STRUCTURED);
	assert_int_equal(scan_repeated(":", 20000), SCAN_FINE);
}

static void what_stands_in_strings_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(scan_repeated("\"[[[[{{{{,,,,::::\"", 20000), SCAN_FINE);
	assert_int_equal(scan_repeated("\"\\\"[\\\\\"", 100), SCAN_FINE);
	assert_int_equal(scan_repeated("\"\\\\\"[", 65), SCAN_TOO_DEEP);
}

static void bytes_that_are_no_text_are_named(void **state)
{
	(void)state;
	assert_int_equal(scan("\"\xFF\""), SCAN_NOT_UTF8);
	assert_int_equal(scan("\"\xED\xA0\x80\""), SCAN_NOT_UTF8);
	assert_int_equal(scan("\xEF\xBB\xBF{}"), SCAN_BYTE_ORDER_MARK);
	assert_int_equal(scan_json("{\0}", 3), SCAN_NUL);
	assert_non_null(strstr(scan_verdict_text(SCAN_NUL), "NUL"));
}

static void halves_of_surrogate_pairs_are_mended(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "\\ud83d\\ude00", "\\ud83d\\ude00" },
		{ "\\uD83D\\uDE00", "\\uD83D\\uDE00" },
		{ "\\ud83d", "\\ufffd" },
		{ "\\ude00", "\\ufffd" },
		{ "\\ud83d\\ud83d\\ude00", "\\ufffd\\ud83d\\ude00" },
		{ "\\ude00\\ud83d", "\\ufffd\\ufffd" },
		{ "\\ud83dx\\ude00", "\\ufffdx\\ufffd" },
		/* An escaped backslash followed by letters is no escape. */
		{ "\\\\ud83d", "\\\\ud83d" },
		{ "\\\\\\ud83d", "\\\\\\ufffd" },
		{ "\\u00e9\\ud8", "\\u00e9\\ud8" },
		{ "\\", "\\" },
		{ "\\ud83d\\", "\\ufffd\\" },
		{ "\\uzzzz", "\\uzzzz" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		char *text = strdup(rows[i].before);

		scan_mend_surrogates(text, strlen(text));
		assert_string_equal(text, rows[i].after);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_messages_pass),
		cmocka_unit_test(nesting_ends_at_64_levels),
		cmocka_unit_test(structure_ends_at_20000_characters),
		cmocka_unit_test(what_stands_in_strings_does_not_count),
		cmocka_unit_test(bytes_that_are_no_text_are_named),
		cmocka_unit_test(halves_of_surrogate_pairs_are_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
