/* SPDX-License-Identifier: MIT */
#include "tests/unit/session/bench.h"

#include "base/clock.h"
#include "session/state.h"

#include "tests/unit/unit.h"

/* For what must not happen: longer than the pool's own pauses. */
#define LINGER_MS 80

static struct registry_config with_pool(unsigned size)
{
	struct registry_config config = bench_config;

	config.pool_size = size;
	config.is_pool_early = true;
	config.pool_retry_ms = 1;
	return config;
}

/* A registry that expects calls, its pool not full yet. */
static struct bench *begin(const struct registry_config *config)
{
	struct bench *bench = bench_create(config);

	registry_prepare(bench->registry);
	return bench;
}

/* What the backend has made or not is known to the loop as well. */
static bool is_at_rest(struct bench *bench, unsigned figure)
{
	(void)figure;
	return bench->registry->creating == 0;
}

static struct bench_call *call_new(struct bench *bench, const char *command)
{
	return bench_call_in(bench, bench->session, CALL_TARGET_NEW, NULL, command);
}

static void nothing_is_made_before_the_first_call_unless_asked_for(void **state)
{
	struct registry_config config = with_pool(2);
	struct bench *bench;

	(void)state;
	config.is_pool_early = false;
	bench = begin(&config);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 0);
	(void)bench_call(bench, "say x");
	bench_wait(bench, bench_has_live, 3);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 3);
	bench_destroy(bench);
}

static void without_a_pool_nothing_is_made_ahead(void **state)
{
	struct registry_config config = with_pool(0);
	struct bench *bench = begin(&config);

	(void)state;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench_destroy(bench);
}

static void asked_for_it_is_filled_once_the_preparation_is_over(void **state)
{
	struct registry_config config = with_pool(2);
	struct bench *bench = bench_create(&config);

	(void)state;
	bench->stub->holds_preparing = true;
	registry_prepare(bench->registry);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 0);
	stub_set(bench->stub, &bench->stub->holds_preparing, false);
	bench_wait(bench, bench_has_live, 2);
	bench_destroy(bench);
}

static void ignore_facts(void *context, const struct exec_facts *facts, const struct error *err)
{
	(void)context;
	(void)facts;
	(void)err;
}

static void a_client_that_only_lists_tools_is_a_sign_as_well_and_is_answered_first(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = bench_create(&config);

	(void)state;
	bench->stub->holds_describing = true;
	registry_get_facts(bench->registry, ignore_facts, NULL);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 0);
	stub_set(bench->stub, &bench->stub->holds_describing, false);
	bench_wait(bench, bench_has_live, 1);
	bench_destroy(bench);
}

static void calls_take_the_oldest_and_the_pool_is_filled_again(void **state)
{
	struct registry_config config = with_pool(2);
	struct bench *bench = begin(&config);
	struct bench_call *first, *second, *third;

	(void)state;
	bench_wait(bench, bench_has_live, 2);
	bench_wait(bench, is_at_rest, 0);
	first = call_new(bench, "who");
	second = call_new(bench, "who");
	bench_wait(bench, bench_has_live, 4);
	third = call_new(bench, "who");
	bench_wait_for_all(bench);
	assert_string_equal(first->text, "exit 0: 1");
	assert_string_equal(second->text, "exit 0: 2");
	assert_string_equal(third->text, "exit 0: 3");
	bench_destroy(bench);
}

static void a_used_one_does_not_come_back(void **state)
{
	struct registry_config config = with_pool(1);
	struct session *other;
	struct bench *bench = begin(&config);
	struct bench_call *call;

	(void)state;
	bench_wait(bench, bench_has_live, 1);
	other = bench_session(bench);
	call = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "who");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: 1");
	session_close(other);
	call = bench_call(bench, "who");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: 2");
	bench_destroy(bench);
}

static void they_are_made_one_at_a_time(void **state)
{
	struct registry_config config = with_pool(3);
	struct bench *bench = bench_create(&config);

	(void)state;
	bench->stub->holds_creation = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	bench_linger(bench, LINGER_MS);
	assert_true(bench_is_creating(bench, 1));
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, bench_has_live, 3);
	assert_int_equal(stub_counts(bench->stub).most_creating, 1);
	bench_destroy(bench);
}

