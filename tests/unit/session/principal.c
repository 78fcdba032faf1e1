/* SPDX-License-Identifier: MIT */
#include "base/limits.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MOST_TEXT(number)                                                                          \
	"This client already has " number " sandboxes, the most that it may have. Nothing was "    \
	"run."
#define TRY_LATER " End one that is no longer needed, or try again later."

static const char *run_in(struct bench *bench, struct session *session, enum call_target target,
			  const char *command)
{
	struct bench_call *call = bench_call_in(bench, session, target, NULL, command);

	bench_wait(bench, bench_has_ended, bench->call_count);
	return call->text;
}

static void close_all(struct session *const *sessions, unsigned count)
{
	while (count > 0)
		session_close(sessions[--count]);
}

/* --- one sandbox for all sessions ----------------------------------------- */

static void sessions_of_a_principal_share_its_own_sandbox(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *first = bench_session_of(bench, "a");
	struct session *second = bench_session_of(bench, "a");
	struct session *foreign = bench_session_of(bench, "b");

	(void)state;
	assert_string_equal(run_in(bench, first, CALL_TARGET_PRINCIPAL, "who"), "exit 0: 1");
	session_close(first);
	assert_string_equal(run_in(bench, second, CALL_TARGET_PRINCIPAL, "who"), "exit 0: 1");
	assert_string_equal(run_in(bench, foreign, CALL_TARGET_PRINCIPAL, "who"), "exit 0: 2");
	/* Beside those of its sessions. */
	assert_string_equal(run_in(bench, second, CALL_TARGET_SESSION, "who"), "exit 0: 3");
	session_close(second);
	session_close(foreign);
	bench_destroy(bench);
}

static void without_a_name_nobody_shares_a_sandbox(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_string_equal(run_in(bench, bench->session, CALL_TARGET_PRINCIPAL, "note x"),
			    "This server has one sandbox for each token (--sandbox-scope "
			    "principal), and this client has no token. Nothing was run.");
	assert_int_equal(stub_counts(bench->stub).created, 0);
	bench_destroy(bench);
}

/* --- how many sandboxes --------------------------------------------------- */

