/* SPDX-License-Identifier: MIT */
#include "tests/unit/session/bench.h"

#include "base/limits.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* "Sandbox 0123456789ab died ...": what follows the id. */
static const char *after_id(const char *text)
{
	assert_memory_equal(text, "Sandbox ", 8);
	assert_int_equal(strspn(text + 8, "0123456789abcdef"), 12);
	return text + 8 + 12;
}

static void a_call_runs_in_a_sandbox_made_for_it(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	assert_int_equal(stub_counts(bench->stub).created, 0);
	call = bench_call(bench, "say hello");
	assert_int_equal(session_calls(bench->session), 1);
	bench_wait_for_all(bench);
	assert_int_equal(session_calls(bench->session), 0);
	assert_string_equal(call->text, "exit 0: hello");
	assert_string_equal(call->handle, "");
	bench_destroy(bench);
}

static void a_hundred_first_calls_make_one_sandbox(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_parallel = 100;
	bench = bench_create(&config);
	bench->stub->holds_creation = true;
	for (i = 0; i < 100; i++)
		(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_creating, 1);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, bench_is_running, 100);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	for (i = 0; i < 100; i++)
		assert_string_equal(bench->calls[i].text, "exit 0: ");
	bench_destroy(bench);
}

static void with_one_place_calls_run_in_the_order_of_arrival(void **state)
{
	struct registry_config config = bench_config;
	char command[16], expected[256] = "";
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_parallel = 1;
	bench = bench_create(&config);
	for (i = 10; i < 50; i++) {
		(void)snprintf(command, sizeof(command), "note %u", i);
		(void)snprintf(expected + (i - 10) * 3, 4, "%u ", i);
		(void)bench_call(bench, command);
	}
	bench_wait_for_all(bench);
	assert_string_equal(bench->stub->notes, expected);
	assert_int_equal(stub_counts(bench->stub).most_running, 1);
	bench_destroy(bench);
}

static void no_more_than_max_parallel_run_in_one_sandbox(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_parallel = 3;
	bench = bench_create(&config);
	for (i = 0; i < 20; i++)
		(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 3);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).most_in_one, 3);
	bench_destroy(bench);
}

static void no_more_than_max_running_run_in_all_and_every_session_gets_its_turn(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[5];
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_running = 4;
	bench = bench_create(&config);
	for (i = 0; i < 5; i++)
		sessions[i] = bench_session(bench);
	for (i = 0; i < 50; i++)
		(void)bench_call_in(bench, sessions[i / 10], CALL_TARGET_SESSION, NULL, "hold");
	bench_wait(bench, bench_is_running, 4);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).most_running, 4);
	assert_int_equal(stub_counts(bench->stub).created, 5);
	for (i = 0; i < 5; i++)
		session_close(sessions[i]);
	bench_destroy(bench);
}

static void no_more_than_max_creating_are_made_at_once(void **state)
{
	struct session *sessions[12];
	struct bench *bench = bench_create(&bench_config);
	unsigned i;

	(void)state;
	bench->stub->holds_creation = true;
	for (i = 0; i < 12; i++) {
		sessions[i] = bench_session(bench);
		(void)bench_call_in(bench, sessions[i], CALL_TARGET_SESSION, NULL, "say x");
	}
	bench_wait(bench, bench_is_creating, 4);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).most_creating, 4);
	assert_int_equal(stub_counts(bench->stub).created, 12);
	for (i = 0; i < 12; i++)
		session_close(sessions[i]);
	bench_destroy(bench);
}

