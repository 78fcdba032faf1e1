/* SPDX-License-Identifier: MIT */
#include "session/view.h"

#include "session/ending.h"
#include "session/state.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* --- what there is ---------------------------------------------------------- */

#define MOST_SEEN 16

struct seen {
	unsigned count;
	struct sandbox_view sandboxes[MOST_SEEN];
	struct call_view calls[MOST_SEEN];
	char ids[MOST_SEEN][SANDBOX_ID_BYTES];
	char commands[MOST_SEEN][64];
};

static void see_sandbox(void *context, const struct sandbox_view *view)
{
	struct seen *seen = context;

	assert_in_range(seen->count, 0, MOST_SEEN - 1);
	seen->sandboxes[seen->count] = *view;
	(void)snprintf(seen->ids[seen->count], SANDBOX_ID_BYTES, "%s", view->id);
	seen->count++;
}

static void see_call(void *context, const struct call_view *view)
{
	struct seen *seen = context;

	assert_in_range(seen->count, 0, MOST_SEEN - 1);
	seen->calls[seen->count] = *view;
	(void)snprintf(seen->ids[seen->count], SANDBOX_ID_BYTES, "%s", view->sandbox);
	(void)snprintf(seen->commands[seen->count], sizeof(seen->commands[0]), "%s", view->command);
	seen->count++;
}

static struct seen sandboxes_of(struct bench *bench, const char *principal)
{
	struct seen seen = { 0 };

	registry_each_sandbox(bench->registry, principal, see_sandbox, &seen);
	return seen;
}

static struct seen calls_of(struct bench *bench, const char *principal)
{
	struct seen seen = { 0 };

	registry_each_call(bench->registry, principal, see_call, &seen);
	return seen;
}

static void sandboxes_are_shown_to_those_who_have_them(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *session = bench_session_of(bench, "a");
	struct seen seen;

	(void)state;
	assert_int_equal(sandboxes_of(bench, NULL).count, 0);
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "hold");
	(void)bench_call_in(bench, session, CALL_TARGET_NEW, NULL, "say x");
	(void)bench_call(bench, "say x");
	bench_wait(bench, bench_has_ended, 2);
	bench_wait(bench, bench_is_running, 1);
	bench_linger(bench, 5);
	assert_int_equal(sandboxes_of(bench, NULL).count, 3);
	assert_int_equal(sandboxes_of(bench, "b").count, 0);
	seen = sandboxes_of(bench, "a");
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.sandboxes[0].principal, "a");
	assert_string_equal(seen.sandboxes[0].session, session_tag(session));
	assert_int_equal(seen.sandboxes[0].state, SANDBOX_VIEW_READY);
	assert_int_equal(seen.sandboxes[0].running, 1);
	assert_int_equal(seen.sandboxes[0].idle_ms, 0);
	assert_int_not_equal(seen.sandboxes[0].age_ms, 0);
	assert_false(seen.sandboxes[0].has_handle);
	assert_int_equal(strspn(seen.ids[0], "0123456789abcdef"), 12);
	assert_null(seen.sandboxes[1].session);
	assert_true(seen.sandboxes[1].has_handle);
	assert_int_equal(seen.sandboxes[1].running, 0);
	assert_int_not_equal(seen.sandboxes[1].idle_ms, 0);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	session_close(session);
	bench_destroy(bench);
}

static void a_sandbox_that_is_made_has_no_id_yet(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct registry_counts counts;
	struct seen seen;

	(void)state;
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	(void)bench_call(bench, "say x");
	bench_wait(bench, bench_is_creating, 1);
	seen = sandboxes_of(bench, NULL);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.sandboxes[0].state, SANDBOX_VIEW_CREATING);
	assert_string_equal(seen.ids[0], "");
	assert_null(seen.sandboxes[0].principal);
	assert_int_equal(seen.sandboxes[0].waiting, 1);
	seen = calls_of(bench, NULL);
	assert_int_equal(seen.count, 1);
	assert_false(seen.calls[0].is_running);
	assert_string_equal(seen.ids[0], "");
	registry_count(bench->registry, &counts);
	assert_int_equal(counts.sessions, 1);
	assert_int_equal(counts.sandboxes, 1);
	assert_int_equal(counts.creating, 1);
	assert_int_equal(counts.running, 0);
	assert_int_equal(counts.waiting, 1);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait_for_all(bench);
	bench_destroy(bench);
}

