/* SPDX-License-Identifier: MIT */
#include "exec/capture.h"

#include "base/limits.h"
#include "exec/notice.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *const test_args[] = { "prog", "arg", NULL };

static int put(struct capture *capture, enum exec_stream stream, const char *text)
{
	return capture->sink.on_output(&capture->sink, stream, text, strlen(text));
}

static void assert_buf(const struct buf *buf, const char *expected)
{
	assert_int_equal(buf->length, strlen(expected));
	if (buf->length > 0)
		assert_memory_equal(buf->data, expected, buf->length);
}

/* Concludes and compares both streams. */
static void assert_concluded(struct capture *capture, const struct exec_request *request,
			     const struct exec_result *result, const char *out, const char *err)
{
	assert_int_equal(capture_conclude(capture, request, result, NULL, NULL), 0);
	assert_buf(&capture->out, out);
	assert_buf(&capture->err, err);
	capture_finish(capture);
}

static void output_up_to_the_limit_is_kept_and_one_byte_more_is_too_much(void **state)
{
	static const struct {
		const char *out, *err;
		int kept;
	} cases[] = {
		{ "12345", "6789", 0 },	   /* limit - 1 */
		{ "12345", "67890", 0 },   /* limit */
		{ "12345", "678901", -1 }, /* limit + 1 */
		{ "", "12345678901", -1 },
	};
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT };
	struct capture capture;
	size_t i;

	(void)state;
	request.args = test_args;
	for (i = 0; i < ARRAY_LENGTH(cases); i++) {
		capture_init(&capture, 10);
		assert_int_equal(put(&capture, EXEC_STDOUT, cases[i].out), 0);
		assert_int_equal(put(&capture, EXEC_STDERR, cases[i].err), cases[i].kept);
		if (cases[i].kept == 0)
			assert_concluded(&capture, &request, &result, cases[i].out, cases[i].err);
		else
			capture_finish(&capture);
	}
}

static void past_the_limit_there_is_a_notice_and_no_output(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_OUTPUT_LIMIT };
	struct capture capture;

	(void)state;
	request.args = test_args;
	capture_init(&capture, 4);
	assert_int_equal(put(&capture, EXEC_STDOUT, "123"), 0);
	assert_int_equal(put(&capture, EXEC_STDERR, "45"), -1);
	assert_concluded(
		&capture, &request, &result, "",
		"[kilntainers: output limit exceeded (4 bytes). Command terminated. No "
		"output returned. Re-run with head, tail, or grep to manage output size.]");
	assert_int_equal(exec_result_exit_code(&result), 1);
}

static void a_timeout_leaves_its_notice_and_no_output(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_TIMEOUT };
	struct capture capture;

	(void)state;
	request.args = test_args;
	request.timeout_ms = 120000;
	capture_init(&capture, 100);
	assert_int_equal(put(&capture, EXEC_STDOUT, "partial"), 0);
	assert_int_equal(put(&capture, EXEC_STDERR, "partial"), 0);
	assert_concluded(&capture, &request, &result, "",
			 "[kilntainers: command timed out after 120s]");
	assert_int_equal(exec_result_exit_code(&result), 124);

	request.timeout_ms = 1500;
	result.was_reset = true;
	capture_init(&capture, 100);
	assert_concluded(&capture, &request, &result, "",
			 "[kilntainers: command timed out after 1.500s]\n[kilntainers: the sandbox "
			 "was reset because the command could not be killed; its files are gone]");
}

static void assert_output(const struct exec_output *output, enum exec_stream stream,
			  const char *expected)
{
	assert_int_equal(output->bytes[stream], strlen(expected));
	assert_memory_equal(output->data[stream], expected, strlen(expected));
}

static void what_is_over_the_limit_is_cut_off_at_the_limit(void **state)
{
	struct capture capture;
	struct exec_output output;

	(void)state;
	capture_init(&capture, 10);
	assert_int_equal(put(&capture, EXEC_STDOUT, "1234567"), 0);
	assert_int_equal(put(&capture, EXEC_STDERR, "89ABC"), -1);
	output = capture_output(&capture);
	assert_output(&output, EXEC_STDOUT, "1234567");
	assert_output(&output, EXEC_STDERR, "89A");
	capture_finish(&capture);
}

static void what_was_printed_is_known_byte_by_byte_after_the_repair(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT, .was_reset = true };
	struct capture capture;
	struct exec_output output;

	(void)state;
	capture_init(&capture, 100);
	assert_int_equal(put(&capture, EXEC_STDOUT, "a\xFFz"), 0);
	assert_int_equal(put(&capture, EXEC_STDERR, "plain"), 0);
	request.args = test_args;
	assert_int_equal(capture_conclude(&capture, &request, &result, NULL, NULL), 0);
	assert_buf(&capture.out, "a\xEF\xBF\xBDz");
	assert_true(capture.err.length > 5);
	assert_int_equal(capture.notices_at, 5);
	output = capture_output(&capture);
	assert_output(&output, EXEC_STDOUT, "a\xFFz");
	assert_output(&output, EXEC_STDERR, "plain");
	capture_finish(&capture);
}

