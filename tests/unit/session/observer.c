/* SPDX-License-Identifier: MIT */
#include "session/observer.h"

#include "base/alloc.h"
#include "base/limits.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RECORDS 16

struct record {
	struct call_record told; /* its pointers lead nowhere any more */
	char principal[16], session[16], sandbox[16], command[128], ended_by[16], message[256];
	enum error_kind kind;
};

static struct records {
	unsigned count;
	unsigned made, not_made;
	unsigned started;
	bool forbids; /* on_start does */
	struct record list[MOST_RECORDS];
} records;

static int on_start(void *context, const struct call_record *told, struct error *err)
{
	assert_ptr_equal(context, &records);
	assert_int_equal(strlen(told->sandbox), 12);
	assert_int_equal(told->error->kind, ERROR_NONE);
	if (records.forbids)
		return error_set(err, ERROR_UNAVAILABLE, "It may not.");
	records.started++;
	return 0;
}

static void on_call(void *context, const struct call_record *told)
{
	struct record *record = &records.list[records.count++];
	struct buf command = BUF_INIT(100);

	assert_ptr_equal(context, &records);
	assert_in_range(records.count, 1, MOST_RECORDS);
	record->told = *told;
	record->kind = told->error->kind;
	(void)snprintf(record->message, sizeof(record->message), "%.200s", told->error->message);
	(void)snprintf(record->principal, sizeof(record->principal), "%s",
		       told->principal ? told->principal : "-");
	(void)snprintf(record->session, sizeof(record->session), "%s", told->session);
	(void)snprintf(record->sandbox, sizeof(record->sandbox), "%s", told->sandbox);
	(void)snprintf(record->ended_by, sizeof(record->ended_by), "%s",
		       told->ended_by ? told->ended_by : "-");
	observer_append_command(&command, told->command, told->args);
	(void)snprintf(record->command, sizeof(record->command), "%.*s", (int)command.length,
		       command.data);
	buf_finish(&command);
}

static void on_creation(void *context, uint64_t duration_us, const struct error *err)
{
	assert_ptr_equal(context, &records);
	(void)duration_us;
	records.made += !err;
	records.not_made += err != NULL;
}

static struct bench *begin(void)
{
	struct registry_config config = bench_config;

	memset(&records, 0, sizeof(records));
	config.observer = (struct registry_observer){ .on_start = on_start,
						      .on_call = on_call,
						      .on_creation = on_creation,
						      .context = &records };
	return bench_create(&config);
}

static void each_call_is_recorded_once_when_it_ends(void **state)
{
	struct bench *bench = begin();
	struct session *session = bench_session_of(bench, "a");
	const struct record *record = &records.list[0];

	(void)state;
	(void)bench_call_in(bench, session, CALL_TARGET_SESSION, NULL, "say hello");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 1);
	assert_string_equal(record->principal, "a");
	assert_string_equal(record->session, session_tag(session));
	assert_int_equal(strspn(record->sandbox, "0123456789abcdef"), 12);
	assert_string_equal(record->command, "say hello");
	assert_int_equal(record->kind, ERROR_NONE);
	assert_string_equal(record->ended_by, "exit");
	assert_int_equal(record->told.exit_code, 0);
	assert_int_equal(record->told.stdout_bytes, 5);
	assert_int_equal(record->told.stderr_bytes, 0);
	assert_int_not_equal(record->told.queued_us, 0);
	assert_false(record->told.was_cancelled);
	assert_int_equal(records.started, 1);
	assert_int_equal(records.made, 1);
	session_close(session);
	bench_destroy(bench);
	assert_int_equal(records.count, 1);
}

static void a_call_that_may_not_start_does_not_run(void **state)
{
	struct bench *bench = begin();

	(void)state;
	records.forbids = true;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 1);
	assert_int_equal(records.list[0].kind, ERROR_UNAVAILABLE);
	assert_non_null(strstr(records.list[0].message, "It may not."));
	assert_non_null(strstr(records.list[0].message, "nothing was run"));
	assert_string_equal(records.list[0].sandbox, "");
	assert_string_equal(records.list[0].ended_by, "-");
	/* The sandbox is there for the next one. */
	records.forbids = false;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 2);
	assert_string_equal(records.list[1].ended_by, "exit");
	assert_int_equal(records.made, 1);
	bench_destroy(bench);
}

static void output_that_was_not_returned_is_counted(void **state)
{
	struct bench *bench = begin();

	(void)state;
	(void)bench_call(bench, "late words");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 1);
	assert_string_equal(records.list[0].ended_by, "timeout");
	assert_int_equal(records.list[0].told.exit_code, 124);
	assert_int_equal(records.list[0].told.stdout_bytes, 5);
	bench_destroy(bench);
}