static void a_full_queue_refuses_and_says_how_busy_it_is(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *refused;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_parallel = 2;
	bench = bench_create(&config);
	for (i = 0; i < 2 + LIMIT_QUEUED_CALLS; i++)
		(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 2);
	refused = bench_call(bench, "hold");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(refused->text,
			    "Sandbox is busy: 2 commands running, 64 waiting. Nothing was run. Try "
			    "again later.");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void a_call_does_not_queue_for_ever(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *late;
	struct bench *bench;

	(void)state;
	config.max_parallel = 1;
	config.queue_wait_ms = 20;
	bench = bench_create(&config);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	late = bench_call(bench, "say late");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(late->text, "Sandbox is busy: 1 commands running.");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void a_creation_that_takes_too_long_is_given_up_even_if_it_does_not_stop(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *first, *second;
	struct bench *bench;

	(void)state;
	config.create_ms = 20;
	config.max_creating = 1;
	config.queue_wait_ms = 20;
	bench = bench_create(&config);
	bench->stub->holds_creation = true;
	bench->stub->ignores_cancel = true;
	first = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(first->text, "No sandbox could be created within 0 s. Nothing was run. "
					 "Try again later.");
	/* It still has its place among --max-creating. */
	second = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(second->text, "Server is busy: 1 sandboxes being created. Nothing was "
					  "run. Try again later.");
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, bench_is_creating, 0);
	bench_destroy(bench);
}

static void a_failed_creation_is_told_to_all_who_wait_and_tried_again_by_the_next(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *first, *second, *third;

	(void)state;
	bench->stub->failing_creations = 1;
	first = bench_call(bench, "say x");
	second = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(first->text, "The stub is out of sand.");
	assert_string_equal(second->text, "The stub is out of sand.");
	third = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(third->text, "exit 0: x");
	bench_destroy(bench);
}

static void the_backend_is_checked_until_it_works_and_then_no_more(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *other = bench_session(bench);
	struct bench_call *call;

	(void)state;
	bench->stub->failing_checks = 2;
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "The stub is not plugged in.");
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "The stub is not plugged in.");
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	assert_int_equal(stub_counts(bench->stub).checks, 3);
	session_close(other);
	bench_destroy(bench);
}

static void creation_progress_reaches_all_who_wait(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *first, *second;

	(void)state;
	bench->stub->progress = "Pulling sand";
	bench->stub->holds_creation = true;
	first = bench_call(bench, "say x");
	second = bench_call(bench, "say x");
	bench_wait(bench, bench_is_creating, 1);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(first->progress, "Pulling sand");
	assert_string_equal(second->progress, "Pulling sand");
	bench_destroy(bench);
}

static bool has_reports(struct bench *bench, unsigned reports)
{
	return bench->calls[0].reports >= reports && bench->calls[1].reports >= reports;
}

static void calls_that_run_or_wait_report_progress_again_and_again(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;

	(void)state;
	config.max_parallel = 1;
	config.progress_ms = 5;
	bench = bench_create(&config);
	(void)bench_call(bench, "hold");
	(void)bench_call(bench, "hold");
	bench_wait(bench, has_reports, 3);
	/* One of them runs, which needs no words. */
	assert_string_equal(bench->calls[0].progress, "");
	assert_string_equal(bench->calls[1].progress, "Waiting for the sandbox");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void a_call_that_waits_for_a_place_among_all_is_told_so(void **state)
{
	struct registry_config config = bench_config;
	struct session *other;
	struct bench_call *late;
	struct bench *bench;

	(void)state;
	config.max_running = 1;
	config.queue_wait_ms = 20;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	late = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say late");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(late->text, "Server is busy: 1 commands running.");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	session_close(other);
	bench_destroy(bench);
}

static void the_limit_of_sandboxes_is_told(void **state)
{
	struct registry_config config = bench_config;
	struct session *other;
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.max_sandboxes = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "This server is at its limit of 1 sandboxes. Nothing was "
					"run. Use a sandbox that you already have, or try again "
					"later.");
	session_close(bench->session);
	bench->session = NULL;
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	session_close(other);
	bench_destroy(bench);
}

/* --- cancel -------------------------------------------------------------- */

static void a_call_cancelled_at_once_does_nothing(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = bench_call(bench, "note ran");

	(void)state;
	call_cancel(call->call);
	call_cancel(call->call);
	assert_int_equal(call->ends, 0);
	bench_wait_for_all(bench);
	assert_true(call->is_cancelled);
	assert_string_equal(bench->stub->notes, "");
	bench_destroy(bench);
}

