/* SPDX-License-Identifier: MIT */
#include "backend/native/id_map.h"

#include "tests/unit/unit.h"
#include "zygote/zygote.h"

#define FIRST 524288u

static struct id_ranges ranges;

static int begin(void **state)
{
	(void)state;
	id_ranges_init(&ranges);
	return 0;
}

static int end(void **state)
{
	(void)state;
	id_ranges_finish(&ranges);
	return 0;
}

static void ranges_are_whole_apart_and_never_the_hosts_own(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint32_t base = id_ranges_take(&ranges);

		assert_true(base >= FIRST);
		assert_int_equal((base - FIRST) % ZYGOTE_ID_RANGE, 0);
		assert_true(base > last);
		last = base;
	}
}

static void a_range_that_was_given_back_rests_before_it_is_used_again(void **state)
{
	uint32_t first = id_ranges_take(&ranges);

	(void)state;
	id_ranges_release(&ranges, first);
	assert_int_not_equal(id_ranges_take(&ranges), first);
}

static void when_all_are_in_use_there_is_none_until_one_comes_back(void **state)
{
	uint32_t some = id_ranges_take(&ranges);
	unsigned taken = 1;

	(void)state;
	while (id_ranges_take(&ranges) != 0)
		taken++;
	assert_true(taken <= ID_RANGES);
	assert_true(taken > ID_RANGES / 2);
	id_ranges_release(&ranges, some);
	assert_int_equal(id_ranges_take(&ranges), some);
	assert_int_equal(id_ranges_take(&ranges), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_are_whole_apart_and_never_the_hosts_own),
		TEST(a_range_that_was_given_back_rests_before_it_is_used_again),
		TEST(when_all_are_in_use_there_is_none_until_one_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
