/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/excerpt.h"
#include "base/limits.h"

#include <string.h>

static void expect(const char *expected, const char *const *args)
{
	char excerpt[EXCERPT_BYTES(256)];

	excerpt_call(excerpt, sizeof(excerpt), NULL, args);
	assert_string_equal(excerpt, expected);
}

static void a_command_is_left_as_it_is(void **state)
{
	char excerpt[EXCERPT_BYTES(256)];

	(void)state;
	excerpt_call(excerpt, sizeof(excerpt), "echo 'a  b' | wc\n", NULL);
	assert_string_equal(excerpt, "echo 'a  b' | wc\n");
	excerpt_call(excerpt, sizeof(excerpt), "", NULL);
	assert_string_equal(excerpt, "");
}

static void arguments_are_quoted_as_for_a_shell(void **state)
{
	(void)state;
	expect("ls -la /tmp/a.b", (const char *const[]){ "ls", "-la", "/tmp/a.b", NULL });
	expect("printf '%s\\n' 'a b' ''",
	       (const char *const[]){ "printf", "%s\\n", "a b", "", NULL });
}

static void cut_to(size_t max_bytes, const char *text, const char *expected)
{
	char excerpt[64];

	memset(excerpt, 'x', sizeof(excerpt));
	excerpt_text(excerpt, EXCERPT_BYTES(max_bytes), text, strlen(text));
	assert_string_equal(excerpt, expected);
	assert_int_equal(excerpt[EXCERPT_BYTES(max_bytes)], 'x');
}

static void what_is_too_long_is_cut_between_characters(void **state)
{
	static const char text[] = "echo \xC3\xA9\xC3\xA9";

	(void)state;
	cut_to(0, text, "...");
	cut_to(5, text, "echo ...");
	cut_to(6, text, "echo ...");
	cut_to(7, text, "echo \xC3\xA9...");
	cut_to(8, text, "echo \xC3\xA9...");
	cut_to(9, text, text);
	cut_to(10, text, text);
}

static void what_is_no_character_is_kept_for_whoever_escapes_it(void **state)
{
	(void)state;
	cut_to(8, "a\xFF\xC3z", "a\xFF\xC3z");
	cut_to(3, "a\xFF\xC3z", "a\xFF...");
}

static void a_command_of_megabytes_costs_no_more_than_its_beginning(void **state)
{
	char excerpt[EXCERPT_BYTES(4)];
	char *command = test_malloc(LIMIT_ARGUMENT_BYTES);

	(void)state;
	memset(command, 'a', LIMIT_ARGUMENT_BYTES - 1);
	command[LIMIT_ARGUMENT_BYTES - 1] = '\0';
	excerpt_call(excerpt, sizeof(excerpt), command, NULL);
	assert_string_equal(excerpt, "aaaa...");
	excerpt_call(excerpt, sizeof(excerpt), NULL,
		     (const char *const[]){ command, command, NULL });
	assert_string_equal(excerpt, "aaaa...");
	test_free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_left_as_it_is),
		cmocka_unit_test(arguments_are_quoted_as_for_a_shell),
		cmocka_unit_test(what_is_too_long_is_cut_between_characters),
		cmocka_unit_test(what_is_no_character_is_kept_for_whoever_escapes_it),
		cmocka_unit_test(a_command_of_megabytes_costs_no_more_than_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
