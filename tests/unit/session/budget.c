/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/alloc.h"
#include "base/limits.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* A bench whose calls may hold so much together. */
static struct bench *begin(uint64_t max_bytes)
{
	struct registry_config config = bench_config;

	config.output_limit_bytes = MIB;
	config.budget = budget_create(max_bytes);
	return bench_create(&config);
}

static struct budget *budget_of(const struct bench *bench)
{
	return bench->config.budget;
}

static void finish(struct bench *bench)
{
	struct budget *budget = budget_of(bench);

	bench_destroy(bench);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

static void what_a_call_holds_is_charged_until_it_is_over(void **state)
{
	struct bench *bench = begin(MIB);
	struct bench_call *call;

	(void)state;
	call = bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	assert_in_range(budget_used(budget_of(bench)), 5, MIB);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: ");
	assert_int_equal(budget_used(budget_of(bench)), 0);
	finish(bench);
}

static void output_past_the_budget_is_told_as_busy_and_the_next_call_is_served(void **state)
{
	struct bench *bench = begin(256 * KIB);
	struct bench_call *call;

	(void)state;
	call = bench_call(bench, "flood 500000");
	bench_wait_for_all(bench);
	assert_string_equal(call->text,
			    "Server is busy: it has no memory left for the output of this command, "
			    "which was run, and killed if it had not ended. Try again later, or "
			    "print less.");
	/* Not the output limit: nothing was saved under that name. */
	assert_int_equal(stub_counts(bench->stub).saves, 0);
	assert_int_equal(budget_used(budget_of(bench)), 0);
	call = bench_call(bench, "flood 50000");
	bench_wait_for_all(bench);
	assert_memory_equal(call->text, "exit 0: xxx", 11);
	finish(bench);
}

static void a_reply_past_the_budget_is_told_as_busy(void **state)
{
	/* Room for the output (in powers of two), not for another copy of it. */
	struct bench *bench = begin(160 * KIB);
	struct bench_call *call = bench_call(bench, "flood 100000");

	(void)state;
	bench_wait_for_all(bench);
	assert_string_equal(call->text,
			    "Server is busy: it has no memory left for the answer. The command "
			    "was run. Try again later, or print less.");
	finish(bench);
}

static struct bench_call *call_with_stdin(struct bench *bench, size_t bytes)
{
	struct call_request request = { .target = CALL_TARGET_SESSION,
					.command = alloc_string("hold"),
					.stdin_data = alloc_zeroed(bytes),
					.stdin_bytes = bytes };

	return bench_start(bench, bench->session, &request);
}

static void requests_that_wait_are_charged_and_what_does_not_fit_is_refused(void **state)
{
	struct bench *bench = begin(256 * KIB);
	struct bench_call *first, *second, *third;

	(void)state;
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	first = call_with_stdin(bench, 200 * KIB);
	bench_wait(bench, bench_is_creating, 1);
	second = call_with_stdin(bench, 200 * KIB);
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(second->text, "Server is busy: it has no memory left for another call. "
					  "Nothing was run. Try again later.");
	/* A caller who goes makes room. */
	call_cancel(first->call);
	bench_wait(bench, bench_has_ended, 2);
	third = call_with_stdin(bench, 200 * KIB);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(third->text, "exit 0: ");
	finish(bench);
}

static void many_at_once_share_it_and_give_everything_back(void **state)
{
	struct bench *bench = begin(512 * KIB);
	struct session *sessions[200];
	unsigned i, busy = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		sessions[i] = bench_session(bench);
		(void)bench_call_in(bench, sessions[i], CALL_TARGET_SESSION, NULL,
				    i % 2 ? "flood 100000" : "flood 1000");
		if (i % 5 == 0)
			call_cancel(bench->calls[i].call);
	}
	bench_wait_for_all(bench);
	for (i = 0; i < 200; i++)
		busy += strncmp(bench->calls[i].text, "Server is busy: ", 16) == 0;
	assert_int_not_equal(busy, 0);
	assert_int_equal(budget_used(budget_of(bench)), 0);
	for (i = 0; i < 200; i++)
		session_close(sessions[i]);
	finish(bench);
}

static void calls_of_a_name_are_charged_to_its_share(void **state)
{
	struct bench *bench = begin(4 * LIMIT_MIN_BUFFERED_BYTES);
	struct budget *greedy = budget_share(budget_of(bench), "greedy");
	struct session *sessions[] = { session_open(registry_principal(bench->registry, "greedy")),
				       session_open(registry_principal(bench->registry, "other")) };
	struct bench_call *calls[2];

	(void)state;
	assert_ptr_equal(session_budget(sessions[0]), greedy);
	budget_take_over(greedy, 2 * LIMIT_MIN_BUFFERED_BYTES);
	for (unsigned i = 0; i < 2; i++)
		calls[i] = bench_call_in(bench, sessions[i], CALL_TARGET_SESSION, NULL, "true");
	bench_wait_for_all(bench);
	assert_memory_equal(calls[0]->text, "Server is busy: ", 16);
	assert_memory_equal(calls[1]->text, "exit 0: ", 8);
	budget_give(greedy, 2 * LIMIT_MIN_BUFFERED_BYTES);
	session_close(sessions[0]);
	session_close(sessions[1]);
	finish(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_call_holds_is_charged_until_it_is_over),
		cmocka_unit_test(
			output_past_the_budget_is_told_as_busy_and_the_next_call_is_served),
		cmocka_unit_test(a_reply_past_the_budget_is_told_as_busy),
		cmocka_unit_test(requests_that_wait_are_charged_and_what_does_not_fit_is_refused),
		cmocka_unit_test(many_at_once_share_it_and_give_everything_back),
		cmocka_unit_test(calls_of_a_name_are_charged_to_its_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
