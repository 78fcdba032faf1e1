/* SPDX-License-Identifier: MIT */
#include "exec/notice.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const char *const test_args[] = { "prog", NULL };

static const struct exec_limits known = {
	.memory_bytes = 1024 * MIB, .pids = 256, .disk_bytes = 64 * MIB, .disk_is_memory = true
};

#define KILLED_1_GIB                                                                               \
	"killed by the memory limit of 1 GiB (the sandbox's files count too). Use less memory at " \
	"once, or delete files. Only the operator can raise the limit (--memory).]"
#define REFUSED_256                                                                                \
	"[kilntainers: a new process was refused by the limit of 256 processes and threads. End "  \
	"those that are not needed, or start fewer at once. Only the operator can raise the "      \
	"limit (--pids-limit).]"

static void assert_notice(const struct exec_result *result, const char *expected)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	const struct notice notice = { &request, result, 100 };
	struct buf lines = BUF_INIT(4096);

	request.args = test_args;
	request.timeout_ms = 2000;
	assert_int_equal(notice_append(&lines, &notice), 0);
	(void)buf_append_byte(&lines, '\0');
	assert_string_equal(lines.data, expected);
	buf_finish(&lines);
}

static void a_command_that_the_memory_limit_killed_is_told_so(void **state)
{
	struct exec_result result = { .end = EXEC_END_SIGNAL,
				      .code = SIGKILL,
				      .limits_hit = EXEC_LIMIT_MEMORY,
				      .limits = known };

	(void)state;
	assert_notice(&result, "[kilntainers: " KILLED_1_GIB);
	/* A shell that passes on what ended its last command. */
	result.end = EXEC_END_EXIT;
	result.code = 137;
	assert_notice(&result, "[kilntainers: " KILLED_1_GIB);
	result.limits = (struct exec_limits){ 0 };
	assert_notice(&result,
		      "[kilntainers: killed by the memory limit. Use less memory at once.]");
}

static void a_child_that_the_memory_limit_killed_is_told_too(void **state)
{
	const struct exec_result result = {
		.end = EXEC_END_EXIT, .code = 1, .limits_hit = EXEC_LIMIT_MEMORY, .limits = known
	};

	(void)state;
	assert_notice(&result, "[kilntainers: a process in the sandbox was " KILLED_1_GIB);
}

static void a_machine_without_memory_is_not_blamed_on_the_sandbox(void **state)
{
	struct exec_result result = { .end = EXEC_END_SIGNAL,
				      .code = SIGKILL,
				      .limits_hit = EXEC_LIMIT_MACHINE,
				      .limits = known };

	(void)state;
	assert_notice(&result,
		      "[kilntainers: killed by the memory limit of all sandboxes together, "
		      "or of the machine. Use less memory at once, or try again later.]");
	assert_string_equal(exec_result_ended_by(&result), "memory");
}

static void a_refused_process_names_the_limit(void **state)
{
	struct exec_result result = {
		.end = EXEC_END_EXIT, .code = 2, .limits_hit = EXEC_LIMIT_PIDS, .limits = known
	};

	(void)state;
	assert_notice(&result, REFUSED_256);
	result.limits.pids = 0;
	assert_notice(&result, "[kilntainers: a new process was refused by the limit of processes "
			       "and threads. End those that are not needed, or start fewer at "
			       "once.]");
	result = (struct exec_result){ .end = EXEC_END_NOT_STARTED,
				       .start_step = EXEC_START_PROCESS,
				       .code = EAGAIN,
				       .limits_hit = EXEC_LIMIT_PIDS,
				       .limits = known };
	assert_notice(
		&result,
		"[kilntainers: cannot start \"prog\": no new process in the sandbox: Resource "
		"temporarily unavailable. No command can be started until some of its processes "
		"end]\n[kilntainers: a new process was refused by the limit of 256 processes "
		"and threads. Start fewer at once. Only the operator can raise the limit "
		"(--pids-limit).]");
	result.has_reserve = true;
	assert_notice(
		&result,
		"[kilntainers: cannot start \"prog\": no new process in the sandbox: Resource "
		"temporarily unavailable. There is room now for a few commands that end processes "
		"and start none: \"exec ps ax\", \"kill -9 PID\"]\n[kilntainers: a new process was "
		"refused by the limit of 256 processes and threads. Start fewer at once. Only the "
		"operator can raise the limit (--pids-limit).]");
}

static void a_full_machine_is_not_blamed_on_the_sandbox(void **state)
{
	struct exec_result result = {
		.end = EXEC_END_EXIT, .code = 2, .limits_hit = EXEC_LIMIT_ALL_PIDS, .limits = known
	};

	(void)state;
	assert_notice(&result, "[kilntainers: a new process was refused by the limit of processes "
			       "and threads of all sandboxes together. Start fewer at once, or try "
			       "again later.]");
	result.end = EXEC_END_NOT_STARTED;
	result.start_step = EXEC_START_PROCESS;
	result.code = EAGAIN;
	assert_notice(&result,
		      "[kilntainers: cannot start \"prog\": no new process in the sandbox: "
		      "Resource temporarily unavailable. No command can be started until "
		      "processes end, here or in another sandbox]\n[kilntainers: a new "
		      "process was refused by the limit of processes and threads of all "
		      "sandboxes together. Start fewer at once, or try again later.]");
	assert_string_equal(exec_result_ended_by(&result), "pids");
}

