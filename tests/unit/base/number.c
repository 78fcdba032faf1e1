/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include "tests/unit/unit.h"

static void whole_numbers_are_read_and_bounded(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_int_equal(number_parse_int("42", 0, 100, "--x", &value, NULL), 0);
	assert_int_equal(value, 42);
	assert_int_equal(number_parse_int("-5", -10, 100, "--x", &value, NULL), 0);
	assert_int_equal(value, -5);
	assert_int_equal(number_parse_int("100", 0, 100, "--x", &value, NULL), 0);
	assert_int_equal(value, 100);
}

static void what_is_not_a_whole_number_is_refused_and_changes_nothing(void **state)
{
	static const char *const wrong[] = { "",    "-",    "1.0", "0x10", " 1",
					     "1 ",  "1e3",  "101", "-1",   "99999999999999999999",
					     "+-1", "1\n2", "one" };
	struct error err = ERROR_INIT;
	int64_t value = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(wrong); i++) {
		assert_int_equal(number_parse_int(wrong[i], 0, 100, "--x", &value, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_int_equal(value, 7);
	}
}

static void sizes_are_read_as_docker_writes_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "1", 1 },
		{ "512b", 512 },
		{ "512k", 512 << 10 },
		{ "512M", 512ULL << 20 },
		{ "1g", 1ULL << 30 },
		{ "1.5g", 3ULL << 29 },
		{ "2GB", 2ULL << 30 },
		{ "2gib", 2ULL << 30 },
		{ "1t", 1ULL << 40 },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(sizes); i++) {
		assert_int_equal(number_parse_bytes(sizes[i].text, "--disk", &bytes, NULL), 0);
		assert_int_equal(bytes, sizes[i].bytes);
	}
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
	static const char *const wrong[] = { "",       "0",   "m",	"-1",
					     "1x",     "1.m", "1.b2",	"1mm",
					     "0.0001", "1 g", "1gibb",	"99999999999t",
					     "1bb",    "1ib", "1.2345", "1.5 g",
					     ".5g" };
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(wrong); i++)
		assert_int_equal(number_parse_bytes(wrong[i], "--disk", &bytes, NULL), -1);
}

static void durations_come_in_seconds(void **state)
{
	static const char *const wrong[] = { "",     "s",   "-1s",
					     "1.5h", "1 d", "1w",
					     "90ss", "s90", "213503982334602d",
					     "1S",   "+1",  "1\n" };
	int64_t seconds;
	size_t i;

	(void)state;
	assert_int_equal(number_parse_duration("0", "--older-than", &seconds, NULL), 0);
	assert_int_equal(seconds, 0);
	assert_int_equal(number_parse_duration("90s", "--older-than", &seconds, NULL), 0);
	assert_int_equal(seconds, 90);
	assert_int_equal(number_parse_duration("15m", "--older-than", &seconds, NULL), 0);
	assert_int_equal(seconds, 900);
	assert_int_equal(number_parse_duration("2h", "--older-than", &seconds, NULL), 0);
	assert_int_equal(seconds, 7200);
	assert_int_equal(number_parse_duration("7d", "--older-than", &seconds, NULL), 0);
	assert_int_equal(seconds, 604800);
	for (i = 0; i < ARRAY_LENGTH(wrong); i++)
		assert_int_equal(number_parse_duration(wrong[i], "--older-than", &seconds, NULL),
				 -1);
}

static void fractions_come_in_thousandths(void **state)
{
	int64_t milli;

	(void)state;
	assert_int_equal(number_parse_milli("1.5", 64000, "--cpu", &milli, NULL), 0);
	assert_int_equal(milli, 1500);
	assert_int_equal(number_parse_milli("0.001", 64000, "--cpu", &milli, NULL), 0);
	assert_int_equal(milli, 1);
	assert_int_equal(number_parse_milli("0", 64000, "--cpu", &milli, NULL), -1);
	assert_int_equal(number_parse_milli("65", 64000, "--cpu", &milli, NULL), -1);
	assert_int_equal(number_parse_milli("1.", 64000, "--cpu", &milli, NULL), -1);
}

static void sizes_are_written_exactly_in_the_largest_unit(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0 bytes" },
		{ 1000, "1000 bytes" },
		{ 1024, "1 KiB" },
		{ 1ULL << 30, "1 GiB" },
		{ 3ULL << 29, "1536 MiB" },
		{ 1ULL << 40, "1024 GiB" },
		{ UINT64_MAX, "18446744073709551615 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		char text[NUMBER_TEXT_BYTES];

		number_format_bytes(text, sizes[i].bytes);
		assert_string_equal(text, sizes[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_read_and_bounded),
		cmocka_unit_test(what_is_not_a_whole_number_is_refused_and_changes_nothing),
		cmocka_unit_test(sizes_are_read_as_docker_writes_them),
		cmocka_unit_test(sizes_that_make_no_sense_are_refused),
		cmocka_unit_test(durations_come_in_seconds),
		cmocka_unit_test(fractions_come_in_thousandths),
		cmocka_unit_test(sizes_are_written_exactly_in_the_largest_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