static void calls_are_shown_while_they_wait_and_run(void **state)
{
	struct registry_config config = bench_config;
	struct session *session;
	struct bench *bench;
	struct seen seen;

	(void)state;
	config.max_parallel = 1;
	bench = bench_create(&config);
	session = bench_session_of(bench, "a");
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "hold");
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "note x");
	bench_wait(bench, bench_is_running, 1);
	bench_linger(bench, 5);
	assert_int_equal(calls_of(bench, "b").count, 0);
	seen = calls_of(bench, "a");
	assert_int_equal(seen.count, 2);
	assert_true(seen.calls[0].is_running);
	assert_string_equal(seen.commands[0], "hold");
	assert_int_not_equal(seen.calls[0].running_ms, 0);
	assert_false(seen.calls[1].is_running);
	assert_string_equal(seen.commands[1], "note x");
	assert_int_equal(seen.calls[1].running_ms, 0);
	assert_int_not_equal(seen.calls[1].age_ms, 0);
	assert_string_equal(seen.calls[1].session, session_tag(session));
	assert_string_equal(seen.ids[0], seen.ids[1]);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_int_equal(calls_of(bench, NULL).count, 0);
	session_close(session);
	bench_destroy(bench);
}

static bool has_pooled(struct bench *bench, unsigned sandboxes)
{
	struct registry_counts counts;

	registry_count(bench->registry, &counts);
	return counts.pooled == sandboxes;
}

static void sandboxes_of_the_pool_are_only_counted(void **state)
{
	struct registry_config config = bench_config;
	struct bench *bench;

	(void)state;
	config.pool_size = 2;
	config.is_pool_early = true;
	bench = bench_create(&config);
	registry_prepare(bench->registry);
	bench_wait(bench, has_pooled, 2);
	assert_int_equal(sandboxes_of(bench, NULL).count, 0);
	bench_destroy(bench);
}

/* --- the operator ----------------------------------------------------------- */

static void end_only_one(struct bench *bench)
{
	struct seen seen = sandboxes_of(bench, NULL);

	assert_int_equal(seen.count, 1);
	assert_int_equal(registry_end_sandbox(bench->registry, seen.ids[0], NULL), 0);
}

static void the_next_call_is_told_that_an_operator_ended_its_sandbox(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	end_only_one(bench);
	bench_wait(bench, bench_has_live, 0);
	call = bench_call(bench, "note never");
	bench_wait_for_all(bench);
	assert_string_equal(call->text + 20, " was ended by an operator; its files are gone. "
					     "Nothing was run. Call again for a fresh one.");
	call = bench_call(bench, "say y");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "exit 0: y");
	assert_string_equal(bench->stub->notes, "");
	bench_destroy(bench);
}

static void what_runs_and_waits_there_is_ended_and_told(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *running, *waiting, *cancelled, *next;
	struct bench *bench;

	(void)state;
	config.max_parallel = 2;
	bench = bench_create(&config);
	running = bench_call(bench, "hold");
	cancelled = bench_call(bench, "hold");
	waiting = bench_call(bench, "note never");
	bench_wait(bench, bench_is_running, 2);
	call_cancel(cancelled->call);
	end_only_one(bench);
	bench_wait_for_all(bench);
	assert_string_equal(running->text + 20,
			    " was ended by an operator during command execution; its files are "
			    "gone. Call again for a fresh one.");
	assert_string_equal(waiting->text + 20, " was ended by an operator; its files are gone. "
						"Nothing was run. Call again for a fresh one.");
	assert_true(cancelled->is_cancelled);
	/* Somebody was told: that is enough. */
	next = bench_call(bench, "say y");
	bench_wait_for_all(bench);
	assert_string_equal(next->text, "exit 0: y");
	/* Nothing had to be found out. */
	assert_int_equal(stub_counts(bench->stub).autopsies, 0);
	bench_destroy(bench);
}