static void a_cancelled_caller_takes_the_creation_from_nobody(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *first, *second;

	(void)state;
	bench->stub->holds_creation = true;
	first = bench_call(bench, "note first");
	second = bench_call(bench, "say second");
	bench_wait(bench, bench_is_creating, 1);
	call_cancel(first->call);
	bench_wait(bench, bench_has_ended, 1);
	assert_true(first->is_cancelled);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(second->text, "exit 0: second");
	assert_int_equal(stub_counts(bench->stub).created, 1);
	assert_string_equal(bench->stub->notes, "");
	bench_destroy(bench);
}

static void a_creation_that_nobody_waits_for_any_more_is_cancelled(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	call = bench_call(bench, "say x");
	bench_wait(bench, bench_is_creating, 1);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	bench_wait(bench, bench_is_creating, 0);
	assert_int_equal(stub_counts(bench->stub).created, 0);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	bench_destroy(bench);
}

static void a_sandbox_made_for_nobody_is_destroyed(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	bench->stub->ignores_cancel = true;
	call = bench_call(bench, "say x");
	bench_wait(bench, bench_is_creating, 1);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, bench_is_creating, 0);
	bench_wait(bench, bench_has_live, 0);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench_destroy(bench);
}

static void a_call_can_be_cancelled_while_its_creation_queues(void **state)
{
	struct registry_config config = bench_config;
	struct session *other;
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.max_creating = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	bench->stub->holds_creation = true;
	(void)bench_call(bench, "say x");
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait(bench, bench_is_creating, 1);
	call_cancel(call->call);
	bench_wait(bench, bench_has_ended, 1);
	assert_true(call->is_cancelled);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	session_close(other);
	bench_destroy(bench);
}

static void a_queued_call_can_be_cancelled_and_the_others_keep_their_order(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *second;
	struct bench *bench;

	(void)state;
	config.max_parallel = 1;
	bench = bench_create(&config);
	(void)bench_call(bench, "hold");
	(void)bench_call(bench, "note 1");
	second = bench_call(bench, "note 2");
	(void)bench_call(bench, "note 3");
	bench_wait(bench, bench_is_running, 1);
	call_cancel(second->call);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_true(second->is_cancelled);
	assert_string_equal(bench->stub->notes, "1 3 ");
	bench_destroy(bench);
}

static void a_running_call_can_be_cancelled_and_the_sandbox_lives_on(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = bench_call(bench, "hold");

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	assert_true(call->is_cancelled);
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench_destroy(bench);
}

/* --- death --------------------------------------------------------------- */

static void a_death_between_calls_is_told_once_and_then_there_is_a_fresh_sandbox(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *told, *fresh;

	(void)state;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	stub_kill_last(bench->stub);
	bench_wait(bench, bench_has_live, 0);
	told = bench_call(bench, "note told");
	bench_wait_for_all(bench);
	fresh = bench_call(bench, "say fresh");
	bench_wait_for_all(bench);
	assert_string_equal(after_id(told->text),
			    " died between calls: the test killed it; its files are gone. Nothing "
			    "was run. Call again for a fresh one.");
	assert_string_equal(fresh->text, "exit 0: fresh");
	assert_string_equal(bench->stub->notes, "");
	assert_int_equal(stub_counts(bench->stub).created, 2);
	bench_destroy(bench);
}

static void a_death_that_the_loop_has_not_seen_yet_is_still_between_calls(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *told, *fresh;

	(void)state;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	stub_kill_last(bench->stub);
	told = bench_call(bench, "note told");
	fresh = bench_call(bench, "say fresh");
	bench_wait_for_all(bench);
	assert_non_null(strstr(told->text, " died between calls: "));
	assert_string_equal(fresh->text, "exit 0: fresh");
	assert_string_equal(bench->stub->notes, "");
	bench_destroy(bench);
}

