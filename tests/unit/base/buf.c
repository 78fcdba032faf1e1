/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void a_buffer_holds_exactly_its_maximum(void **state)
{
	struct buf buf = BUF_INIT(4);

	(void)state;
	assert_int_equal(buf_append(&buf, "abcd", 4), 0);
	assert_int_equal(buf.length, 4);
	assert_int_equal(buf_append(&buf, "e", 1), -1);
	assert_int_equal(buf.length, 4);
	assert_true(buf.failed);
	buf_finish(&buf);
}

static void an_overlong_append_adds_nothing_and_sticks(void **state)
{
	struct buf buf = BUF_INIT(8);

	(void)state;
	assert_int_equal(buf_append(&buf, "123456789", 9), -1);
	assert_int_equal(buf.length, 0);
	assert_int_equal(buf_append(&buf, "1", 1), -1);
	assert_null(buf_take_string(&buf));
	buf_clear(&buf);
	assert_int_equal(buf_append(&buf, "1", 1), 0);
	buf_finish(&buf);
}

static void a_long_formatted_text_is_whole(void **state)
{
	struct buf buf = BUF_INIT(4096);
	char *text;

	(void)state;
	assert_int_equal(buf_printf(&buf, "%01000d", 7), 0);
	assert_int_equal(buf.length, 1000);
	text = buf_take_string(&buf);
	assert_int_equal(strlen(text), 1000);
	free(text);
	assert_int_equal(buf.length, 0);
}

static void consuming_keeps_the_rest(void **state)
{
	struct buf buf = BUF_INIT(64);

	(void)state;
	assert_int_equal(buf_append_string(&buf, "hello world"), 0);
	buf_consume(&buf, 6);
	assert_int_equal(buf.length, 5);
	assert_memory_equal(buf.data, "world", 5);
	buf_finish(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_holds_exactly_its_maximum),
		cmocka_unit_test(an_overlong_append_adds_nothing_and_sticks),
		cmocka_unit_test(a_long_formatted_text_is_whole),
		cmocka_unit_test(consuming_keeps_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
