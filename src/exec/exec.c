/* SPDX-License-Identifier: MIT */
#include "exec/exec.h"

#include "base/number.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/* What a shell says in the same case. */
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_TIMEOUT 124
#define EXIT_OUTPUT_LIMIT 1
#define EXIT_SIGNAL_BASE 128

int exec_result_exit_code(const struct exec_result *result)
{
	switch (result->end) {
	case EXEC_END_EXIT:
		return result->code;
	case EXEC_END_SIGNAL:
		return EXIT_SIGNAL_BASE + result->code;
	case EXEC_END_OUTPUT_LIMIT:
		return EXIT_OUTPUT_LIMIT;
	case EXEC_END_NOT_STARTED:
		return result->start_step == EXEC_START_PROGRAM && result->code == ENOENT
			       ? EXIT_NOT_FOUND
			       : EXIT_NOT_EXECUTABLE;
	case EXEC_END_TIMEOUT:
	case EXEC_END_CANCELLED:
		break;
	}
	return EXIT_TIMEOUT;
}

static bool was_killed_for_memory(const struct exec_result *result)
{
	/* A shell passes on what ended its last command. */
	bool is_sigkill =
		(result->end == EXEC_END_SIGNAL && result->code == SIGKILL) ||
		(result->end == EXEC_END_EXIT && result->code == EXIT_SIGNAL_BASE + SIGKILL);

	return is_sigkill && (result->limits_hit & (EXEC_LIMIT_MEMORY | EXEC_LIMIT_MACHINE));
}

static bool was_refused_a_process(const struct exec_result *result)
{
	return result->end == EXEC_END_NOT_STARTED && result->start_step == EXEC_START_PROCESS &&
	       (result->limits_hit & (EXEC_LIMIT_PIDS | EXEC_LIMIT_ALL_PIDS));
}

const char *exec_result_ended_by(const struct exec_result *result)
{
	static const char *const names[] = {
		[EXEC_END_EXIT] = "exit",	    [EXEC_END_SIGNAL] = "signal",
		[EXEC_END_TIMEOUT] = "timeout",	    [EXEC_END_OUTPUT_LIMIT] = "output_limit",
		[EXEC_END_CANCELLED] = "cancelled", [EXEC_END_NOT_STARTED] = "exit",
	};

	if (result->was_reset)
		return "reset";
	if (was_killed_for_memory(result))
		return "memory";
	if (was_refused_a_process(result))
		return "pids";
	return names[result->end];
}

static void describe_size(char text[EXEC_LIMIT_TEXT_BYTES], const char *what, uint64_t bytes)
{
	char value[NUMBER_TEXT_BYTES];

	number_format_bytes(value, bytes);
	(void)snprintf(text, EXEC_LIMIT_TEXT_BYTES, "the %s limit%s%s", what,
		       bytes > 0 ? " of " : "", bytes > 0 ? value : "");
}

void exec_limit_describe(char text[EXEC_LIMIT_TEXT_BYTES], enum exec_limit limit,
			 const struct exec_limits *limits)
{
	char number[NUMBER_TEXT_BYTES];

	switch (limit) {
	case EXEC_LIMIT_MEMORY:
		describe_size(text, "memory", limits->memory_bytes);
		return;
	case EXEC_LIMIT_MACHINE:
		(void)snprintf(text, EXEC_LIMIT_TEXT_BYTES,
			       "the memory limit of all sandboxes together, or of the machine");
		return;
	case EXEC_LIMIT_PIDS:
		(void)snprintf(number, sizeof(number), "%" PRIu64 " ", limits->pids);
		(void)snprintf(text, EXEC_LIMIT_TEXT_BYTES, "the limit of %sprocesses and threads",
			       limits->pids > 0 ? number : "");
		return;
	case EXEC_LIMIT_ALL_PIDS:
		(void)snprintf(text, EXEC_LIMIT_TEXT_BYTES,
			       "the limit of processes and threads of all sandboxes together");
		return;
	case EXEC_LIMIT_DISK:
	case EXEC_LIMIT_FILES:
		describe_size(text, "disk", limits->disk_bytes);
		return;
	}
	assert(false);
}