static void a_death_during_calls_is_told_to_those_that_ran_and_those_that_waited(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *ran[2], *waited, *fresh;
	struct bench *bench;

	(void)state;
	config.max_parallel = 2;
	bench = bench_create(&config);
	ran[0] = bench_call(bench, "hold");
	ran[1] = bench_call(bench, "hold");
	waited = bench_call(bench, "note waited");
	bench_wait(bench, bench_is_running, 2);
	stub_kill_last(bench->stub);
	bench_wait_for_all(bench);
	assert_string_equal(after_id(ran[0]->text),
			    " died during command execution: the test killed it; its files are "
			    "gone. Call again for a fresh one.");
	assert_string_equal(ran[0]->text, ran[1]->text);
	assert_non_null(strstr(waited->text, "Nothing was run."));
	assert_string_equal(bench->stub->notes, "");
	fresh = bench_call(bench, "say fresh");
	bench_wait_for_all(bench);
	assert_string_equal(fresh->text, "exit 0: fresh");
	assert_int_equal(stub_counts(bench->stub).autopsies, 1);
	bench_destroy(bench);
}

static void a_death_that_only_a_cancelled_call_met_is_told_to_the_next(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = bench_call(bench, "hold");

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	stub_kill_last(bench->stub);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_non_null(strstr(call->text, "Nothing was run. Call again for a fresh one."));
	bench_destroy(bench);
}

static void a_reset_is_told_by_its_own_result_alone(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *reset = bench_call(bench, "reset");
	struct bench_call *fresh;

	(void)state;
	bench_wait_for_all(bench);
	assert_memory_equal(reset->text, "exit 124: [kilntainers: command timed out", 41);
	assert_non_null(strstr(reset->text, "\n[kilntainers: the sandbox was reset because"));
	fresh = bench_call(bench, "say fresh");
	bench_wait_for_all(bench);
	assert_string_equal(fresh->text, "exit 0: fresh");
	assert_int_equal(stub_counts(bench->stub).created, 2);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_runs_in_a_sandbox_made_for_it),
		cmocka_unit_test(a_hundred_first_calls_make_one_sandbox),
		cmocka_unit_test(with_one_place_calls_run_in_the_order_of_arrival),
		cmocka_unit_test(no_more_than_max_parallel_run_in_one_sandbox),
		cmocka_unit_test(
			no_more_than_max_running_run_in_all_and_every_session_gets_its_turn),
		cmocka_unit_test(no_more_than_max_creating_are_made_at_once),
		cmocka_unit_test(a_full_queue_refuses_and_says_how_busy_it_is),
		cmocka_unit_test(a_call_does_not_queue_for_ever),
		cmocka_unit_test(
			a_creation_that_takes_too_long_is_given_up_even_if_it_does_not_stop),
		cmocka_unit_test(
			a_failed_creation_is_told_to_all_who_wait_and_tried_again_by_the_next),
		cmocka_unit_test(the_backend_is_checked_until_it_works_and_then_no_more),
		cmocka_unit_test(creation_progress_reaches_all_who_wait),
		cmocka_unit_test(calls_that_run_or_wait_report_progress_again_and_again),
		cmocka_unit_test(a_call_that_waits_for_a_place_among_all_is_told_so),
		cmocka_unit_test(the_limit_of_sandboxes_is_told),
		cmocka_unit_test(a_call_cancelled_at_once_does_nothing),
		cmocka_unit_test(a_cancelled_caller_takes_the_creation_from_nobody),
		cmocka_unit_test(a_creation_that_nobody_waits_for_any_more_is_cancelled),
		cmocka_unit_test(a_sandbox_made_for_nobody_is_destroyed),
		cmocka_unit_test(a_call_can_be_cancelled_while_its_creation_queues),
		cmocka_unit_test(a_queued_call_can_be_cancelled_and_the_others_keep_their_order),
		cmocka_unit_test(a_running_call_can_be_cancelled_and_the_sandbox_lives_on),
		cmocka_unit_test(
			a_death_between_calls_is_told_once_and_then_there_is_a_fresh_sandbox),
		cmocka_unit_test(a_death_that_the_loop_has_not_seen_yet_is_still_between_calls),
		cmocka_unit_test(
			a_death_during_calls_is_told_to_those_that_ran_and_those_that_waited),
		cmocka_unit_test(a_death_that_only_a_cancelled_call_met_is_told_to_the_next),
		cmocka_unit_test(a_reset_is_told_by_its_own_result_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
