/* SPDX-License-Identifier: MIT */
#include "session/ending.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <string.h>

#define IDLE_MS 20
/* So long that it passes in no test. */
#define HOUR_MS 3600000

static struct bench *begin(uint64_t idle_ms)
{
	struct registry_config config = bench_config;

	config.idle_ms = idle_ms;
	return bench_create(&config);
}

static struct bench_call *run(struct bench *bench, enum call_target target, const char *handle,
			      const char *command)
{
	struct bench_call *call = bench_call_in(bench, bench->session, target, handle, command);

	bench_wait(bench, bench_has_ended, bench->call_count);
	return call;
}

static void an_idle_sandbox_is_removed_and_the_next_call_is_told_once(void **state)
{
	struct bench *bench = begin(1000);
	struct bench_call *call;

	(void)state;
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait(bench, bench_has_live, 0);
	call = run(bench, CALL_TARGET_SESSION, NULL, "note never");
	assert_memory_equal(call->text, "Sandbox ", 8);
	assert_string_equal(
		call->text + 20,
		" was removed after 1 s idle; its files are gone. Nothing was run. Call "
		"again for a fresh one.");
	assert_string_equal(bench->stub->notes, "");
	assert_string_equal(run(bench, CALL_TARGET_SESSION, NULL, "say fresh")->text,
			    "exit 0: fresh");
	assert_int_equal(stub_counts(bench->stub).created, 2);
	/* Nothing had to be found out. */
	assert_int_equal(stub_counts(bench->stub).autopsies, 0);
	bench_destroy(bench);
}

static void an_idle_handle_stays_dead_and_says_so_to_its_owner_alone(void **state)
{
	struct bench *bench = begin(IDLE_MS);
	struct session *other = bench_session_of(bench, "other");
	struct bench_call *made, *call;
	unsigned i;

	(void)state;
	made = run(bench, CALL_TARGET_NEW, NULL, "say x");
	bench_wait(bench, bench_has_live, 0);
	for (i = 0; i < 3; i++) {
		call = run(bench, CALL_TARGET_HANDLE, made->handle, "note never");
		assert_non_null(strstr(call->text,
				       " was removed after 0 s idle; its files are gone. Nothing "
				       "was run. Call again without sandbox_id for a fresh one."));
	}
	call = bench_call_in(bench, other, CALL_TARGET_HANDLE, made->handle, "note never");
	bench_wait_for_all(bench);
	assert_memory_equal(call->text, "Sandbox not found or expired; ", 30);
	assert_string_equal(bench->stub->notes, "");
	session_close(other);
	bench_destroy(bench);
}

static void a_principals_own_sandbox_is_told_to_one_of_its_sessions(void **state)
{
	struct bench *bench = begin(IDLE_MS);
	struct session *first = bench_session_of(bench, "a");
	struct session *second = bench_session_of(bench, "a");
	struct bench_call *told, *fresh;

	(void)state;
	(void)bench_call_in(bench, first, CALL_TARGET_PRINCIPAL, NULL, "say x");
	bench_wait_for_all(bench);
	session_close(first);
	bench_wait(bench, bench_has_live, 0);
	told = bench_call_in(bench, second, CALL_TARGET_PRINCIPAL, NULL, "say x");
	fresh = bench_call_in(bench, second, CALL_TARGET_PRINCIPAL, NULL, "say y");
	bench_wait_for_all(bench);
	assert_non_null(strstr(told->text, " s idle; "));
	assert_string_equal(fresh->text, "exit 0: y");
	session_close(second);
	bench_destroy(bench);
}