/* Concludes a command whose time was up. */
static void assert_late(const struct exec_saved *saved, unsigned limits_hit, const char *expected)
{
	const struct exec_result result = { .end = EXEC_END_TIMEOUT, .limits_hit = limits_hit };
	struct exec_request request = EXEC_REQUEST_INIT;
	struct capture capture;

	request.args = test_args;
	request.timeout_ms = 1000;
	capture_init(&capture, 100);
	assert_int_equal(put(&capture, EXEC_STDOUT, "partial"), 0);
	assert_int_equal(capture_conclude(&capture, &request, &result, saved, NULL), 0);
	assert_buf(&capture.err, expected);
	capture_finish(&capture);
}

static void the_line_after_the_end_says_where_the_output_is(void **state)
{
	static const struct exec_saved saved = { { "/t/.k/3.stdout", "/t/.k/3.stderr" },
						 { 7, 0 },
						 "" };
	static const struct exec_saved refused = { .reason = "there is no room" };
	static const struct exec_saved nothing;

	(void)state;
	assert_late(&saved, 0,
		    "[kilntainers: command timed out after 1s]\n"
		    "[kilntainers: output so far: /t/.k/3.stdout (7 bytes), /t/.k/3.stderr "
		    "(0 bytes)]");
	assert_late(&refused, 0,
		    "[kilntainers: command timed out after 1s]\n"
		    "[kilntainers: output not saved: there is no room]");
	assert_late(&nothing, 0, "[kilntainers: command timed out after 1s]");
	assert_late(NULL, 0, "[kilntainers: command timed out after 1s]");
	assert_late(&refused, EXEC_LIMIT_DISK,
		    "[kilntainers: command timed out after 1s]\n"
		    "[kilntainers: output not saved: there is no room]\n"
		    "[kilntainers: the disk is full. Delete files that are not needed.]");
}

static void what_cannot_start_says_why_on_stderr(void **state)
{
	static const struct {
		enum exec_start_step step;
		int failure, exit_code;
		bool by_shell;
		const char *text;
	} cases[] = {
		{ EXEC_START_PROGRAM, ENOENT, 127, false,
		  "[kilntainers: cannot start \"prog\": No such file or directory]" },
		{ EXEC_START_PROGRAM, EACCES, 126, false,
		  "[kilntainers: cannot start \"prog\": Permission denied]" },
		{ EXEC_START_PROGRAM, E2BIG, 126, false,
		  "[kilntainers: cannot start \"prog\": Argument list too long]" },
		{ EXEC_START_PROGRAM, ENOENT, 127, true,
		  "[kilntainers: cannot start \"echo hi\": the sandbox's shell: No such file or "
		  "directory]" },
		{ EXEC_START_DIRECTORY, ENOENT, 126, false,
		  "[kilntainers: cannot start \"prog\": working directory \"/no\\u000awhere\": No "
		  "such file or directory]" },
		{ EXEC_START_DIRECTORY, ENOTDIR, 126, true,
		  "[kilntainers: cannot start \"echo hi\": working directory \"/no\\u000awhere\": "
		  "Not a directory]" },
		{ EXEC_START_PROCESS, EAGAIN, 126, false,
		  "[kilntainers: cannot start \"prog\": no new process in the sandbox: Resource "
		  "temporarily unavailable. No command can be started until some of its processes "
		  "end]" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct exec_request request = EXEC_REQUEST_INIT;
		struct exec_result result = { .end = EXEC_END_NOT_STARTED };
		struct capture capture;

		request.working_directory = "/no\nwhere";
		request.args = cases[i].by_shell ? NULL : test_args;
		request.command = cases[i].by_shell ? "echo hi" : NULL;
		result.start_step = cases[i].step;
		result.code = cases[i].failure;
		capture_init(&capture, 100);
		assert_concluded(&capture, &request, &result, "", cases[i].text);
		assert_int_equal(exec_result_exit_code(&result), cases[i].exit_code);
	}
}

static void a_notice_stands_on_a_line_of_its_own(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT, .was_reset = true };
	const struct notice notice = { &request, &result, 1 };
	struct buf unfinished = BUF_INIT(1000);
	struct buf finished = BUF_INIT(1000);

	(void)state;
	request.args = test_args;
	assert_int_equal(buf_append_string(&unfinished, "text"), 0);
	assert_int_equal(notice_append(&unfinished, &notice), 0);
	assert_memory_equal(unfinished.data, "text\n[kilntainers: ", 19);
	assert_int_equal(buf_append_string(&finished, "text\n"), 0);
	assert_int_equal(notice_append(&finished, &notice), 0);
	assert_memory_equal(finished.data, "text\n[kilntainers: ", 19);
	buf_finish(&unfinished);
	buf_finish(&finished);
}

