/* SPDX-License-Identifier: MIT */
#include "session/call.h"

#include "tests/unit/session/bench.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Runs one command; returns its answer. */
static const char *answer_to(struct bench *bench, const char *command)
{
	struct bench_call *call = bench_call(bench, command);

	bench_wait_for_all(bench);
	return call->text;
}

static void output_of_a_command_that_is_late_is_saved(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_non_null(strstr(answer_to(bench, "late words"),
			       "\n[kilntainers: output so far: /words (5 bytes), /err (0 bytes)]"));
	assert_int_equal(stub_counts(bench->stub).saves, 1);
	bench_destroy(bench);
}

static void where_nothing_was_printed_nothing_is_saved(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_null(strchr(answer_to(bench, "late "), '\n'));
	assert_string_equal(answer_to(bench, "say x"), "exit 0: x");
	assert_int_equal(stub_counts(bench->stub).saves, 0);
	bench_destroy(bench);
}

static void why_output_is_not_saved_is_told(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	stub_set(bench->stub, &bench->stub->refuses_saving, true);
	assert_non_null(strstr(answer_to(bench, "late words"),
			       "\n[kilntainers: output not saved: the stub is full]"));
	assert_string_equal(answer_to(bench, "say large words"),
			    "exit 0: too large; the stub is full");
	bench_destroy(bench);
}

static void what_is_too_large_to_send_is_saved_and_named(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_string_equal(answer_to(bench, "say large words"), "exit 0: too large; /large words");
	assert_int_equal(stub_counts(bench->stub).saves, 1);
	bench_destroy(bench);
}

static void a_sandbox_without_memory_is_not_asked_to_save(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_non_null(strstr(answer_to(bench, "hungry words"),
			       "\n[kilntainers: output not saved: the sandbox is out of memory]"));
	assert_int_equal(stub_counts(bench->stub).saves, 0);
	bench_destroy(bench);
}

static void a_sandbox_that_was_reset_is_not_asked_to_save(void **state)
{
	struct bench *bench = bench_create(&bench_config);

	(void)state;
	assert_null(strstr(answer_to(bench, "reset"), "saved"));
	assert_int_equal(stub_counts(bench->stub).saves, 0);
	bench_destroy(bench);
}

static bool is_saving(struct bench *bench, unsigned figure)
{
	return stub_counts(bench->stub).saving == figure;
}

static void a_call_can_be_cancelled_while_its_output_is_saved(void **state)
{
	struct bench *bench = bench_create(&bench_config);
	struct bench_call *call;

	(void)state;
	stub_set(bench->stub, &bench->stub->holds_saving, true);
	call = bench_call(bench, "late words");
	bench_wait(bench, is_saving, 1);
	call_cancel(call->call);
	bench_wait_for_all(bench);
	assert_true(call->is_cancelled);
	bench_destroy(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_of_a_command_that_is_late_is_saved),
		cmocka_unit_test(where_nothing_was_printed_nothing_is_saved),
		cmocka_unit_test(why_output_is_not_saved_is_told),
		cmocka_unit_test(what_is_too_large_to_send_is_saved_and_named),
		cmocka_unit_test(a_sandbox_without_memory_is_not_asked_to_save),
		cmocka_unit_test(a_sandbox_that_was_reset_is_not_asked_to_save),
		cmocka_unit_test(a_call_can_be_cancelled_while_its_output_is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