static void a_sandbox_is_never_idle_during_a_call(void **state)
{
	struct bench *bench = begin(IDLE_MS);
	struct bench_call *previous = bench_call(bench, "hold");
	struct bench_call *next;
	unsigned i;

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	/* One overlaps the next; each ends once the time of the one before is over. */
	for (i = 0; i < 5; i++) {
		bench_linger(bench, 2 * IDLE_MS);
		next = bench_call(bench, "hold");
		bench_wait(bench, bench_is_running, 2);
		call_cancel(previous->call);
		bench_wait(bench, bench_is_running, 1);
		previous = next;
	}
	bench_linger(bench, 2 * IDLE_MS);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(previous->text, "exit 0: ");
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench_wait(bench, bench_has_live, 0);
	bench_destroy(bench);
}

static void a_call_that_begins_in_time_may_take_as_long_as_it_needs(void **state)
{
	struct bench *bench = begin(IDLE_MS);
	struct bench_call *held;

	(void)state;
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	/* The clock has been started, and nothing of the loop runs before the next call is there.
	 */
	held = bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	bench_linger(bench, 3 * IDLE_MS);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(held->text, "exit 0: ");
	assert_string_equal(run(bench, CALL_TARGET_SESSION, NULL, "who")->text, "exit 0: 1");
	bench_destroy(bench);
}

static void a_sandbox_is_not_idle_while_a_call_waits_for_a_place(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *blocking, *waiting;
	struct session *other;
	struct bench *bench;

	(void)state;
	config.idle_ms = IDLE_MS;
	config.max_running = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	blocking = bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	waiting = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say waited");
	bench_wait(bench, bench_has_made, 2);
	bench_linger(bench, 5 * IDLE_MS);
	assert_int_equal(stub_counts(bench->stub).live, 2);
	assert_int_equal(waiting->ends, 0);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(blocking->text, "exit 0: ");
	assert_string_equal(waiting->text, "exit 0: waited");
	session_close(other);
	bench_destroy(bench);
}

static void a_call_that_gave_up_waiting_leaves_the_clock_running(void **state)
{
	struct registry_config config = bench_config;
	struct session *other;
	struct bench *bench;

	(void)state;
	config.idle_ms = IDLE_MS;
	config.max_running = 1;
	config.queue_wait_ms = 2 * IDLE_MS;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	(void)bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "note never");
	bench_wait(bench, bench_has_ended, 1);
	/* Nothing ever ran in it, and it goes all the same. */
	bench_wait(bench, bench_has_live, 1);
	assert_string_equal(bench->stub->notes, "");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	session_close(other);
	bench_destroy(bench);
}

static void a_place_of_an_idle_sandbox_is_free_again(void **state)
{
	struct registry_config config = bench_config;
	struct session *other;
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.idle_ms = IDLE_MS;
	config.max_sandboxes = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait(bench, bench_has_live, 0);
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say y");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: y");
	session_close(other);
	bench_destroy(bench);
}

static void what_died_before_it_was_idle_is_told_as_dead(void **state)
{
	struct bench *bench = begin(3600000);
	struct bench_call *call;

	(void)state;
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	stub_kill_last(bench->stub);
	bench_wait(bench, bench_has_live, 0);
	call = run(bench, CALL_TARGET_SESSION, NULL, "say x");
	assert_non_null(strstr(call->text, " died between calls: the test killed it; "));
	bench_destroy(bench);
}

static void without_a_time_nothing_is_ever_idle(void **state)
{
	struct bench *bench = begin(0);

	(void)state;
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	(void)run(bench, CALL_TARGET_NEW, NULL, "say x");
	bench_linger(bench, 3 * IDLE_MS);
	assert_int_equal(stub_counts(bench->stub).live, 2);
	bench_destroy(bench);
}

/* --- as if time had passed ------------------------------------------------- */

/* The timer has fired, so long after what the lease last saw. */
static void let_pass(struct lease *lease, uint64_t ms)
{
	lease->idle_since_ms -= ms;
	ending_on_idle(lease);
}

static bool has_the_second_its_sandbox(struct bench *bench, unsigned figure)
{
	(void)figure;
	return bench->session->next->own->state == LEASE_READY;
}