static void a_sandbox_that_ends_waits_for_no_place_any_more(void **state)
{
	struct registry_config config = bench_config;
	struct bench_call *waiting, *next;
	struct session *other;
	struct bench *bench;

	(void)state;
	config.max_running = 1;
	bench = bench_create(&config);
	other = bench_session(bench);
	(void)bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	waiting = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "note never");
	ending_by_operator(other->own);
	bench_wait(bench, bench_has_ended, 2);
	assert_non_null(strstr(waiting->text, " was ended by an operator; "));
	/* The next one waits for a sandbox first. */
	next = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "say y");
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(next->text, "exit 0: y");
	session_close(other);
	bench_destroy(bench);
}

static void a_handle_that_an_operator_ended_stays_dead(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *made, *call;
	unsigned i;

	(void)state;
	made = bench_call_in(bench, bench->session, CALL_TARGET_NEW, NULL, "say x");
	bench_wait_for_all(bench);
	end_only_one(bench);
	for (i = 0; i < 2; i++) {
		call = bench_call_in(bench, bench->session, CALL_TARGET_HANDLE, made->handle,
				     "note never");
		bench_wait_for_all(bench);
		assert_string_equal(call->text + 20,
				    " was ended by an operator; its files are gone. Nothing was "
				    "run. Call again without sandbox_id for a fresh one.");
	}
	assert_string_equal(bench->stub->notes, "");
	bench_destroy(bench);
}

static void a_handle_that_is_ended_in_its_first_call_leaves_nothing(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	call = bench_call_in(bench, bench->session, CALL_TARGET_NEW, NULL, "hold");
	bench_wait(bench, bench_is_running, 1);
	end_only_one(bench);
	/* Twice makes no difference. */
	end_only_one(bench);
	assert_int_equal(sandboxes_of(bench, NULL).sandboxes[0].state, SANDBOX_VIEW_ENDING);
	bench_wait_for_all(bench);
	assert_non_null(strstr(call->text, " ended by an operator during command execution; "));
	assert_string_equal(call->handle, "");
	bench_wait(bench, bench_has_live, 0);
	assert_int_equal(sandboxes_of(bench, NULL).count, 0);
	/* Not even that there was one: nobody knows how to ask for it. */
	assert_null(bench->session->principal->leases);
	bench_destroy(bench);
}

static void an_id_that_nobody_has_is_said_to_be_unknown(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct error err = ERROR_INIT;

	(void)state;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_int_equal(registry_end_sandbox(bench->registry, "0123456789ab", &err), -1);
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_string_equal(err.message, "There is no sandbox of this id.");
	assert_int_equal(registry_end_sandbox(bench->registry, "", &err), -1);
	assert_int_equal(stub_counts(bench->stub).live, 1);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandboxes_are_shown_to_those_who_have_them),
		cmocka_unit_test(a_sandbox_that_is_made_has_no_id_yet),
		cmocka_unit_test(calls_are_shown_while_they_wait_and_run),
		cmocka_unit_test(sandboxes_of_the_pool_are_only_counted),
		cmocka_unit_test(the_next_call_is_told_that_an_operator_ended_its_sandbox),
		cmocka_unit_test(what_runs_and_waits_there_is_ended_and_told),
		cmocka_unit_test(a_sandbox_that_ends_waits_for_no_place_any_more),
		cmocka_unit_test(a_handle_that_an_operator_ended_stays_dead),
		cmocka_unit_test(a_handle_that_is_ended_in_its_first_call_leaves_nothing),
		cmocka_unit_test(an_id_that_nobody_has_is_said_to_be_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
