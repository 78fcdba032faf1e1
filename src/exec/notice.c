/* SPDX-License-Identifier: MIT */
#include "exec/notice.h"

#include "base/error.h"
#include "base/escape.h"

#include <errno.h>
#include <inttypes.h>
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
				 result->code == EAGAIN ? ". End some of its processes" : "");
		break;
	}
	(void)buf_append_byte(err, ']');
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

int notice_append(struct buf *err, const struct notice *notice)
{
	append_end(err, notice);
	if (notice->result->was_reset) {
		begin_line(err);
		(void)buf_append_string(err,
					"the sandbox was reset because the command could not be "
					"killed; its files are gone]");
	}
	return err->failed ? -1 : 0;
}