static void before_its_time_nothing_ends(void **state)
{
	struct bench *bench = begin(HOUR_MS);
	struct lease *lease;

	(void)state;
	(void)run(bench, CALL_TARGET_SESSION, NULL, "say x");
	lease = bench->session->own;
	let_pass(lease, HOUR_MS / 2);
	assert_int_equal(lease->state, LEASE_READY);
	let_pass(lease, HOUR_MS / 2);
	assert_int_equal(lease->state, LEASE_EMPTY);
	bench_wait(bench, bench_has_live, 0);
	bench_destroy(bench);
}

static void a_call_that_runs_keeps_its_sandbox_and_its_end_starts_the_clock(void **state)
{
	struct bench *bench = begin(HOUR_MS);
	struct bench_call *call = bench_call(bench, "hold");
	struct lease *lease = bench->session->own;

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	let_pass(lease, 2 * HOUR_MS);
	assert_int_equal(lease->state, LEASE_READY);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: ");
	let_pass(lease, 0);
	assert_int_equal(lease->state, LEASE_READY);
	bench_destroy(bench);
}

static void a_call_that_waits_keeps_its_sandbox_and_its_end_starts_the_clock(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *waiting;
	struct session *other;
	struct bench *bench;
	struct lease *lease;

	(void)state;
	config.idle_ms = HOUR_MS;
	config.max_running = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	waiting = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "note never");
	bench_wait(bench, has_the_second_its_sandbox, 0);
	lease = other->own;
	let_pass(lease, 2 * HOUR_MS);
	assert_int_equal(lease->state, LEASE_READY);
	call_cancel(waiting->call);
	bench_wait(bench, bench_has_ended, 1);
	let_pass(lease, 0);
	assert_int_equal(lease->state, LEASE_READY);
	let_pass(lease, HOUR_MS);
	assert_int_equal(lease->state, LEASE_EMPTY);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(bench->stub->notes, "");
	session_close(other);
	bench_destroy(bench);
}

/* Whatever the clock and a call do to each other: it runs, or is told, and never in between. */
static void a_call_that_meets_the_end_of_the_time_runs_or_is_told(void **state)
{
	struct bench *bench = begin(2);
	unsigned i, told = 0;

	(void)state;
	for (i = 0; i < 300; i++) {
		struct bench_call *call = bench_call(bench, "say x");

		bench_wait_for_all(bench);
		if (strcmp(call->text, "exit 0: x") != 0) {
			assert_non_null(strstr(call->text, " s idle; "));
			told++;
		}
		bench_linger(bench, i % 4);
	}
	/* Each that was removed was told of once, but perhaps the last. */
	assert_in_range(stub_counts(bench->stub).created, told, told + 1);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_sandbox_is_removed_and_the_next_call_is_told_once),
		cmocka_unit_test(an_idle_handle_stays_dead_and_says_so_to_its_owner_alone),
		cmocka_unit_test(a_principals_own_sandbox_is_told_to_one_of_its_sessions),
		cmocka_unit_test(a_sandbox_is_never_idle_during_a_call),
		cmocka_unit_test(a_call_that_begins_in_time_may_take_as_long_as_it_needs),
		cmocka_unit_test(a_sandbox_is_not_idle_while_a_call_waits_for_a_place),
		cmocka_unit_test(a_call_that_gave_up_waiting_leaves_the_clock_running),
		cmocka_unit_test(a_place_of_an_idle_sandbox_is_free_again),
		cmocka_unit_test(what_died_before_it_was_idle_is_told_as_dead),
		cmocka_unit_test(without_a_time_nothing_is_ever_idle),
		cmocka_unit_test(before_its_time_nothing_ends),
		cmocka_unit_test(a_call_that_runs_keeps_its_sandbox_and_its_end_starts_the_clock),
		cmocka_unit_test(a_call_that_waits_keeps_its_sandbox_and_its_end_starts_the_clock),
		cmocka_unit_test(a_call_that_meets_the_end_of_the_time_runs_or_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