static void
a_client_is_given_the_one_that_is_half_made_and_nobody_makes_one_beside_him(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = bench_create(&config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	call = bench_call(bench, "who");
	(void)call_new(bench, "say x");
	bench_wait(bench, bench_is_creating, 2);
	bench_linger(bench, LINGER_MS);
	assert_true(bench_is_creating(bench, 2));
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_memory_equal(call->text, "exit 0: ", 8);
	bench_wait(bench, bench_has_live, 3);
	assert_int_equal(stub_counts(bench->stub).created, 3);
	assert_int_equal(stub_counts(bench->stub).most_creating, 2);
	bench_destroy(bench);
}

static void a_command_that_runs_long_does_not_keep_the_pool_empty(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = begin(&config);

	(void)state;
	bench_wait(bench, bench_has_live, 1);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_has_live, 2);
	assert_true(bench_is_running(bench, 1));
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void one_that_dies_in_the_pool_is_buried_and_replaced(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = begin(&config);
	struct bench_call *call;

	(void)state;
	bench_wait(bench, bench_has_live, 1);
	stub_kill_last(bench->stub);
	bench_wait(bench, bench_has_examined, 1);
	bench_wait(bench, bench_has_made, 2);
	bench_wait(bench, bench_has_live, 1);
	call = bench_call(bench, "who");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: 2");
	bench_destroy(bench);
}

static void one_whose_death_the_loop_has_not_seen_yet_is_not_handed_out(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = begin(&config);
	struct bench_call *call;

	(void)state;
	bench_wait(bench, bench_has_live, 1);
	bench_wait(bench, is_at_rest, 0);
	stub_kill_last(bench->stub);
	call = bench_call(bench, "who");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: 2");
	bench_wait(bench, bench_has_examined, 1);
	bench_destroy(bench);
}

static void at_the_limit_the_pool_keeps_nobody_from_his_own(void **state)
{
	struct registry_config config = with_pool(8);
	struct bench_call *first, *second, *third;
	struct bench *bench;

	(void)state;
	config.max_sandboxes = 2;
	bench = begin(&config);
	bench_wait(bench, bench_has_live, 2);
	first = call_new(bench, "say x");
	second = call_new(bench, "say x");
	third = call_new(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(first->text, "exit 0: x");
	assert_string_equal(second->text, "exit 0: x");
	assert_memory_equal(third->text, "This server is at its limit of 2 sandboxes.", 43);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 2);
	bench_destroy(bench);
}

static void at_both_limits_a_client_is_given_the_one_that_is_half_made(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.max_sandboxes = 1;
	config.max_creating = 1;
	bench = bench_create(&config);
	bench->stub->holds_creation = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	call = bench_call(bench, "who");
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: 1");
	bench_destroy(bench);
}

static void a_place_that_becomes_free_is_filled(void **state)
{
	struct registry_config config = with_pool(1);
	struct session *other;
	struct bench *bench;

	(void)state;
	config.max_sandboxes = 1;
	bench = begin(&config);
	bench_wait(bench, bench_has_live, 1);
	other = bench_session(bench);
	(void)bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	session_close(other);
	bench_wait(bench, bench_has_made, 2);
	bench_destroy(bench);
}

static void each_failure_is_followed_by_a_longer_pause(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench;
	uint64_t start_ms;

	(void)state;
	config.pool_retry_ms = 10;
	bench = bench_create(&config);
	bench->stub->failing_creations = 2;
	bench->stub->failing_checks = 1;
	start_ms = clock_now_ms();
	registry_prepare(bench->registry);
	bench_wait(bench, bench_has_live, 1);
	assert_in_range(clock_now_ms() - start_ms, 10 + 20 + 40, UINT64_MAX);
	assert_int_equal(stub_counts(bench->stub).not_created, 2);
	assert_int_equal(stub_counts(bench->stub).checks, 2);
	bench_destroy(bench);
}

static void while_the_pool_pauses_clients_have_theirs_made(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.pool_retry_ms = 3600000;
	bench = bench_create(&config);
	bench->stub->failing_creations = 1;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_has_failed, 1);
	bench_wait(bench, is_at_rest, 0);
	call = bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	bench_linger(bench, LINGER_MS);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench_destroy(bench);
}

static void a_failure_of_the_half_made_one_is_told_to_the_client_who_took_it(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = bench_create(&config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	bench->stub->failing_creations = 1;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	call = bench_call(bench, "say x");
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "The stub is out of sand.");
	bench_wait(bench, bench_has_live, 1);
	bench_destroy(bench);
}

