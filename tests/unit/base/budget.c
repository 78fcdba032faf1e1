/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/buf.h"
#include "base/limits.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 20000

static void what_there_is_can_be_taken_and_not_a_byte_more(void **state)
{
	struct budget *budget = budget_create(10);

	(void)state;
	assert_true(budget_take(budget, 4));
	assert_false(budget_take(budget, 7));
	assert_int_equal(budget_used(budget), 4);
	assert_true(budget_take(budget, 6));
	assert_false(budget_take(budget, 1));
	assert_true(budget_take(budget, 0));
	budget_give(budget, 10);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

static void a_giant_wish_does_not_wrap_round(void **state)
{
	struct budget *budget = budget_create(UINT64_MAX - 1);

	(void)state;
	assert_true(budget_take(budget, 100));
	assert_false(budget_take(budget, SIZE_MAX));
	assert_false(budget_take(budget, SIZE_MAX - 100));
	budget_give(budget, 100);
	budget_destroy(budget);
}

static void past_the_end_nobody_gets_anything_until_it_was_given_back(void **state)
{
	struct budget *budget = budget_create(10);

	(void)state;
	budget_take_over(budget, 15);
	assert_int_equal(budget_used(budget), 15);
	assert_false(budget_take(budget, 1));
	budget_give(budget, 5);
	assert_false(budget_take(budget, 1));
	budget_give(budget, 5);
	assert_true(budget_take(budget, 5));
	budget_give(budget, 10);
	budget_destroy(budget);
}

static void what_is_large_leaves_something_to_what_is_small(void **state)
{
	struct budget *budget = budget_create(800);

	(void)state;
	assert_true(budget_has_spare(budget, 700));
	assert_false(budget_has_spare(budget, 701));
	assert_true(budget_take(budget, 600));
	assert_true(budget_has_spare(budget, 100));
	assert_false(budget_has_spare(budget, SIZE_MAX));
	assert_true(budget_take(budget, 150));
	assert_false(budget_has_spare(budget, 0));
	assert_true(budget_take(budget, 50));
	budget_give(budget, 800);
	budget_destroy(budget);
	assert_true(budget_has_spare(NULL, SIZE_MAX));
}

static void nobody_has_more_than_a_share(void **state)
{
	uint64_t half = 2 * LIMIT_MIN_BUFFERED_BYTES;
	struct budget *whole = budget_create(2 * half);
	struct budget *greedy = budget_share(whole, "greedy"),
		      *other = budget_share(whole, "other");

	(void)state;
	assert_ptr_equal(budget_share(whole, "greedy"), greedy);
	assert_ptr_equal(budget_share(whole, NULL), whole);
	assert_null(budget_share(NULL, "greedy"));
	assert_true(budget_take(greedy, half));
	assert_false(budget_take(greedy, 1));
	assert_false(budget_has_spare(greedy, 0));
	assert_true(budget_has_spare(other, 100));
	assert_int_equal(budget_used(whole), half);
	assert_true(budget_take(other, half));
	assert_false(budget_take(whole, 1));
	budget_give(greedy, half);
	/* What the whole does not have, the share does not get, nor is charged. */
	budget_take_over(whole, half);
	assert_false(budget_take(greedy, 1));
	assert_int_equal(budget_used(greedy), 0);
	budget_give(whole, half);
	/* It counts, though there is no room. */
	budget_take_over(greedy, half + 5);
	assert_int_equal(budget_used(whole), 2 * half + 5);
	budget_give(greedy, half + 5);
	budget_give(other, half);
	assert_int_equal(budget_used(whole), 0);
	budget_destroy(whole);
}

static void a_share_has_room_for_one_call(void **state)
{
	struct budget *whole = budget_create(LIMIT_MIN_BUFFERED_BYTES);

	(void)state;
	assert_true(budget_has_spare(budget_share(whole, "alone"), LIMIT_MESSAGE_BYTES));
	assert_false(budget_take(budget_share(whole, "alone"), LIMIT_MIN_BUFFERED_BYTES + 1));
	budget_destroy(whole);
}

static void without_a_budget_there_is_no_end(void **state)
{
	(void)state;
	assert_true(budget_take(NULL, SIZE_MAX));
	budget_take_over(NULL, SIZE_MAX);
	budget_give(NULL, SIZE_MAX);
	assert_int_equal(budget_used(NULL), 0);
	budget_destroy(NULL);
}

static void *take_and_give(void *context)
{
	struct budget *budget = context;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		/* Room for all but one: somebody is refused now and then. */
		if (!budget_take(budget, 7))
			continue;
		if (budget_used(budget) > (THREADS - 1) * 7UL)
			return budget;
		budget_give(budget, 7);
	}
	return NULL;
}

