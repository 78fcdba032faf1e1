/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/history.h"
#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct error no_error = ERROR_INIT;

/* `record` has what differs from a call that went well. */
static void add(struct history *history, struct call_record record)
{
	if (!record.sandbox)
		record.sandbox = "0123456789ab";
	if (!record.command && !record.args)
		record.command = "true";
	if (!record.error)
		record.error = &no_error;
	history_add(history, &record);
}

/* The commands that are visited, each with a space behind it. */
static void note(void *context, const struct history_call *call)
{
	char *notes = context;

	(void)snprintf(notes + strlen(notes), 4096 - strlen(notes), "%s ", call->command);
}

static void expect(const struct history *history, const char *principal, const char *commands)
{
	char notes[4096] = "";

	history_each(history, principal, note, notes);
	assert_string_equal(notes, commands);
}

static void the_newest_comes_first(void **state)
{
	struct history *history = history_create();

	(void)state;
	expect(history, NULL, "");
	add(history, (struct call_record){ .command = "one" });
	add(history, (struct call_record){ .command = "two" });
	expect(history, NULL, "two one ");
	history_destroy(history);
	history_destroy(NULL);
}

static void each_sees_its_own(void **state)
{
	struct history *history = history_create();
	char name[] = "alice";

	(void)state;
	add(history, (struct call_record){ .command = "one", .principal = name });
	add(history, (struct call_record){ .command = "two", .principal = "bob" });
	add(history, (struct call_record){ .command = "three" });
	/* What was borrowed is not needed any more. */
	memset(name, 'x', strlen(name));
	expect(history, "alice", "one ");
	expect(history, "bob", "two ");
	expect(history, "alic", "");
	expect(history, "", "");
	expect(history, NULL, "three two one ");
	history_destroy(history);
}

struct tally {
	int count;
	char first[EXCERPT_BYTES(LIMIT_STATUS_TEXT_BYTES)];
};

static void count(void *context, const struct history_call *call)
{
	struct tally *tally = context;

	if (tally->count++ == 0)
		(void)snprintf(tally->first, sizeof(tally->first), "%s", call->command);
}

static void the_oldest_make_room(void **state)
{
	struct history *history = history_create();
	struct tally tally = { 0 };
	char command[32];
	int i;

	(void)state;
	for (i = 0; i < 3 * LIMIT_STATUS_HISTORY + 7; i++) {
		(void)snprintf(command, sizeof(command), "number %d", i);
		add(history, (struct call_record){ .command = command, .principal = "alice" });
	}
	history_each(history, NULL, count, &tally);
	assert_int_equal(tally.count, LIMIT_STATUS_HISTORY);
	assert_string_equal(tally.first, "number 606");
	history_destroy(history);
}

static void take(void *context, const struct history_call *call)
{
	*(const struct history_call **)context = call;
}

static void an_error_keeps_its_words_and_loses_its_handles(void **state)
{
	static const char handle[] = "sbx_0123456789abcdef0123456789abcdef";
	struct history *history = history_create();
	const struct history_call *call = NULL;
	struct error error = ERROR_INIT;

	(void)state;
	(void)error_set(&error, ERROR_QUOTA, "Too many: %s, %s.", handle, handle);
	add(history, (struct call_record){ .error = &error, .sandbox = "" });
	history_each(history, NULL, take, &call);
	assert_string_equal(call->error, "Too many: sbx_********************************, "
					 "sbx_********************************.");
	assert_string_equal(call->sandbox, "");
	assert_false(call->has_result);
	memset(error.message, 'e', sizeof(error.message) - 1);
	error.message[sizeof(error.message) - 1] = '\0';
	history_destroy(history);
	history = history_create();
	add(history, (struct call_record){ .error = &error });
	history_each(history, NULL, take, &call);
	assert_int_equal(strlen(call->error), LIMIT_STATUS_TEXT_BYTES + strlen(EXCERPT_CUT));
	history_destroy(history);
}

static void who_cancels_is_not_told_an_error(void **state)
{
	struct history *history = history_create();
	const struct history_call *call = NULL;
	struct error error = ERROR_INIT;

	(void)state;
	(void)error_set(&error, ERROR_CANCELLED, "The call was cancelled.");
	add(history, (struct call_record){ .error = &error, .was_cancelled = true });
	history_each(history, NULL, take, &call);
	assert_string_equal(call->error, "");
	assert_string_equal(call->ended_by, "cancelled");
	assert_false(call->has_result);
	history_destroy(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_comes_first),
		cmocka_unit_test(each_sees_its_own),
		cmocka_unit_test(the_oldest_make_room),
		cmocka_unit_test(an_error_keeps_its_words_and_loses_its_handles),
		cmocka_unit_test(who_cancels_is_not_told_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
