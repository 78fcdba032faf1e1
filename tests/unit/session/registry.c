/* SPDX-License-Identifier: MIT */
#include "tests/unit/session/bench.h"

#include "base/limits.h"
#include "session/state.h"
#include "session/view.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_FOUND                                                                                  \
	"Sandbox not found or expired; its files are gone. Call again without sandbox_id to "      \
	"start a new one."

/* --- handles ------------------------------------------------------------- */

static struct bench_call *call_new(struct bench *bench, const char *command)
{
	return bench_call_in(bench, bench->session, CALL_TARGET_NEW, NULL, command);
}

static struct bench_call *call_handle(struct bench *bench, const char *handle, const char *command)
{
	return bench_call_in(bench, bench->session, CALL_TARGET_HANDLE, handle, command);
}

static void a_handle_leads_back_to_its_own_sandbox(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *a = call_new(bench, "say a");
	struct bench_call *b = call_new(bench, "say b");
	struct bench_call *again;

	(void)state;
	bench_wait_for_all(bench);
	assert_int_equal(strlen(a->handle), 36);
	assert_memory_equal(a->handle, "sbx_", 4);
	assert_int_equal(strspn(a->handle + 4, "0123456789abcdef"), 32);
	assert_string_not_equal(a->handle, b->handle);
	again = call_handle(bench, a->handle, "say again");
	bench_wait_for_all(bench);
	assert_string_equal(again->text, "exit 0: again");
	assert_string_equal(again->handle, a->handle);
	assert_int_equal(stub_counts(bench->stub).created, 2);
	bench_destroy(bench);
}

static void unknown_foreign_and_malformed_handles_get_one_text(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *other = bench_session_of(bench, "other");
	struct bench_call *mine = call_new(bench, "say mine");
	struct bench_call *foreign, *unknown, *malformed, *flipped;
	char nearly[CALL_HANDLE_BYTES];

	(void)state;
	bench_wait_for_all(bench);
	foreign = bench_call_in(bench, other, CALL_TARGET_HANDLE, mine->handle, "note x");
	unknown = call_handle(bench, "sbx_00000000000000000000000000000000", "note x");
	malformed = call_handle(bench, "?", "note x");
	memcpy(nearly, mine->handle, sizeof(nearly));
	nearly[35] = nearly[35] == '0' ? '1' : '0';
	flipped = call_handle(bench, nearly, "note x");
	bench_wait_for_all(bench);
	assert_string_equal(foreign->text, NOT_FOUND);
	assert_string_equal(unknown->text, NOT_FOUND);
	assert_string_equal(malformed->text, NOT_FOUND);
	assert_string_equal(flipped->text, NOT_FOUND);
	assert_string_equal(bench->stub->notes, "");
	session_close(other);
	bench_destroy(bench);
}

