/* SPDX-License-Identifier: MIT */
#include "exec/notice.h"

#include "base/attr.h"
#include "base/error.h"
#include "base/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* Enough to recognise a program by; the rest of a long name says nothing. */
#define NOTICE_NAME_BYTES 256

static void begin_line(struct buf *err)
{
	if (err->length > 0 && err->data[err->length - 1] != '\n')
		(void)buf_append_byte(err, '\n');
	(void)buf_append_string(err, "[kilntainers: ");
}

static void append_name(struct buf *err, const char *name)
{
	(void)buf_append_byte(err, '"');
	(void)escape_append(err, name, strlen(name), NOTICE_NAME_BYTES, ESCAPE_TEXT);
	(void)buf_append_byte(err, '"');
}

static void append_timeout(struct buf *err, uint64_t timeout_ms)
{
	begin_line(err);
	(void)buf_printf(err, "command timed out after %" PRIu64, timeout_ms / 1000);
	if (timeout_ms % 1000 != 0)
		(void)buf_printf(err, ".%03u", (unsigned)(timeout_ms % 1000));
	(void)buf_append_string(err, "s]");
}

static void append_output_limit(struct buf *err, uint64_t limit_bytes)
{
	begin_line(err);
	(void)buf_printf(err,
			 "output limit exceeded (%" PRIu64 " bytes). Command terminated. "
			 "No output returned. Re-run with head, tail, or grep to manage output "
			 "size.]",
			 limit_bytes);
}

static const char *what_next(const struct exec_result *result)
{
	if (result->code != EAGAIN)
		return "";
	if (result->has_reserve)
		return ". There is room now for a few commands that end processes and start none: "
		       "\"exec ps ax\", \"kill -9 PID\"";
	if (result->limits_hit & EXEC_LIMIT_ALL_PIDS)
		return ". No command can be started until processes end, here or in another "
		       "sandbox";
	return ". No command can be started until some of its processes end";
}

static void append_cannot_start(struct buf *err, const struct exec_request *request,
				const struct exec_result *result)
{
	const char *reason = error_errno_text(result->code);

	begin_line(err);
	(void)buf_append_string(err, "cannot start ");
	append_name(err, request->args ? request->args[0] : request->command);
	(void)buf_append_string(err, ": ");
	switch (result->start_step) {
	case EXEC_START_DIRECTORY:
		(void)buf_append_string(err, "working directory ");
		append_name(err, request->working_directory ? request->working_directory : "");
		(void)buf_printf(err, ": %s", reason);
		break;
	case EXEC_START_PROGRAM:
		(void)buf_printf(err, "%s%s", request->args ? "" : "the sandbox's shell: ", reason);
		break;
	case EXEC_START_PROCESS:
		(void)buf_printf(err, "no new process in the sandbox: %s%s", reason,
				 what_next(result));
		break;
	}
	(void)buf_append_byte(err, ']');
}

/* `option`: with which the operator sets it; NULL if that would not help, or is not known to. */
static void append_remedy(struct buf *err, const char *remedy, const char *option)
{
	(void)buf_printf(err, ". %s.", remedy);
	if (option)
		(void)buf_printf(err, " Only the operator can raise the limit (%s).", option);
	(void)buf_append_byte(err, ']');
}

/* Of a command that ended otherwise, it was something that it or another one had started. */
static void begin_kill(struct buf *err, const struct exec_result *result, enum exec_limit limit)
{
	bool was_it = strcmp(exec_result_ended_by(result), "memory") == 0;
	char text[EXEC_LIMIT_TEXT_BYTES];

	exec_limit_describe(text, limit, &result->limits);
	begin_line(err);
	(void)buf_printf(err, "%skilled by %s", was_it ? "" : "a process in the sandbox was ",
			 text);
}

static void append_memory(struct buf *err, const struct exec_result *result)
{
	const struct exec_limits *limits = &result->limits;

	begin_kill(err, result, EXEC_LIMIT_MEMORY);
	if (limits->disk_is_memory)
		(void)buf_append_string(err, " (the sandbox's files count too)");
	append_remedy(err,
		      limits->disk_is_memory ? "Use less memory at once, or delete files"
					     : "Use less memory at once",
		      limits->memory_bytes > 0 ? "--memory" : NULL);
}