static void threads_never_take_more_than_there_is(void **state)
{
	struct budget *budget = budget_create((THREADS - 1) * 7);
	pthread_t threads[THREADS];
	void *went_wrong;
	unsigned i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, budget), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &went_wrong), 0);
		assert_null(went_wrong);
	}
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

/* --- buffers that are charged ----------------------------------------------- */

static void a_buffer_charges_what_it_allocates_and_gives_all_of_it_back(void **state)
{
	struct budget *budget = budget_create(1 << 20);
	struct buf buf = BUF_INIT(1 << 20);
	unsigned i;

	(void)state;
	buf_set_budget(&buf, budget);
	for (i = 0; i < 10000; i++)
		assert_int_equal(buf_append_string(&buf, "0123456789"), 0);
	assert_int_equal(budget_used(budget), buf.capacity);
	assert_in_range(buf.capacity, 100000, 200000);
	buf_clear(&buf);
	assert_int_equal(budget_used(budget), buf.capacity);
	buf_finish(&buf);
	assert_int_equal(budget_used(budget), 0);
	/* And it is still the same buffer. */
	assert_int_equal(buf_append_byte(&buf, 'x'), 0);
	assert_int_equal(budget_used(budget), buf.capacity);
	buf_finish(&buf);
	budget_destroy(budget);
}

static void a_buffer_fails_where_the_budget_ends_and_keeps_what_it_has(void **state)
{
	struct budget *budget = budget_create(1000);
	struct buf buf = BUF_INIT(1 << 20);
	unsigned appended = 0;

	(void)state;
	buf_set_budget(&buf, budget);
	while (buf_append_string(&buf, "0123456789") == 0)
		appended++;
	/* Doubling does not fit; what is needed does. */
	assert_int_equal(appended, 100);
	assert_int_equal(buf.length, 1000);
	assert_memory_equal(buf.data + 990, "0123456789", 10);
	assert_true(buf.failed);
	assert_int_equal(budget_used(budget), 1000);
	buf_finish(&buf);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

static void bytes_that_are_handed_on_are_no_longer_charged(void **state)
{
	struct budget *budget = budget_create(1000);
	struct buf buf = BUF_INIT(1000);
	char *text;

	(void)state;
	buf_set_budget(&buf, budget);
	assert_int_equal(buf_append_string(&buf, "a reply"), 0);
	text = buf_take_string(&buf);
	assert_string_equal(text, "a reply");
	assert_int_equal(budget_used(budget), 0);
	free(text);
	assert_int_equal(buf_append_string(&buf, "another"), 0);
	assert_int_equal(budget_used(budget), buf.capacity);
	buf_finish(&buf);
	budget_destroy(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_there_is_can_be_taken_and_not_a_byte_more),
		cmocka_unit_test(a_giant_wish_does_not_wrap_round),
		cmocka_unit_test(past_the_end_nobody_gets_anything_until_it_was_given_back),
		cmocka_unit_test(what_is_large_leaves_something_to_what_is_small),
		cmocka_unit_test(nobody_has_more_than_a_share),
		cmocka_unit_test(a_share_has_room_for_one_call),
		cmocka_unit_test(without_a_budget_there_is_no_end),
		cmocka_unit_test(threads_never_take_more_than_there_is),
		cmocka_unit_test(a_buffer_charges_what_it_allocates_and_gives_all_of_it_back),
		cmocka_unit_test(a_buffer_fails_where_the_budget_ends_and_keeps_what_it_has),
		cmocka_unit_test(bytes_that_are_handed_on_are_no_longer_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