static void a_named_principal_has_so_many_sandboxes_and_no_more(void **state)
{
	static const char *const names[] = { "a", "a", "a", "b", NULL };
	struct registry_config config = bench_config;
	struct session *sessions[5];
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_sandboxes_per_principal = 2;
	bench = bench_create(&config);
	for (i = 0; i < 5; i++)
		sessions[i] = bench_session_of(bench, names[i]);
	(void)run_in(bench, sessions[0], CALL_TARGET_SESSION, "say x");
	(void)run_in(bench, sessions[1], CALL_TARGET_PRINCIPAL, "say x");
	assert_string_equal(run_in(bench, sessions[2], CALL_TARGET_SESSION, "note x"),
			    MOST_TEXT("2") TRY_LATER);
	assert_string_equal(run_in(bench, sessions[2], CALL_TARGET_NEW, "note x"),
			    MOST_TEXT("2") TRY_LATER);
	/* What it has it may use, and others have theirs. */
	assert_string_equal(run_in(bench, sessions[0], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	assert_string_equal(run_in(bench, sessions[3], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	for (i = 0; i < 3; i++)
		assert_string_equal(run_in(bench, sessions[4], CALL_TARGET_NEW, "say x"),
				    "exit 0: x");
	/* A session that ends makes room. */
	session_close(sessions[0]);
	assert_string_equal(run_in(bench, sessions[2], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	assert_string_equal(bench->stub->notes, "");
	close_all(sessions + 1, 4);
	bench_destroy(bench);
}

static void a_sandbox_that_is_still_made_counts_and_one_that_fails_does_not(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[2];
	struct bench *bench;

	(void)state;
	config.max_sandboxes_per_principal = 1;
	bench = bench_create(&config);
	sessions[0] = bench_session_of(bench, "a");
	sessions[1] = bench_session_of(bench, "a");
	bench->stub->failing_creations = 1;
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	(void)bench_call_in(bench, sessions[0], CALL_TARGET_SESSION, NULL, "say x");
	bench_wait(bench, bench_is_creating, 1);
	(void)bench_call_in(bench, sessions[1], CALL_TARGET_SESSION, NULL, "say x");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(bench->calls[1].text, MOST_TEXT("1") TRY_LATER);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(bench->calls[0].text, "The stub is out of sand.");
	assert_string_equal(run_in(bench, sessions[1], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	close_all(sessions, 2);
	bench_destroy(bench);
}

static void one_from_the_pool_counts_as_well(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[2];
	struct bench *bench;

	(void)state;
	config.max_sandboxes_per_principal = 1;
	config.pool_size = 2;
	config.is_pool_early = true;
	bench = bench_create(&config);
	sessions[0] = bench_session_of(bench, "a");
	sessions[1] = bench_session_of(bench, "a");
	registry_prepare(bench->registry);
	bench_wait(bench, bench_has_made, 2);
	assert_string_equal(run_in(bench, sessions[0], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	assert_string_equal(run_in(bench, sessions[1], CALL_TARGET_SESSION, "say x"),
			    MOST_TEXT("1") TRY_LATER);
	session_close(sessions[0]);
	assert_string_equal(run_in(bench, sessions[1], CALL_TARGET_SESSION, "say x"), "exit 0: x");
	session_close(sessions[1]);
	bench_destroy(bench);
}

static void at_its_limit_a_named_principal_is_told_its_own_handles(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[2];
	char expected[ERROR_MESSAGE_BYTES];
	struct bench *bench;
	const char *refusal;

	(void)state;
	config.max_sandboxes_per_principal = 2;
	bench = bench_create(&config);
	sessions[0] = bench_session_of(bench, "a");
	sessions[1] = bench_session_of(bench, "b");
	(void)run_in(bench, sessions[0], CALL_TARGET_NEW, "say x");
	(void)run_in(bench, sessions[0], CALL_TARGET_NEW, "say x");
	(void)run_in(bench, sessions[1], CALL_TARGET_NEW, "say x");
	refusal = run_in(bench, sessions[0], CALL_TARGET_NEW, "note x");
	(void)snprintf(expected, sizeof(expected),
		       MOST_TEXT("2") " Pass sandbox_id to use one of them: %s %s",
		       bench->calls[0].handle, bench->calls[1].handle);
	assert_string_equal(refusal, expected);
	assert_null(strstr(refusal, bench->calls[2].handle));
	close_all(sessions, 2);
	bench_destroy(bench);
}

static void more_handles_than_a_sentence_holds_are_left_out_whole(void **state)
{
	struct registry_config config = bench_config;
	struct session *session;
	struct bench *bench;
	const char *refusal;
	unsigned i;

	(void)state;
	config.max_sandboxes_per_principal = 100;
	bench = bench_create(&config);
	session = bench_session_of(bench, "a");
	for (i = 0; i < 100; i++)
		(void)bench_call_in(bench, session, CALL_TARGET_NEW, NULL, "say x");
	bench_wait_for_all(bench);
	refusal = run_in(bench, session, CALL_TARGET_NEW, "note x");
	assert_memory_equal(refusal, "This client already has 100 sandboxes", 37);
	assert_in_range(strlen(refusal), 64 * 37, ERROR_MESSAGE_BYTES - 1);
	assert_int_equal(strlen(strrchr(refusal, ' ')), 37);
	session_close(session);
	bench_destroy(bench);
}

static void those_without_a_name_are_not_told_each_others_handles(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;

	(void)state;
	config.max_handles = 1;
	config.hides_handles = true;
	bench = bench_create(&config);
	(void)run_in(bench, bench->session, CALL_TARGET_NEW, "say x");
	assert_string_equal(run_in(bench, bench->session, CALL_TARGET_NEW, "note x"),
			    MOST_TEXT("1") TRY_LATER);
	bench_destroy(bench);
}

/* --- fairness -------------------------------------------------------------- */

static void a_named_principal_runs_at_most_half_of_what_may_run(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[2];
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_running = 4;
	bench = bench_create(&config);
	sessions[0] = bench_session_of(bench, "a");
	sessions[1] = bench_session_of(bench, "b");
	for (i = 0; i < 6; i++)
		(void)bench_call_in(bench, sessions[0], CALL_TARGET_SESSION, NULL, "hold");
	bench_wait(bench, bench_is_running, 2);
	bench_linger(bench, 20);
	assert_int_equal(stub_counts(bench->stub).running, 2);
	/* Those who wait do not stand in the way of others. */
	for (i = 0; i < 2; i++)
		(void)bench_call_in(bench, sessions[1], CALL_TARGET_SESSION, NULL, "hold");
	bench_wait(bench, bench_is_running, 4);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_int_equal(stub_counts(bench->stub).most_running, 4);
	for (i = 0; i < bench->call_count; i++)
		assert_string_equal(bench->calls[i].text, "exit 0: ");
	close_all(sessions, 2);
	bench_destroy(bench);
}

static void the_unnamed_are_many_and_may_run_all(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_running = 4;
	bench = bench_create(&config);
	for (i = 0; i < 4; i++)
		(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 4);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void even_of_one_place_a_principal_has_its_half(void **state)
{
	struct registry_config config = bench_config;
	struct session *session;
	struct bench *bench;

	(void)state;
	config.max_running = 1;
	bench = bench_create(&config);
	session = bench_session_of(bench, "a");
	assert_string_equal(run_in(bench, session, CALL_TARGET_SESSION, "say x"), "exit 0: x");
	session_close(session);
	bench_destroy(bench);
}

static void who_waits_for_his_own_commands_is_told_so(void **state)
{
	struct registry_config config = bench_config;
	struct session *session;
	struct bench *bench;

	(void)state;
	config.max_running = 2;
	config.queue_wait_ms = 20;
	bench = bench_create(&config);
	session = bench_session_of(bench, "a");
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "hold");
	bench_wait(bench, bench_is_running, 1);
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "note x");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(bench->calls[1].text, "Server is busy: 1 commands of this client "
						  "running, the most that it may have.");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(bench->stub->notes, "");
	session_close(session);
	bench_destroy(bench);
}

static void principals_take_turns_at_running_and_so_do_their_sandboxes(void **state)
{
	static const char *const notes[] = { "note a1", "note a2", "note b" };
	struct registry_config config = bench_config;
	struct session *sessions[3];
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_running = 1;
	bench = bench_create(&config);
	for (i = 0; i < 3; i++) {
		sessions[i] = bench_session_of(bench, i < 2 ? "a" : "b");
		(void)run_in(bench, sessions[i], CALL_TARGET_SESSION, "say x");
	}
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	for (i = 0; i < 9; i++)
		(void)bench_call_in(bench, sessions[i / 3], CALL_TARGET_SESSION, NULL,
				    notes[i / 3]);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(bench->stub->notes, "a1 b a2 b a1 b a2 a1 a2 ");
	close_all(sessions, 3);
	bench_destroy(bench);
}

static void principals_take_turns_at_having_sandboxes_made(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[6];
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_creating = 1;
	bench = bench_create(&config);
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	/* Five of one come first, and the one of another after them. */
	for (i = 0; i < 6; i++) {
		sessions[i] = bench_session_of(bench, i < 5 ? "a" : "b");
		(void)bench_call_in(bench, sessions[i], CALL_TARGET_SESSION, NULL, "who");
	}
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	assert_string_equal(bench->calls[0].text, "exit 0: 1");
	assert_string_equal(bench->calls[1].text, "exit 0: 2");
	assert_string_equal(bench->calls[5].text, "exit 0: 3");
	assert_string_equal(bench->calls[4].text, "exit 0: 6");
	close_all(sessions, 6);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_of_a_principal_share_its_own_sandbox),
		cmocka_unit_test(without_a_name_nobody_shares_a_sandbox),
		cmocka_unit_test(a_named_principal_has_so_many_sandboxes_and_no_more),
		cmocka_unit_test(a_sandbox_that_is_still_made_counts_and_one_that_fails_does_not),
		cmocka_unit_test(one_from_the_pool_counts_as_well),
		cmocka_unit_test(at_its_limit_a_named_principal_is_told_its_own_handles),
		cmocka_unit_test(more_handles_than_a_sentence_holds_are_left_out_whole),
		cmocka_unit_test(those_without_a_name_are_not_told_each_others_handles),
		cmocka_unit_test(a_named_principal_runs_at_most_half_of_what_may_run),
		cmocka_unit_test(the_unnamed_are_many_and_may_run_all),
		cmocka_unit_test(even_of_one_place_a_principal_has_its_half),
		cmocka_unit_test(who_waits_for_his_own_commands_is_told_so),
		cmocka_unit_test(principals_take_turns_at_running_and_so_do_their_sandboxes),
		cmocka_unit_test(principals_take_turns_at_having_sandboxes_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