static void append_machine(struct buf *err, const struct exec_result *result)
{
	begin_kill(err, result, EXEC_LIMIT_MACHINE);
	append_remedy(err, "Use less memory at once, or try again later", NULL);
}

static void append_pids(struct buf *err, const struct exec_result *result)
{
	char text[EXEC_LIMIT_TEXT_BYTES];

	exec_limit_describe(text, EXEC_LIMIT_PIDS, &result->limits);
	begin_line(err);
	(void)buf_printf(err, "a new process was refused by %s", text);
	/* What ends processes is a command too. */
	append_remedy(err,
		      result->end == EXEC_END_NOT_STARTED
			      ? "Start fewer at once"
			      : "End those that are not needed, or start fewer at once",
		      result->limits.pids > 0 ? "--pids-limit" : NULL);
}

static void append_all_pids(struct buf *err, const struct exec_result *result)
{
	char text[EXEC_LIMIT_TEXT_BYTES];

	exec_limit_describe(text, EXEC_LIMIT_ALL_PIDS, &result->limits);
	begin_line(err);
	(void)buf_printf(err, "a new process was refused by %s", text);
	append_remedy(err, "Start fewer at once, or try again later", NULL);
}

/* What is full stays so until something is deleted: told as a fact, whatever the command failed
 * of. */
static void append_disk(struct buf *err, const struct exec_result *result)
{
	bool is_limited = result->limits.disk_bytes > 0;
	char text[EXEC_LIMIT_TEXT_BYTES];

	exec_limit_describe(text, EXEC_LIMIT_DISK, &result->limits);
	begin_line(err);
	(void)buf_append_string(err, result->limits_hit & EXEC_LIMIT_DISK
					     ? "the disk is full"
					     : "the disk cannot hold one more file, however small");
	if (is_limited)
		(void)buf_printf(err, ": the sandbox's files have reached %s", text);
	append_remedy(err, "Delete files that are not needed", is_limited ? "--disk" : NULL);
}

static void append_limits(struct buf *err, const struct exec_result *result)
{
	static const struct {
		unsigned limits;
		void (*append)(struct buf *err, const struct exec_result *result);
	} lines[] = {
		{ EXEC_LIMIT_MEMORY, append_memory },
		{ EXEC_LIMIT_MACHINE, append_machine },
		{ EXEC_LIMIT_PIDS, append_pids },
		{ EXEC_LIMIT_ALL_PIDS, append_all_pids },
		{ EXEC_LIMIT_DISK | EXEC_LIMIT_FILES, append_disk },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		if (result->limits_hit & lines[i].limits)
			lines[i].append(err, result);
	}
}

/* The line that says why it ended. */
static void append_end(struct buf *err, const struct notice *notice)
{
	switch (notice->result->end) {
	case EXEC_END_TIMEOUT:
		append_timeout(err, notice->request->timeout_ms);
		break;
	case EXEC_END_OUTPUT_LIMIT:
		append_output_limit(err, notice->output_limit_bytes);
		break;
	case EXEC_END_NOT_STARTED:
		append_cannot_start(err, notice->request, notice->result);
		break;
	case EXEC_END_EXIT:
	case EXEC_END_SIGNAL:
	case EXEC_END_CANCELLED:
		break;
	}
}

int notice_append_saved(struct buf *err, const char *what, const struct exec_saved *saved)
{
	if (saved->paths[EXEC_STDOUT][0]) {
		begin_line(err);
		(void)buf_printf(err, "%s: %s (%zu bytes), %s (%zu bytes)]", what,
				 saved->paths[EXEC_STDOUT], saved->bytes[EXEC_STDOUT],
				 saved->paths[EXEC_STDERR], saved->bytes[EXEC_STDERR]);
	} else if (saved->reason[0]) {
		begin_line(err);
		(void)buf_printf(err, "output not saved: %s]", saved->reason);
	}
	return err->failed ? -1 : 0;
}

int notice_append(struct buf *err, const struct notice *notice)
{
	append_end(err, notice);
	if (notice->saved)
		(void)notice_append_saved(err, "output so far", notice->saved);
	append_limits(err, notice->result);
	if (notice->result->was_reset) {
		begin_line(err);
		(void)buf_append_string(err,
					"the sandbox was reset because the command could not be "
					"killed; its files are gone]");
	}
	return err->failed ? -1 : 0;
}