static void refused_calls_are_recorded_with_what_they_were_told(void **state)
{
	struct bench *bench = begin();

	(void)state;
	(void)bench_call_in(bench, bench->session, CALL_TARGET_HANDLE, "?", "say x");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 1);
	assert_int_equal(records.list[0].kind, ERROR_INVALID);
	assert_string_equal(records.list[0].principal, "-");
	assert_string_equal(records.list[0].sandbox, "");
	assert_string_equal(records.list[0].command, "say x");
	assert_string_equal(records.list[0].ended_by, "-");
	bench->stub->failing_creations = 1;
	(void)bench_call(bench, "say x");
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 2);
	assert_string_equal(records.list[1].message, "The stub is out of sand.");
	assert_int_equal(records.not_made, 1);
	bench_destroy(bench);
}

static void calls_that_lost_their_sandbox_are_recorded_with_its_id(void **state)
{
	struct bench *bench = begin();

	(void)state;
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	stub_kill_last(bench->stub);
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 1);
	assert_int_equal(records.list[0].kind, ERROR_LOST);
	assert_string_equal(records.list[0].ended_by, "-");
	assert_int_equal(strlen(records.list[0].sandbox), 12);
	assert_non_null(strstr(records.list[0].message, records.list[0].sandbox));
	bench_destroy(bench);
}

static void cancelled_calls_are_recorded_as_such_run_or_not(void **state)
{
	struct bench *bench = begin();

	(void)state;
	(void)bench_call(bench, "hold");
	call_cancel(bench->calls[0].call);
	bench_wait_for_all(bench);
	(void)bench_call(bench, "hold");
	bench_wait(bench, bench_is_running, 1);
	call_cancel(bench->calls[1].call);
	bench_wait_for_all(bench);
	assert_int_equal(records.count, 2);
	assert_true(records.list[0].told.was_cancelled);
	assert_string_equal(records.list[0].ended_by, "-");
	assert_string_equal(records.list[0].command, "hold");
	assert_true(records.list[1].told.was_cancelled);
	assert_string_equal(records.list[1].ended_by, "cancelled");
	bench_destroy(bench);
}

/* --- how a command is written ----------------------------------------------- */

static void assert_line(const char *command, const char *const *args, const char *expected)
{
	struct buf text = BUF_INIT(2 * LIMIT_COMMAND_TEXT_BYTES);

	observer_append_command(&text, command, args);
	assert_int_equal(text.length, strlen(expected));
	assert_memory_equal(text.data, expected, text.length);
	buf_finish(&text);
}

static void arguments_are_quoted_as_for_a_shell(void **state)
{
	static const char *const plain[] = { "ls", "-l", "/tmp/a_b.c", NULL };
	static const char *const odd[] = { "echo", "a b", "", "it's", "$HOME", "'", NULL };

	(void)state;
	assert_line("ls -l | wc 'x'", NULL, "ls -l | wc 'x'");
	assert_line(NULL, plain, "ls -l /tmp/a_b.c");
	assert_line(NULL, odd, "echo 'a b' '' 'it'\\''s' '$HOME' ''\\'''");
}

static void a_long_command_is_cut(void **state)
{
	char *command = alloc_zeroed(LIMIT_COMMAND_TEXT_BYTES + 100);
	const char *args[] = { "echo", command, "not this", NULL };
	struct buf text = BUF_INIT(2 * LIMIT_COMMAND_TEXT_BYTES);

	(void)state;
	memset(command, 'x', LIMIT_COMMAND_TEXT_BYTES + 99);
	observer_append_command(&text, command, NULL);
	assert_int_equal(text.length, LIMIT_COMMAND_TEXT_BYTES);
	buf_clear(&text);
	observer_append_command(&text, NULL, args);
	assert_int_equal(text.length, LIMIT_COMMAND_TEXT_BYTES);
	assert_memory_equal(text.data, "echo xxx", 8);
	buf_clear(&text);
	memset(command, '\'', LIMIT_COMMAND_TEXT_BYTES + 99);
	observer_append_command(&text, NULL, args);
	assert_int_equal(text.length, LIMIT_COMMAND_TEXT_BYTES);
	buf_finish(&text);
	free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_is_recorded_once_when_it_ends),
		cmocka_unit_test(a_call_that_may_not_start_does_not_run),
		cmocka_unit_test(output_that_was_not_returned_is_counted),
		cmocka_unit_test(refused_calls_are_recorded_with_what_they_were_told),
		cmocka_unit_test(calls_that_lost_their_sandbox_are_recorded_with_its_id),
		cmocka_unit_test(cancelled_calls_are_recorded_as_such_run_or_not),
		cmocka_unit_test(arguments_are_quoted_as_for_a_shell),
		cmocka_unit_test(a_long_command_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