static void a_caller_who_goes_away_leaves_the_pool_able_to_make_another(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = bench_create(&config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	call = bench_call(bench, "say x");
	call_cancel(call->call);
	bench_wait_for_all(bench);
	assert_true(call->is_cancelled);
	bench_wait(bench, bench_has_failed, 1);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, bench_has_live, 1);
	bench_destroy(bench);
}

static void one_that_takes_too_long_is_given_up_and_not_used_when_it_comes(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench_call *call;
	struct bench *bench;

	(void)state;
	config.create_ms = 500;
	bench = bench_create(&config);
	bench->stub->holds_creation = true;
	bench->stub->ignores_cancel = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	bench_linger(bench, 500 + LINGER_MS);
	/* No other for the pool beside one that hangs; a client has his own made. */
	assert_int_equal(stub_counts(bench->stub).most_creating, 1);
	call = bench_call(bench, "say x");
	bench_wait(bench, bench_is_creating, 2);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: x");
	bench_wait(bench, bench_has_made, 3);
	bench_wait(bench, bench_has_live, 2);
	bench_destroy(bench);
}

static void on_gone(void *context)
{
	struct bench *bench = context;

	bench->is_gone = true;
}

static bool is_gone(struct bench *bench, unsigned figure)
{
	(void)figure;
	return bench->is_gone;
}

static void the_end_takes_those_that_are_ready_and_the_one_that_is_being_made(void **state)
{
	struct registry_config config = with_pool(3);
	struct bench *bench = begin(&config);

	(void)state;
	bench_wait(bench, bench_has_live, 3);
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	bench_wait(bench, bench_is_creating, 1);
	/* Checks that nothing is left. */
	bench_destroy(bench);
}

static void the_end_waits_for_a_creation_that_does_not_stop(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench = bench_create(&config);

	(void)state;
	bench->stub->holds_creation = true;
	bench->stub->ignores_cancel = true;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_is_creating, 1);
	registry_shut_down(bench->registry, 0, on_gone, bench);
	bench_linger(bench, LINGER_MS);
	assert_false(bench->is_gone);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, is_gone, 0);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	assert_int_equal(stub_counts(bench->stub).live, 0);
	bench_destroy(bench);
}

static void the_end_comes_in_a_pause_as_well(void **state)
{
	struct registry_config config = with_pool(1);
	struct bench *bench;

	(void)state;
	config.pool_retry_ms = 3600000;
	bench = bench_create(&config);
	bench->stub->failing_creations = 1;
	registry_prepare(bench->registry);
	bench_wait(bench, bench_has_failed, 1);
	bench_wait(bench, is_at_rest, 0);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_made_before_the_first_call_unless_asked_for),
		cmocka_unit_test(without_a_pool_nothing_is_made_ahead),
		cmocka_unit_test(asked_for_it_is_filled_once_the_preparation_is_over),
		cmocka_unit_test(
			a_client_that_only_lists_tools_is_a_sign_as_well_and_is_answered_first),
		cmocka_unit_test(calls_take_the_oldest_and_the_pool_is_filled_again),
		cmocka_unit_test(a_used_one_does_not_come_back),
		cmocka_unit_test(they_are_made_one_at_a_time),
		cmocka_unit_test(
			a_client_is_given_the_one_that_is_half_made_and_nobody_makes_one_beside_him),
		cmocka_unit_test(a_command_that_runs_long_does_not_keep_the_pool_empty),
		cmocka_unit_test(one_that_dies_in_the_pool_is_buried_and_replaced),
		cmocka_unit_test(one_whose_death_the_loop_has_not_seen_yet_is_not_handed_out),
		cmocka_unit_test(at_the_limit_the_pool_keeps_nobody_from_his_own),
		cmocka_unit_test(at_both_limits_a_client_is_given_the_one_that_is_half_made),
		cmocka_unit_test(a_place_that_becomes_free_is_filled),
		cmocka_unit_test(each_failure_is_followed_by_a_longer_pause),
		cmocka_unit_test(while_the_pool_pauses_clients_have_theirs_made),
		cmocka_unit_test(a_failure_of_the_half_made_one_is_told_to_the_client_who_took_it),
		cmocka_unit_test(a_caller_who_goes_away_leaves_the_pool_able_to_make_another),
		cmocka_unit_test(one_that_takes_too_long_is_given_up_and_not_used_when_it_comes),
		cmocka_unit_test(the_end_takes_those_that_are_ready_and_the_one_that_is_being_made),
		cmocka_unit_test(the_end_waits_for_a_creation_that_does_not_stop),
		cmocka_unit_test(the_end_comes_in_a_pause_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
