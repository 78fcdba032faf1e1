/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/audit.h"
#include "base/attr.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/audit-XXXXXX";
static char path[64];
static const struct error no_error = ERROR_INIT;

static int set_up(void **state)
{
	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	log_configure(LOG_ERROR, LOG_TEXT);
	(void)snprintf(folder, sizeof(folder), "/tmp/audit-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/audit", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static const struct call_record ended = {
	.principal = "alice",
	.session = "0123456789ab",
	.sandbox = "a16f70b0541a",
	.command = "make -j4 \"x\"",
	.error = &no_error,
	.exit_code = 2,
	.ended_by = "exit",
	.duration_us = 1204,
	.queued_us = 7,
	.stdout_bytes = 10,
	.stderr_bytes = 11,
};

/* Everything in the file; the caller frees. */
static char *contents(void)
{
	struct buf text = BUF_INIT(1 << 20);

	assert_int_equal(fd_read_file(path, &text, NULL), 0);
	return text.length > 0 ? buf_take_string(&text) : strdup("");
}

/* The one line that is there, parsed. */
static json_t *only_line(void)
{
	char *text = contents();
	json_t *line;

	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	free(text);
	return line;
}

static json_t *line_of(enum audit_args args, const struct call_record *call)
{
	struct audit *audit = audit_open(path, args, NULL);
	json_t *line;

	assert_non_null(audit);
	audit_end(audit, call);
	audit_close(audit);
	line = only_line();
	(void)unlink(path);
	return line;
}

static void says(json_t *line, const char *name, const char *expected)
{
	json_t *value = json_object_get(line, name);

	assert_non_null(value);
	if (expected)
		assert_string_equal(json_string_value(value), expected);
	else
		assert_true(json_is_null(value));
}

static void a_call_is_one_line_for_its_owner_alone(void **state)
{
	struct stat status;
	struct audit *audit = audit_open(path, AUDIT_ARGS_PROGRAM, NULL);
	json_t *line;

	(void)state;
	audit_end(audit, &ended);
	audit_close(audit);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	line = only_line();
	says(line, "event", "call");
	says(line, "principal", "alice");
	says(line, "session", "0123456789ab");
	says(line, "sandbox", "a16f70b0541a");
	says(line, "program", "make");
	says(line, "ended_by", "exit");
	says(line, "error", NULL);
	assert_int_equal(json_integer_value(json_object_get(line, "exit_code")), 2);
	assert_int_equal(json_integer_value(json_object_get(line, "duration_us")), 1204);
	assert_int_equal(json_integer_value(json_object_get(line, "queued_us")), 7);
	assert_int_equal(json_integer_value(json_object_get(line, "stdout_bytes")), 10);
	assert_int_equal(json_integer_value(json_object_get(line, "stderr_bytes")), 11);
	assert_null(json_object_get(line, "command"));
	json_decref(line);
}

static void of_a_command_the_first_word_is_told_if_it_holds_no_secret(void **state)
{
	static const char *const words[][2] = {
		{ "ls", "ls" },
		{ "  /usr/bin/env x", "/usr/bin/env" },
		{ "cd /x && make", "cd" },
		{ "cat<x", "cat" },
		{ "TOKEN=secret curl x", NULL },
		{ "\"$SECRET\" x", NULL },
		{ "$(secret)", NULL },
		{ "echo'secret'", NULL },
		{ "", NULL },
		{ "# secret", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		struct call_record call = ended;
		json_t *line;

		call.command = words[i][0];
		line = line_of(AUDIT_ARGS_PROGRAM, &call);
		says(line, "program", words[i][1]);
		json_decref(line);
	}
}

static void arguments_are_told_as_far_as_was_asked(void **state)
{
	const char *const args[] = { "/bin/x y", "--token=secret", "", NULL };
	struct call_record call = ended;
	json_t *line;

	(void)state;
	call.command = NULL;
	call.args = args;
	line = line_of(AUDIT_ARGS_NONE, &call);
	assert_null(json_object_get(line, "program"));
	assert_null(json_object_get(line, "args"));
	json_decref(line);
	line = line_of(AUDIT_ARGS_PROGRAM, &call);
	says(line, "program", "/bin/x y");
	assert_null(json_object_get(line, "args"));
	json_decref(line);
	line = line_of(AUDIT_ARGS_FULL, &call);
	assert_int_equal(json_array_size(json_object_get(line, "args")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(line, "args"), 1)),
			    "--token=secret");
	json_decref(line);
	line = line_of(AUDIT_ARGS_FULL, &ended);
	says(line, "command", "make -j4 \"x\"");
	json_decref(line);
}

/* The worst that a client can send still is one line that can be read. */
static void long_and_hostile_commands_are_cut_and_escaped(void **state)
{
	static char hostile[3 * LIMIT_AUDIT_TEXT_BYTES];
	static const char *many[LIMIT_AUDIT_TEXT_BYTES + 1];
	struct call_record call = ended;
	json_t *line;

	(void)state;
	memset(hostile, '\1', sizeof(hostile) - 1);
	hostile[0] = '\n';
	call.command = hostile;
	line = line_of(AUDIT_ARGS_FULL, &call);
	assert_true(json_string_length(json_object_get(line, "command")) <=
		    LIMIT_AUDIT_TEXT_BYTES + 3);
	json_decref(line);
	call.command = NULL;
	call.args = many;
	for (size_t i = 0; i < LIMIT_AUDIT_TEXT_BYTES; i++)
		many[i] = "\"";
	line = line_of(AUDIT_ARGS_FULL, &call);
	assert_true(json_array_size(json_object_get(line, "args")) < LIMIT_AUDIT_TEXT_BYTES / 3);
	json_decref(line);
	many[0] = hostile;
	many[1] = NULL;
	line = line_of(AUDIT_ARGS_PROGRAM, &call);
	assert_non_null(json_object_get(line, "program"));
	json_decref(line);
}

static void what_was_refused_has_its_kind_and_no_sentence(void **state)
{
	struct call_record call = ended;
	struct error quota = ERROR_INIT;
	char *text;
	json_t *line;

	(void)state;
	(void)error_set(&quota, ERROR_QUOTA, "yours are sbx_0123456789abcdef");
	call.principal = NULL;
	call.sandbox = "";
	call.ended_by = NULL;
	call.error = &quota;
	line = line_of(AUDIT_ARGS_PROGRAM, &call);
	says(line, "principal", NULL);
	says(line, "sandbox", NULL);
	says(line, "ended_by", NULL);
	says(line, "exit_code", NULL);
	says(line, "error", "quota");
	text = json_dumps(line, 0);
	assert_null(strstr(text, "sbx_"));
	free(text);
	json_decref(line);
	call.error = &no_error;
	call.was_cancelled = true;
	line = line_of(AUDIT_ARGS_PROGRAM, &call);
	says(line, "error", "cancelled");
	json_decref(line);
}

static void limit_size(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As on a disk that is full: the first line fits, the second in part, the third not at all. */
static void lines_that_do_not_fit_are_counted_and_told_of(void **state)
{
	struct audit *audit = audit_open(path, AUDIT_ARGS_NONE, NULL);
	struct stat status;
	char *text;

	(void)state;
	log_configure(LOG_ERROR, LOG_TEXT);
	audit_end(audit, &ended);
	assert_int_equal(stat(path, &status), 0);
	limit_size((rlim_t)status.st_size + 10);
	audit_end(audit, &ended);
	audit_end(audit, &ended);
	assert_int_equal(audit_lost(audit), 2);
	limit_size(RLIM_INFINITY);
	audit_end(audit, &ended);
	assert_int_equal(audit_lost(audit), 2);
	audit_close(audit);
	text = contents();
	assert_non_null(strstr(text, "\n{\"time\":\""));
	assert_non_null(strstr(text, "\"event\":\"lost\",\"lines\":2}\n{"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
}

static void a_call_that_cannot_be_written_down_may_not_begin(void **state)
{
	struct audit *audit = audit_open(path, AUDIT_ARGS_NONE, NULL);
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(audit_begin(audit, &ended, &err), 0);
	limit_size(1);
	assert_int_equal(audit_begin(audit, &ended, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_non_null(strstr(err.message, "File too large"));
	limit_size(RLIM_INFINITY);
	assert_int_equal(audit_begin(audit, &ended, &err), 0);
	/* Nothing is missing: that call did not run. */
	assert_int_equal(audit_lost(audit), 0);
	audit_close(audit);
}

static void a_renamed_file_is_left_behind(void **state)
{
	struct audit *audit = audit_open(path, AUDIT_ARGS_NONE, NULL);
	char old[80];
	struct stat status;

	(void)state;
	(void)snprintf(old, sizeof(old), "%s.1", path);
	audit_end(audit, &ended);
	assert_int_equal(audit_reopen(audit, NULL), 0);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(audit_reopen(audit, NULL), 0);
	audit_end(audit, &ended);
	json_decref(only_line());
	assert_int_equal(stat(old, &status), 0);
	/* Where none can be made, the old one goes on. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(old, path), 0);
	assert_int_equal(audit_reopen(audit, NULL), -1);
	audit_end(audit, &ended);
	audit_close(audit);
	assert_int_equal(unlink(old), 0);
}

static void what_is_no_plain_file_of_ones_own_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	struct audit *audit;

	(void)state;
	assert_null(audit_open("/dev/full", AUDIT_ARGS_NONE, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(audit_open(path, AUDIT_ARGS_NONE, &err));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_null(audit_open(path, AUDIT_ARGS_NONE, &err));
	assert_non_null(strstr(err.message, "symbolic link"));
	assert_int_equal(unlink(path), 0);
	audit = audit_open(path, AUDIT_ARGS_NONE, &err);
	audit_close(audit);
	assert_int_equal(chmod(path, 0644), 0);
	assert_null(audit_open(path, AUDIT_ARGS_NONE, &err));
	assert_non_null(strstr(err.message, "chmod 600"));
	/* A group may be meant to read it. */
	assert_int_equal(chmod(path, 0640), 0);
	audit = audit_open(path, AUDIT_ARGS_NONE, &err);
	assert_non_null(audit);
	audit_close(audit);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_one_line_for_its_owner_alone),
		TEST(of_a_command_the_first_word_is_told_if_it_holds_no_secret),
		TEST(arguments_are_told_as_far_as_was_asked),
		TEST(long_and_hostile_commands_are_cut_and_escaped),
		TEST(what_was_refused_has_its_kind_and_no_sentence),
		TEST(lines_that_do_not_fit_are_counted_and_told_of),
		TEST(a_call_that_cannot_be_written_down_may_not_begin),
		TEST(a_renamed_file_is_left_behind),
		TEST(what_is_no_plain_file_of_ones_own_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
