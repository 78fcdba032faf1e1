/* SPDX-License-Identifier: MIT */
#include "guest_link/shelf.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

static struct shelf_plan put(struct shelf *shelf, uint64_t bytes)
{
	struct shelf_plan plan = shelf_plan(shelf, bytes);

	shelf_note_pair(shelf, &plan);
	return plan;
}

static void the_ninth_pair_takes_the_place_of_the_first(void **state)
{
	struct shelf shelf = { 0 };
	struct shelf_plan plan;

	(void)state;
	for (uint32_t number = 1; number <= LIMIT_SAVED_PAIRS; number++) {
		plan = put(&shelf, 1);
		assert_int_equal(plan.number, number);
		assert_int_equal(plan.removed_count, 0);
	}
	for (uint32_t oldest = 1; oldest <= 20; oldest++) {
		plan = put(&shelf, 1);
		assert_int_equal(plan.removed_count, 1);
		assert_int_equal(plan.removed[0], oldest);
		assert_int_equal(shelf.count, LIMIT_SAVED_PAIRS);
	}
}

static void together_they_stay_below_their_limit(void **state)
{
	struct shelf shelf = { 0 };
	struct shelf_plan plan;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(put(&shelf, LIMIT_SAVED_BYTES / 4).removed_count, 0);
	plan = put(&shelf, 1);
	assert_int_equal(plan.removed_count, 1);
	assert_int_equal(plan.removed[0], 1);
	plan = put(&shelf, LIMIT_SAVED_BYTES / 2);
	assert_int_equal(plan.removed_count, 2);
	assert_int_equal(plan.removed[0], 2);
	assert_int_equal(plan.removed[1], 3);
	assert_int_equal(shelf.count, 3);
}

static void the_largest_pair_takes_the_place_of_all(void **state)
{
	struct shelf shelf = { 0 };
	struct shelf_plan plan;

	(void)state;
	for (int i = 0; i < LIMIT_SAVED_PAIRS; i++)
		(void)put(&shelf, 1);
	plan = put(&shelf, LIMIT_SAVED_BYTES);
	assert_int_equal(plan.removed_count, LIMIT_SAVED_PAIRS);
	assert_int_equal(plan.removed[LIMIT_SAVED_PAIRS - 1], LIMIT_SAVED_PAIRS);
	assert_int_equal(shelf.count, 1);
}

static void what_was_not_written_takes_no_place_but_its_number(void **state)
{
	struct shelf shelf = { 0 };

	(void)state;
	(void)put(&shelf, LIMIT_SAVED_BYTES);
	assert_int_equal(shelf_plan(&shelf, 7).removed_count, 1);
	assert_int_equal(shelf_plan(&shelf, 7).removed_count, 1);
	assert_int_equal(shelf_plan(&shelf, 7).number, 4);
	assert_int_equal(shelf.count, 1);
}

static void what_may_be_there_is_removed_by_the_next(void **state)
{
	struct shelf shelf = { 0 };
	struct shelf_plan plan;

	(void)state;
	(void)put(&shelf, 1);
	plan = shelf_plan(&shelf, LIMIT_SAVED_BYTES);
	shelf_note_doubt(&shelf, &plan);
	assert_int_equal(shelf.count, 2);
	plan = put(&shelf, LIMIT_SAVED_BYTES);
	assert_int_equal(plan.removed_count, 2);
	assert_int_equal(plan.removed[0], 1);
	assert_int_equal(plan.removed[1], 2);
	assert_int_equal(shelf.count, 1);
}

static void many_doubts_have_an_end(void **state)
{
	struct shelf shelf = { 0 };
	struct shelf_plan plan;

	(void)state;
	for (int i = 0; i < 5 * LIMIT_SAVED_PAIRS; i++) {
		plan = shelf_plan(&shelf, LIMIT_SAVED_BYTES);
		assert_true(plan.removed_count <= LIMIT_SAVED_PAIRS);
		shelf_note_doubt(&shelf, &plan);
		assert_true(shelf.count <= ARRAY_LENGTH(shelf.pairs));
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(put(&shelf, 1).removed_count, LIMIT_SAVED_PAIRS);
	assert_int_equal(put(&shelf, 1).removed_count, 0);
	assert_int_equal(shelf.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ninth_pair_takes_the_place_of_the_first),
		cmocka_unit_test(together_they_stay_below_their_limit),
		cmocka_unit_test(the_largest_pair_takes_the_place_of_all),
		cmocka_unit_test(what_was_not_written_takes_no_place_but_its_number),
		cmocka_unit_test(what_may_be_there_is_removed_by_the_next),
		cmocka_unit_test(many_doubts_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