static void a_dead_handle_stays_dead_and_says_so_to_its_owner_alone(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *other = bench_session_of(bench, "other");
	struct bench_call *first = call_new(bench, "say x");
	struct bench_call *call;
	unsigned i;

	(void)state;
	bench_wait_for_all(bench);
	stub_kill_last(bench->stub);
	for (i = 0; i < 3; i++) {
		call = call_handle(bench, first->handle, "note x");
		bench_wait_for_all(bench);
		assert_non_null(strstr(
			call->text, " died between calls: the test killed it; its files are gone. "
				    "Nothing was run. Call again without sandbox_id for a fresh "
				    "one."));
		assert_string_equal(call->handle, "");
	}
	call = bench_call_in(bench, other, CALL_TARGET_HANDLE, first->handle, "note x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, NOT_FOUND);
	assert_string_equal(bench->stub->notes, "");
	session_close(other);
	bench_destroy(bench);
}

static void a_handle_whose_sandbox_died_during_a_call_says_so_from_then_on(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *first = call_new(bench, "say x");
	struct bench_call *held, *later;

	(void)state;
	bench_wait_for_all(bench);
	held = call_handle(bench, first->handle, "hold");
	bench_wait(bench, bench_is_running, 1);
	stub_kill_last(bench->stub);
	bench_wait_for_all(bench);
	later = call_handle(bench, first->handle, "note x");
	bench_wait_for_all(bench);
	assert_non_null(strstr(held->text,
			       " died during command execution: the test killed it; its "
			       "files are gone. Call again without sandbox_id for a "
			       "fresh one."));
	assert_non_null(strstr(later->text, " died during an earlier command: "));
	bench_destroy(bench);
}

static void a_handle_whose_sandbox_was_reset_says_so(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *first = call_new(bench, "reset");
	struct bench_call *later;

	(void)state;
	bench_wait_for_all(bench);
	assert_memory_equal(first->text, "exit 124: ", 10);
	later = call_handle(bench, first->handle, "note x");
	bench_wait_for_all(bench);
	assert_non_null(strstr(later->text,
			       " was reset because a command could not be killed; its files are "
			       "gone. Nothing was run. Call again without sandbox_id for a fresh "
			       "one."));
	bench_destroy(bench);
}

static void a_client_at_its_limit_of_handles_is_told_them_all(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *refused;
	unsigned i;

	(void)state;
	for (i = 0; i < LIMIT_STDIO_HANDLES; i++)
		(void)call_new(bench, "say x");
	bench_wait_for_all(bench);
	refused = call_new(bench, "say x");
	bench_wait_for_all(bench);
	assert_memory_equal(refused->text, "This client already has 64 sandboxes", 36);
	for (i = 0; i < LIMIT_STDIO_HANDLES; i++)
		assert_non_null(strstr(refused->text, bench->calls[i].handle));
	/* A dead one makes room. */
	stub_kill_last(bench->stub);
	bench_wait(bench, bench_has_live, LIMIT_STDIO_HANDLES - 1);
	assert_string_equal(call_new(bench, "say x")->text, "");
	bench_wait_for_all(bench);
	assert_string_equal(bench->calls[bench->call_count - 1].text, "exit 0: x");
	bench_destroy(bench);
}

static void a_sandbox_whose_handle_nobody_learnt_is_destroyed(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = call_new(bench, "hold");

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	bench_wait(bench, bench_has_live, 0);
	assert_int_equal(stub_counts(bench->stub).created, 1);
	bench->stub->failing_creations = 1;
	call = call_new(bench, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, "The stub is out of sand.");
	assert_int_equal(bench->session->principal->live_handles, 0);
	assert_null(bench->session->principal->leases);
	bench_destroy(bench);
}

static void dead_handles_are_remembered_up_to_a_limit_the_oldest_forgotten(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;
	unsigned i;

	(void)state;
	for (i = 0; i < LIMIT_DEAD_HANDLES + 1; i++) {
		(void)call_new(bench, "say x");
		bench_wait_for_all(bench);
		stub_kill_last(bench->stub);
		bench_wait(bench, bench_has_live, 0);
	}
	assert_int_equal(bench->session->principal->dead_handles, LIMIT_DEAD_HANDLES);
	assert_int_equal(bench->session->principal->live_handles, 0);
	call = call_handle(bench, bench->calls[0].handle, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(call->text, NOT_FOUND);
	call = call_handle(bench, bench->calls[1].handle, "say x");
	bench_wait_for_all(bench);
	assert_non_null(strstr(call->text, " died between calls: "));
	bench_destroy(bench);
}

/* --- facts --------------------------------------------------------------- */

struct answers {
	unsigned good, bad;
	char text[64];
};

static void on_facts(void *context, const struct exec_facts *facts, const struct error *err)
{
	struct answers *answers = context;

	answers->good += facts != NULL;
	answers->bad += err != NULL;
	(void)snprintf(answers->text, sizeof(answers->text), "%.60s",
		       facts ? facts->system : err->message);
}

static struct answers *current;

static bool has_answers(struct bench *bench, unsigned count)
{
	(void)bench;
	return current->good + current->bad == count;
}

static void facts_are_probed_once_for_all_who_ask_and_again_after_a_failure(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct answers answers = { 0 };
	unsigned i;

	(void)state;
	current = &answers;
	bench->stub->failing_checks = 1;
	for (i = 0; i < 10; i++)
		registry_get_facts(bench->registry, on_facts, &answers);
	bench_wait(bench, has_answers, 10);
	assert_int_equal(answers.bad, 10);
	assert_string_equal(answers.text, "The stub is not plugged in.");
	for (i = 0; i < 10; i++)
		registry_get_facts(bench->registry, on_facts, &answers);
	bench_wait(bench, has_answers, 20);
	assert_int_equal(answers.good, 10);
	assert_string_equal(answers.text, "a stub");
	registry_get_facts(bench->registry, on_facts, &answers);
	assert_int_equal(answers.good, 11);
	assert_int_equal(stub_counts(bench->stub).describes, 1);
	bench_destroy(bench);
}

static bool asks_until_facts_are_known(struct bench *bench, unsigned unused)
{
	(void)unused;
	registry_get_facts(bench->registry, on_facts, current);
	return current->good > 0;
}

static void nobody_waits_for_ever_for_facts(void **state)
{
	struct registry_config config = bench_config;
	struct answers answers = { 0 };
	struct bench *bench;

	(void)state;
	current = &answers;
	config.create_ms = 20;
	bench = bench_create(&config);
	stub_set(bench->stub, &bench->stub->holds_describing, true);
	registry_get_facts(bench->registry, on_facts, &answers);
	bench_wait(bench, has_answers, 1);
	assert_int_equal(answers.bad, 1);
	/* And then not even so long. */
	registry_get_facts(bench->registry, on_facts, &answers);
	assert_int_equal(answers.bad, 2);
	stub_set(bench->stub, &bench->stub->holds_describing, false);
	bench_wait(bench, asks_until_facts_are_known, 0);
	assert_int_equal(stub_counts(bench->stub).describes, 1);
	bench_destroy(bench);
}

/* --- the end ------------------------------------------------------------- */

static void a_closed_session_takes_its_calls_and_sandboxes_with_it_and_no_others(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *other = bench_session(bench);
	struct bench_call *running, *waiting, *handle, *kept;

	(void)state;
	kept = bench_call(bench, "hold");
	running = bench_call_in(bench, other, CALL_TARGET_SESSION, NULL, "hold");
	handle = bench_call_in(bench, other, CALL_TARGET_NEW, NULL, "hold");
	bench_wait(bench, bench_is_running, 3);
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	waiting = bench_call_in(bench, other, CALL_TARGET_NEW, NULL, "hold");
	bench_wait(bench, bench_is_creating, 1);
	session_close(other);
	bench_wait(bench, bench_has_ended, 3);
	assert_true(running->is_cancelled && waiting->is_cancelled && handle->is_cancelled);
	bench_wait(bench, bench_is_creating, 0);
	bench_wait(bench, bench_has_live, 1);
	assert_int_equal(kept->ends, 0);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(kept->text, "exit 0: ");
	bench_destroy(bench);
}

static void a_handle_outlives_its_session_and_serves_all_of_its_principal_and_no_other(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *first = bench_session_of(bench, "a");
	struct session *second = bench_session_of(bench, "a");
	struct session *foreign = bench_session_of(bench, "b");
	struct bench_call *made, *own, *again, *stolen, *unnamed;

	(void)state;
	made = bench_call_in(bench, first, CALL_TARGET_NEW, NULL, "say x");
	own = bench_call_in(bench, first, CALL_TARGET_SESSION, NULL, "say x");
	bench_wait_for_all(bench);
	assert_string_equal(own->text, "exit 0: x");
	session_close(first);
	/* The session's own sandbox goes with it. */
	bench_wait(bench, bench_has_live, 1);
	again = bench_call_in(bench, second, CALL_TARGET_HANDLE, made->handle, "note again");
	stolen = bench_call_in(bench, foreign, CALL_TARGET_HANDLE, made->handle, "note stolen");
	unnamed = call_handle(bench, made->handle, "note unnamed");
	bench_wait_for_all(bench);
	assert_string_equal(again->text, "exit 0: ");
	assert_string_equal(again->handle, made->handle);
	assert_string_equal(stolen->text, NOT_FOUND);
	assert_string_equal(unnamed->text, NOT_FOUND);
	assert_string_equal(bench->stub->notes, "again ");
	session_close(second);
	session_close(foreign);
	bench_destroy(bench);
}

static void a_session_that_closes_cancels_its_calls_in_a_handle_and_nobody_elses(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *first = bench_session_of(bench, "a");
	struct session *second = bench_session_of(bench, "a");
	struct bench_call *made, *running, *other;

	(void)state;
	made = bench_call_in(bench, first, CALL_TARGET_NEW, NULL, "say x");
	bench_wait_for_all(bench);
	running = bench_call_in(bench, first, CALL_TARGET_HANDLE, made->handle, "hold");
	other = bench_call_in(bench, second, CALL_TARGET_HANDLE, made->handle, "hold");
	bench_wait(bench, bench_is_running, 2);
	session_close(first);
	bench_wait(bench, bench_is_running, 1);
	bench_wait(bench, bench_has_ended, 2);
	assert_true(running->is_cancelled);
	assert_int_equal(other->ends, 0);
	stub_set(bench->stub, &bench->stub->holds, false);
	bench_wait_for_all(bench);
	assert_string_equal(other->text, "exit 0: ");
	assert_int_equal(stub_counts(bench->stub).created, 1);
	session_close(second);
	bench_destroy(bench);
}

static void a_session_may_close_in_the_end_of_its_last_call(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct session *first = bench_session_of(bench, "a");
	struct bench_call *made = bench_call_in(bench, first, CALL_TARGET_NEW, NULL, "say x");
	struct session *second = bench_session_of(bench, "a");
	struct bench_call *again;

	(void)state;
	made->closes = first;
	bench_wait_for_all(bench);
	again = bench_call_in(bench, second, CALL_TARGET_HANDLE, made->handle, "say y");
	bench_wait_for_all(bench);
	assert_string_equal(again->text, "exit 0: y");
	session_close(second);
	bench_destroy(bench);
}

static void a_principal_is_found_by_its_name_again(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct principal *unnamed = registry_principal(bench->registry, NULL);
	struct principal *alice = registry_principal(bench->registry, "alice");
	char name[] = "alice";

	(void)state;
	assert_ptr_equal(registry_principal(bench->registry, name), alice);
	assert_ptr_equal(registry_principal(bench->registry, NULL), unnamed);
	assert_ptr_not_equal(alice, unnamed);
	assert_ptr_not_equal(registry_principal(bench->registry, "alic"), alice);
	assert_ptr_not_equal(registry_principal(bench->registry, ""), unnamed);
	bench_destroy(bench);
}

static bool end_is_begun(struct bench *bench, unsigned figure)
{
	(void)figure;
	return bench->is_gone;
}

static void set_gone(void *context)
{
	struct bench *bench = context;

	assert_false(bench->is_gone);
	bench->is_gone = true;
}

static bool is_preparing(struct bench *bench, unsigned count)
{
	return stub_counts(bench->stub).preparations == count;
}

static void it_is_prepared_once_and_not_left_before_that_is_over(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	stub_set(bench->stub, &bench->stub->holds_preparing, true);
	registry_prepare(bench->registry);
	bench_wait(bench, is_preparing, 1);
	registry_prepare(bench->registry);
	/* Nothing here waits for it: what needs it does. */
	call = bench_call(bench, "say x");
	bench_wait(bench, bench_has_ended, 1);
	assert_string_equal(call->text, "exit 0: x");
	assert_int_equal(stub_counts(bench->stub).preparations, 1);
	registry_shut_down(bench->registry, 0, set_gone, bench);
	bench_wait(bench, bench_has_live, 0);
	assert_false(bench->is_gone);
	stub_set(bench->stub, &bench->stub->holds_preparing, false);
	bench_wait(bench, end_is_begun, 0);
	bench_destroy(bench);
}

static void shutting_down_ends_calls_in_every_phase(void **state)
{
	struct registry_config config = bench_config;
	struct session *others[2];
	struct bench_call *refused;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_parallel = 2;
	config.max_creating = 1;
	bench = bench_create(&config);
	others[0] = bench_session(bench);
	others[1] = bench_session(bench);
	for (i = 0; i < 5; i++)
		(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 2);
	stub_set(bench->stub, &bench->stub->holds_creation, true);
	(void)bench_call_in(bench, others[0], CALL_TARGET_SESSION, NULL, "hold");
	(void)bench_call_in(bench, others[1], CALL_TARGET_SESSION, NULL, "hold");
	bench_wait(bench, bench_is_creating, 1);
	registry_shut_down(bench->registry, 0, set_gone, bench);
	refused = bench_call(bench, "say x");
	assert_false(bench->is_gone);
	bench_wait(bench, end_is_begun, 0);
	for (i = 0; i < 7; i++)
		assert_true(bench->calls[i].is_cancelled);
	assert_string_equal(refused->text, "The server is shutting down. Nothing was run.");
	assert_int_equal(stub_counts(bench->stub).live, 0);
	session_close(others[0]);
	session_close(others[1]);
	bench_destroy(bench);
}

static void with_grace_calls_that_have_come_may_finish(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	bench->stub->holds_creation = true;
	call = bench_call(bench, "say finished");
	bench_wait(bench, bench_is_creating, 1);
	registry_shut_down(bench->registry, 3600000, set_gone, bench);
	stub_set(bench->stub, &bench->stub->holds_creation, false);
	bench_wait(bench, end_is_begun, 0);
	assert_string_equal(call->text, "exit 0: finished");
	bench_destroy(bench);
}

static void grace_ends(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = bench_call(bench, "hold");

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	registry_shut_down(bench->registry, 10, set_gone, bench);
	bench_wait(bench, end_is_begun, 0);
	assert_true(call->is_cancelled);
	bench_destroy(bench);
}

static void shutting_down_again_shortens_the_grace(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call = bench_call(bench, "hold");

	(void)state;
	bench_wait(bench, bench_is_running, 1);
	registry_shut_down(bench->registry, 3600000, set_gone, bench);
	registry_shut_down(bench->registry, 0, set_gone, bench);
	bench_wait(bench, end_is_begun, 0);
	assert_true(call->is_cancelled);
	bench_destroy(bench);
}

static void a_thousand_sandboxes_are_destroyed_side_by_side_but_not_all_at_once(void **state)
{
	struct registry_config config = bench_config;
	struct session **sessions = calloc(1000, sizeof(*sessions));
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_creating = 16;
	bench = bench_create(&config);
	bench->stub->destroy_takes_ms = 5;
	for (i = 0; i < 1000; i++) {
		sessions[i] = bench_session(bench);
		(void)bench_call_in(bench, sessions[i], CALL_TARGET_SESSION, NULL, "say x");
	}
	bench_wait_for_all(bench);
	bench_wait(bench, bench_has_live, 1000);
	registry_shut_down(bench->registry, 0, set_gone, bench);
	bench_wait(bench, end_is_begun, 0);
	assert_int_equal(stub_counts(bench->stub).live, 0);
	assert_in_range(stub_counts(bench->stub).most_destroying, 2, LIMIT_BURIALS);
	for (i = 0; i < 1000; i++)
		session_close(sessions[i]);
	free(sessions);
	bench_destroy(bench);
}

static void sandboxes_that_are_being_removed_keep_new_ones_waiting(void **state)
{
	struct registry_config config = bench_config;
	unsigned most_live = 0;
	struct bench *bench;
	unsigned i;

	(void)state;
	config.max_sandboxes = 2;
	bench = bench_create(&config);
	bench->stub->destroy_takes_ms = 200;
	for (i = 0; i < 60; i++) {
		struct session *session = bench_session(bench);
		unsigned live;

		(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "say x");
		bench_wait_for_all(bench);
		live = stub_counts(bench->stub).live;
		most_live = live > most_live ? live : most_live;
		session_close(session);
	}
	assert_in_range(most_live, 2, config.max_sandboxes + LIMIT_BURIALS);
	for (i = 0; i < bench->call_count; i++)
		assert_string_equal(bench->calls[i].text, "exit 0: x");
	bench_destroy(bench);
}

/* --- everything at once -------------------------------------------------- */

static void note_id(void *context, const struct sandbox_view *view)
{
	char *id = context;

	if (*view->id)
		(void)snprintf(id, SANDBOX_ID_BYTES, "%s", view->id);
}

static void end_some(struct bench *bench)
{
	char id[SANDBOX_ID_BYTES] = "";

	registry_each_sandbox(bench->registry, NULL, note_id, id);
	if (*id)
		assert_int_equal(registry_end_sandbox(bench->registry, id, NULL), 0);
}

static void do_something(struct bench *bench, struct session **session, unsigned *seed)
{
	static const char *const commands[] = { "say x", "say y", "hold", "reset", "say z" };
	unsigned what = (unsigned)rand_r(seed) % 18;
	unsigned which = (unsigned)rand_r(seed);
	const char *command = commands[(unsigned)rand_r(seed) % 5];
	struct bench_call *some = &bench->calls[bench->call_count ? which % bench->call_count : 0];

	if (what < 7) {
		(void)bench_call_in(bench, *session, CALL_TARGET_SESSION, NULL, command);
	} else if (what < 9) {
		(void)bench_call_in(bench, *session, CALL_TARGET_NEW, NULL, command);
	} else if (what < 11) {
		(void)bench_call_in(bench, *session, CALL_TARGET_HANDLE, some->handle, command);
	} else if (what < 14) {
		if (some->call)
			call_cancel(some->call);
	} else if (what < 15) {
		(void)stub_kill_last_if_any(bench->stub);
	} else if (what < 17) {
		end_some(bench);
	} else {
		session_close(*session);
		*session = bench_session_of(bench, which % 2 ? "odd" : NULL);
	}
}

static void whatever_happens_every_call_ends_once_and_nothing_is_left(void **state)
{
	struct registry_config config = bench_config;
	struct session *sessions[4];
	unsigned round, i, seed;

	(void)state;
	config.max_parallel = 2;
	config.max_running = 6;
	config.max_creating = 2;
	config.max_sandboxes = 10;
	config.max_handles = 3;
	config.queue_wait_ms = 30;
	for (round = 1; round <= 20; round++) {
		struct bench *bench;

		config.idle_ms = round % 2 ? 3 : 0;
		config.max_sandboxes_per_principal = round % 4 ? 0 : 3;
		bench = bench_create(&config);
		seed = round;
		bench->stub->failing_creations = round % 3;
		for (i = 0; i < 4; i++)
			sessions[i] = bench_session(bench);
		for (i = 0; i < 500; i++) {
			do_something(bench, &sessions[(unsigned)rand_r(&seed) % 4], &seed);
			if (i % 7 == 0)
				bench_wait(bench, bench_has_ended, bench->ended);
			if (i % 50 == 0) {
				loop_stop(bench->loop);
				loop_run(bench->loop);
			}
		}
		registry_shut_down(bench->registry, round % 2 ? 0 : 20, set_gone, bench);
		bench_wait(bench, end_is_begun, 0);
		for (i = 0; i < 4; i++)
			session_close(sessions[i]);
		bench_destroy(bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_leads_back_to_its_own_sandbox),
		cmocka_unit_test(unknown_foreign_and_malformed_handles_get_one_text),
		cmocka_unit_test(a_dead_handle_stays_dead_and_says_so_to_its_owner_alone),
		cmocka_unit_test(a_handle_whose_sandbox_died_during_a_call_says_so_from_then_on),
		cmocka_unit_test(a_handle_whose_sandbox_was_reset_says_so),
		cmocka_unit_test(a_client_at_its_limit_of_handles_is_told_them_all),
		cmocka_unit_test(a_sandbox_whose_handle_nobody_learnt_is_destroyed),
		cmocka_unit_test(dead_handles_are_remembered_up_to_a_limit_the_oldest_forgotten),
		cmocka_unit_test(facts_are_probed_once_for_all_who_ask_and_again_after_a_failure),
		cmocka_unit_test(nobody_waits_for_ever_for_facts),
		cmocka_unit_test(
			a_closed_session_takes_its_calls_and_sandboxes_with_it_and_no_others),
		cmocka_unit_test(
			a_handle_outlives_its_session_and_serves_all_of_its_principal_and_no_other),
		cmocka_unit_test(
			a_session_that_closes_cancels_its_calls_in_a_handle_and_nobody_elses),
		cmocka_unit_test(a_session_may_close_in_the_end_of_its_last_call),
		cmocka_unit_test(a_principal_is_found_by_its_name_again),
		cmocka_unit_test(it_is_prepared_once_and_not_left_before_that_is_over),
		cmocka_unit_test(shutting_down_ends_calls_in_every_phase),
		cmocka_unit_test(with_grace_calls_that_have_come_may_finish),
		cmocka_unit_test(grace_ends),
		cmocka_unit_test(shutting_down_again_shortens_the_grace),
		cmocka_unit_test(
			a_thousand_sandboxes_are_destroyed_side_by_side_but_not_all_at_once),
		cmocka_unit_test(sandboxes_that_are_being_removed_keep_new_ones_waiting),
		cmocka_unit_test(whatever_happens_every_call_ends_once_and_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