static void a_very_long_name_is_cut_in_the_notice(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_NOT_STARTED,
				      .code = ENOENT,
				      .start_step = EXEC_START_PROGRAM };
	struct capture capture;
	char *name = malloc(100001);
	const char *args[] = { name, NULL };

	(void)state;
	memset(name, '\n', 100000);
	name[100000] = '\0';
	request.args = args;
	capture_init(&capture, 0);
	assert_int_equal(capture_conclude(&capture, &request, &result, NULL, NULL), 0);
	assert_in_range(capture.err.length, 256, 4096);
	capture_finish(&capture);
	free(name);
}

static void ends_have_the_exit_codes_of_a_shell(void **state)
{
	struct exec_result result = { .end = EXEC_END_EXIT, .code = 7 };

	(void)state;
	assert_int_equal(exec_result_exit_code(&result), 7);
	result = (struct exec_result){ .end = EXEC_END_SIGNAL, .code = SIGKILL };
	assert_int_equal(exec_result_exit_code(&result), 137);
	result = (struct exec_result){ .end = EXEC_END_CANCELLED };
	assert_int_equal(exec_result_exit_code(&result), 124);
}

static void broken_characters_are_replaced_even_where_reads_cut_them(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT };
	struct capture capture;

	(void)state;
	request.args = test_args;
	capture_init(&capture, 100);
	assert_int_equal(put(&capture, EXEC_STDOUT, "\xE2\x82"), 0);
	assert_int_equal(put(&capture, EXEC_STDOUT, "\xAC\xFF."), 0);
	assert_int_equal(put(&capture, EXEC_STDERR, "\xF0\x9F"), 0);
	assert_concluded(&capture, &request, &result, "\xE2\x82\xAC\xEF\xBF\xBD.", "\xEF\xBF\xBD");
}

static void a_full_capture_of_broken_bytes_still_fits_repaired(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT };
	struct capture capture;
	char broken[1000];

	(void)state;
	memset(broken, 0xFF, sizeof(broken));
	request.args = test_args;
	capture_init(&capture, sizeof(broken));
	assert_int_equal(capture.sink.on_output(&capture.sink, EXEC_STDERR, broken, sizeof(broken)),
			 0);
	assert_int_equal(capture_conclude(&capture, &request, &result, NULL, NULL), 0);
	assert_int_equal(capture.err.length, 3 * sizeof(broken));
	capture_finish(&capture);
}

static void output_past_the_budget_is_enough_and_is_told_as_busy(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	/* What the sink's refusal looks like to a pump. */
	struct exec_result result = { .end = EXEC_END_OUTPUT_LIMIT };
	struct budget *budget = budget_create(1024);
	struct error err = ERROR_INIT;
	struct capture capture;
	char piece[1000];

	(void)state;
	memset(piece, 'x', sizeof(piece));
	request.args = test_args;
	capture_init(&capture, MIB);
	capture_set_budget(&capture, budget);
	assert_int_equal(capture.sink.on_output(&capture.sink, EXEC_STDOUT, piece, 1000), 0);
	assert_false(capture_has_failed(&capture));
	assert_int_equal(capture.sink.on_output(&capture.sink, EXEC_STDERR, piece, 1000), -1);
	assert_true(capture_has_failed(&capture));
	assert_int_equal(capture_conclude(&capture, &request, &result, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_memory_equal(err.message, "Server is busy: ", 16);
	capture_finish(&capture);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

static void a_repair_past_the_budget_is_told_as_busy(void **state)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { .end = EXEC_END_EXIT };
	struct budget *budget = budget_create(1500);
	struct error err = ERROR_INIT;
	struct capture capture;
	char broken[1000];

	(void)state;
	memset(broken, 0xFF, sizeof(broken));
	request.args = test_args;
	capture_init(&capture, MIB);
	capture_set_budget(&capture, budget);
	assert_int_equal(capture.sink.on_output(&capture.sink, EXEC_STDOUT, broken, 1000), 0);
	assert_int_equal(capture_conclude(&capture, &request, &result, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	capture_finish(&capture);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_up_to_the_limit_is_kept_and_one_byte_more_is_too_much),
		cmocka_unit_test(past_the_limit_there_is_a_notice_and_no_output),
		cmocka_unit_test(a_timeout_leaves_its_notice_and_no_output),
		cmocka_unit_test(what_is_over_the_limit_is_cut_off_at_the_limit),
		cmocka_unit_test(what_was_printed_is_known_byte_by_byte_after_the_repair),
		cmocka_unit_test(the_line_after_the_end_says_where_the_output_is),
		cmocka_unit_test(what_cannot_start_says_why_on_stderr),
		cmocka_unit_test(a_notice_stands_on_a_line_of_its_own),
		cmocka_unit_test(a_very_long_name_is_cut_in_the_notice),
		cmocka_unit_test(ends_have_the_exit_codes_of_a_shell),
		cmocka_unit_test(broken_characters_are_replaced_even_where_reads_cut_them),
		cmocka_unit_test(a_full_capture_of_broken_bytes_still_fits_repaired),
		cmocka_unit_test(output_past_the_budget_is_enough_and_is_told_as_busy),
		cmocka_unit_test(a_repair_past_the_budget_is_told_as_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