static void a_full_disk_names_the_limit(void **state)
{
	struct exec_result result = {
		.end = EXEC_END_EXIT, .code = 1, .limits_hit = EXEC_LIMIT_DISK, .limits = known
	};

	(void)state;
	assert_notice(&result, "[kilntainers: the disk is full: the sandbox's files have reached "
			       "the disk limit of 64 MiB. Delete files that are not needed. Only "
			       "the operator can raise the limit (--disk).]");
	result.limits_hit = EXEC_LIMIT_FILES;
	assert_notice(&result, "[kilntainers: the disk cannot hold one more file, however small: "
			       "the sandbox's files have reached the disk limit of 64 MiB. Delete "
			       "files that are not needed. Only the operator can raise the limit "
			       "(--disk).]");
	result.limits.disk_bytes = 0;
	result.limits_hit = EXEC_LIMIT_DISK;
	assert_notice(&result,
		      "[kilntainers: the disk is full. Delete files that are not needed.]");
}

static void why_it_ended_comes_first_then_every_limit(void **state)
{
	const struct exec_result result = { .end = EXEC_END_TIMEOUT,
					    .limits_hit = EXEC_LIMIT_MEMORY | EXEC_LIMIT_PIDS |
							  EXEC_LIMIT_DISK,
					    .was_reset = true };

	(void)state;
	assert_notice(
		&result,
		"[kilntainers: command timed out after 2s]\n"
		"[kilntainers: a process in the sandbox was killed by the memory limit. Use "
		"less memory at once.]\n"
		"[kilntainers: a new process was refused by the limit of processes and "
		"threads. End those that are not needed, or start fewer at once.]\n"
		"[kilntainers: the disk is full. Delete files that are not needed.]\n"
		"[kilntainers: the sandbox was reset because the command could not be killed; "
		"its files are gone]");
}

static void limits_that_were_not_hit_are_not_spoken_of(void **state)
{
	const struct exec_result result = { .end = EXEC_END_SIGNAL,
					    .code = SIGKILL,
					    .limits = known };

	(void)state;
	assert_notice(&result, "");
}

static void the_way_it_ended_has_one_name(void **state)
{
	static const struct {
		struct exec_result result;
		const char *name;
	} rows[] = {
		{ { .end = EXEC_END_EXIT, .code = 3 }, "exit" },
		{ { .end = EXEC_END_SIGNAL, .code = 9 }, "signal" },
		{ { .end = EXEC_END_TIMEOUT }, "timeout" },
		{ { .end = EXEC_END_OUTPUT_LIMIT }, "output_limit" },
		{ { .end = EXEC_END_CANCELLED }, "cancelled" },
		{ { .end = EXEC_END_NOT_STARTED, .code = ENOENT }, "exit" },
		{ { .end = EXEC_END_TIMEOUT, .was_reset = true }, "reset" },
		/* Killed, and the limit did kill: it was that. */
		{ { .end = EXEC_END_SIGNAL, .code = 9, .limits_hit = EXEC_LIMIT_MEMORY },
		  "memory" },
		{ { .end = EXEC_END_EXIT, .code = 137, .limits_hit = EXEC_LIMIT_MEMORY },
		  "memory" },
		/* Something else of the sandbox was killed. */
		{ { .end = EXEC_END_EXIT, .code = 1, .limits_hit = EXEC_LIMIT_MEMORY }, "exit" },
		{ { .end = EXEC_END_SIGNAL, .code = 11, .limits_hit = EXEC_LIMIT_MEMORY },
		  "signal" },
		{ { .end = EXEC_END_TIMEOUT, .limits_hit = EXEC_LIMIT_MEMORY }, "timeout" },
		{ { .end = EXEC_END_TIMEOUT, .limits_hit = EXEC_LIMIT_MEMORY, .was_reset = true },
		  "reset" },
		/* Refused before it began, or while it ran. */
		{ { .end = EXEC_END_NOT_STARTED,
		    .start_step = EXEC_START_PROCESS,
		    .code = EAGAIN,
		    .limits_hit = EXEC_LIMIT_PIDS },
		  "pids" },
		{ { .end = EXEC_END_NOT_STARTED, .start_step = EXEC_START_PROCESS, .code = EAGAIN },
		  "exit" },
		{ { .end = EXEC_END_EXIT, .code = 2, .limits_hit = EXEC_LIMIT_PIDS }, "exit" },
		{ { .end = EXEC_END_EXIT, .code = 1, .limits_hit = EXEC_LIMIT_DISK }, "exit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_string_equal(exec_result_ended_by(&rows[i].result), rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_the_memory_limit_killed_is_told_so),
		cmocka_unit_test(a_child_that_the_memory_limit_killed_is_told_too),
		cmocka_unit_test(a_machine_without_memory_is_not_blamed_on_the_sandbox),
		cmocka_unit_test(a_refused_process_names_the_limit),
		cmocka_unit_test(a_full_machine_is_not_blamed_on_the_sandbox),
		cmocka_unit_test(a_full_disk_names_the_limit),
		cmocka_unit_test(why_it_ended_comes_first_then_every_limit),
		cmocka_unit_test(limits_that_were_not_hit_are_not_spoken_of),
		cmocka_unit_test(the_way_it_ended_has_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
