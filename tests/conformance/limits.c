/* SPDX-License-Identifier: MIT */

/* A command that a limit of its sandbox stopped is told which one, and how large it is. A limit
 * that the backend does not have here is not tried. */

#include "tests/conformance/conformance.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "exec/notice.h"

#include <signal.h>
#include <string.h>

/* What its results say of the sandbox. */
static struct exec_limits read_limits(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "true");
	return run.result.limits;
}

/* Otherwise the case is skipped. */
static bool has_limit(struct suite *suite, uint64_t limit, const char *otherwise)
{
	if (limit == 0)
		suite->skip = otherwise;
	return limit > 0;
}

static bool is_told(const struct run *run, enum exec_limit limit, const char *before)
{
	const struct notice notice = { .request = &run->request, .result = &run->result };
	CLEANUP(buf_finish) struct buf lines = BUF_INIT(8192);
	char text[EXEC_LIMIT_TEXT_BYTES];
	char expected[256];

	exec_limit_describe(text, limit, &run->result.limits);
	(void)snprintf(expected, sizeof(expected), "[kilntainers: %s%s", before, text);
	(void)notice_append(&lines, &notice);
	(void)buf_append_byte(&lines, '\0');
	(void)printf("# expected: %s\n# notice: %s\n", expected, lines.data);
	return !lines.failed && strstr(lines.data, expected);
}

static void a_full_disk_is_told(struct suite *suite)
{
	CLEANUP(run_finish) struct run full = RUN_INIT;
	CLEANUP(run_finish) struct run fine = RUN_INIT;
	CLEANUP(run_finish) struct run after = RUN_INIT;

	if (!has_limit(suite, read_limits(suite).disk_bytes,
		       "its sandboxes have no disk limit here"))
		return;
	run_command(suite, &full, "dd if=/dev/zero of=large bs=1048576");
	CHECK(suite, run_exited(&full, 1));
	CHECK(suite, full.result.limits_hit == EXEC_LIMIT_DISK);
	CHECK(suite, is_told(&full, EXEC_LIMIT_DISK,
			     "the disk is full: the sandbox's files have reached "));
	/* Success is success. */
	run_command(suite, &fine, "true");
	CHECK(suite, run_exited(&fine, 0) && fine.result.limits_hit == 0);
	run_command(suite, &after, "rm large; exit 1");
	CHECK(suite, run_exited(&after, 1) && after.result.limits_hit == 0);
}

static void a_disk_that_holds_no_more_files_is_told(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	uint64_t disk_bytes = read_limits(suite).disk_bytes;
	char command[160];

	if (!has_limit(suite, disk_bytes, "its sandboxes have no disk limit here"))
		return;
	(void)snprintf(command, sizeof(command),
		       "mkdir many && cd many && seq 1 %llu | xargs touch 2>/dev/null; exit 3",
		       (unsigned long long)disk_bytes / 1024);
	run.request.command = command;
	run_in(suite->sandbox, &run);
	CHECK(suite, run_exited(&run, 3));
	CHECK(suite, run.result.limits_hit & (EXEC_LIMIT_FILES | EXEC_LIMIT_DISK));
}

/* Reads a line that never ends into memory. */
#define EAT_MEMORY "tail /dev/zero"

static void a_command_that_the_memory_limit_kills_is_told(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	if (!has_limit(suite, read_limits(suite).memory_bytes,
		       "its sandboxes have no memory limit here"))
		return;
	run_command(suite, &run, EAT_MEMORY);
	CHECK(suite, run.status == 0 && exec_result_exit_code(&run.result) == 128 + SIGKILL);
	CHECK(suite, run.result.limits_hit & EXEC_LIMIT_MEMORY);
	CHECK(suite, strcmp(exec_result_ended_by(&run.result), "memory") == 0);
	CHECK(suite, is_told(&run, EXEC_LIMIT_MEMORY, "killed by "));
}

static void a_child_that_the_memory_limit_kills_is_told(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run killed = RUN_INIT;

	if (!has_limit(suite, read_limits(suite).memory_bytes,
		       "its sandboxes have no memory limit here"))
		return;
	run_command(suite, &run, EAT_MEMORY "; exit 3");
	CHECK(suite, run_exited(&run, 3));
	CHECK(suite, strcmp(exec_result_ended_by(&run.result), "exit") == 0);
	CHECK(suite, is_told(&run, EXEC_LIMIT_MEMORY, "a process in the sandbox was killed by "));
	/* What somebody else killed later is not blamed on memory. */
	run_command(suite, &killed, "kill -9 $$");
	CHECK(suite, killed.status == 0 && killed.result.end == EXEC_END_SIGNAL);
	CHECK(suite, killed.result.limits_hit == 0);
	CHECK(suite, strcmp(exec_result_ended_by(&killed.result), "signal") == 0);
}

static void a_refused_process_is_told(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	uint64_t pids = read_limits(suite).pids;
	char command[160];

	if (!has_limit(suite, pids, "its sandboxes have no limit of processes here"))
		return;
	/* Some shells end at the first refusal, some wait and try again; then the timeout comes. */
	(void)snprintf(
		command, sizeof(command),
		"sh -c 'i=0; while [ $i -lt %llu ]; do sleep 1000 & i=$((i+1)); done; exit 3'",
		(unsigned long long)pids);
	run.request.command = command;
	run.request.timeout_ms = 30000;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && exec_result_exit_code(&run.result) != 0);
	CHECK(suite, run.result.limits_hit == EXEC_LIMIT_PIDS);
	CHECK(suite, is_told(&run, EXEC_LIMIT_PIDS, "a new process was refused by "));
}

const struct suite_case limits_cases[] = {
	{ "a full disk is told", NEEDS(NEED_SHELL), a_full_disk_is_told },
	{ "a disk that holds no more files is told", NEEDS(NEED_SHELL),
	  a_disk_that_holds_no_more_files_is_told },
	{ "a command that the memory limit kills is told", NEEDS(NEED_SHELL),
	  a_command_that_the_memory_limit_kills_is_told },
	{ "a child that the memory limit kills is told", NEEDS(NEED_SHELL),
	  a_child_that_the_memory_limit_kills_is_told },
	{ "a refused process is told", NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES),
	  a_refused_process_is_told },
	{ NULL, 0, NULL },
};
