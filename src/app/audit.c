/* SPDX-License-Identifier: MIT */
#include "app/audit.h"

#include "app/outcome.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct audit {
	char *path;
	enum audit_args args;
	int fd;
	bool is_torn;	   /* the last line was written in part */
	uint64_t lost;	   /* in all */
	uint64_t untold;   /* of these, those that no line tells of yet */
	int failure_errno; /* of the last line; 0: it was written */
};

/* --- the file --------------------------------------------------------------------------- */

static int check_file(int fd, const char *path, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "--audit-log: looking at %s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, ERROR_CONFIG, "--audit-log: %s is no plain file.", path);
	if (status.st_mode & (S_IWGRP | S_IRWXO))
		return error_set(err, ERROR_CONFIG,
				 "--audit-log: others may read or write %s: chmod 600 %s", path,
				 path);
	return 0;
}

static int open_file(const char *path, struct error *err)
{
	/* Without O_NONBLOCK, opening a FIFO waits for its reader. */
	CLEANUP(cleanup_fd)
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		      0600);

	if (fd < 0 && errno == ELOOP)
		return error_set(err, ERROR_CONFIG,
				 "--audit-log: %s is a symbolic link, which is not followed.",
				 path);
	if (fd < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "--audit-log: opening %s", path);
	return check_file(fd, path, err) < 0 ? -1 : take_fd(&fd);
}

struct audit *audit_open(const char *path, enum audit_args args, struct error *err)
{
	int fd = open_file(path, err);
	struct audit *audit;

	if (fd < 0)
		return NULL;
	audit = alloc_zeroed(sizeof(*audit));
	*audit = (struct audit){ .path = alloc_string(path), .args = args, .fd = fd };
	return audit;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	cleanup_fd(&audit->fd);
	free(audit->path);
	free(audit);
}

int audit_reopen(struct audit *audit, struct error *err)
{
	struct stat here, there;
	int fd;

	/* Nobody has moved it, so there is nothing to do; and it may be closed to us by now. */
	if (fstat(audit->fd, &here) == 0 && lstat(audit->path, &there) == 0 &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return 0;
	fd = open_file(audit->path, err);
	if (fd < 0)
		return -1;
	cleanup_fd(&audit->fd);
	audit->fd = fd;
	audit->is_torn = false;
	return 0;
}

uint64_t audit_lost(const struct audit *audit)
{
	return audit->lost;
}

/* --- writing ------------------------------------------------------------------------------ */

static int write_line(struct audit *audit, const struct buf *line)
{
	ssize_t written = write(audit->fd, line->data, line->length);

	if (written == (ssize_t)line->length)
		return 0;
	if (written >= 0)
		errno = ENOSPC;
	audit->is_torn |= written > 0;
	return -1;
}

static void begin_line(const struct audit *audit, struct buf *line, const char *event)
{
	/* What was torn off stays a line of its own, which is no JSON. */
	if (audit->is_torn)
		(void)buf_append_byte(line, '\n');
	(void)buf_append_string(line, "{\"time\":\"");
	log_append_time(line);
	(void)buf_printf(line, "\",\"event\":\"%s\"", event);
}

static void tell_lost(struct audit *audit)
{
	struct buf line = BUF_INIT(LIMIT_AUDIT_LINE_BYTES);

	if (audit->untold == 0)
		return;
	begin_line(audit, &line, "lost");
	(void)buf_printf(&line, ",\"lines\":%" PRIu64 "}\n", audit->untold);
	if (write_line(audit, &line) == 0) {
		log_event(LOG_WARNING, "audit_resumed", LOG_NUMBER("lost", audit->untold));
		audit->untold = 0;
		audit->is_torn = false;
	}
	buf_finish(&line);
}

/* Once for each time that it stops working, not once for each line. */
static void note_failure(struct audit *audit)
{
	if (audit->failure_errno != errno)
		log_event(LOG_ERROR, "audit_failed", LOG_STRING("file", audit->path),
			  LOG_STRING("error", error_errno_text(errno)));
	audit->failure_errno = errno;
}

/* Takes the line's bytes. */
static int put_line(struct audit *audit, struct buf *line)
{
	int result;

	(void)buf_append_string(line, "}\n");
	errno = ENOMEM;
	result = line->failed ? -1 : write_line(audit, line);
	if (result < 0) {
		note_failure(audit);
	} else {
		audit->failure_errno = 0;
		audit->is_torn = false;
	}
	buf_finish(line);
	return result;
}

/* --- what a line says ------------------------------------------------------------------- */

static void append_quoted(struct buf *line, const char *text, size_t bytes)
{
	(void)buf_append_byte(line, '"');
	(void)escape_append(line, text, bytes, LIMIT_AUDIT_TEXT_BYTES, ESCAPE_JSON);
	(void)buf_append_byte(line, '"');
}

static void append_text(struct buf *line, const char *name, const char *text)
{
	(void)buf_printf(line, ",\"%s\":", name);
	if (text)
		append_quoted(line, text, strlen(text));
	else
		(void)buf_append_string(line, "null");
}

/* A word that a shell takes as it is. Before the program there may be assignments, and in quotes
 * and expansions anything: secrets too. */
static size_t plain_word(const char *command)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@%+:,./-";
	size_t length = strspn(command, plain);

	return command[length] == '\0' || strchr(" \t\n;&|<>()", command[length]) ? length : 0;
}

static void append_program(struct buf *line, const struct call_record *call)
{
	const char *text =
		call->command ? call->command + strspn(call->command, " \t\n") : call->args[0];
	size_t length = call->command ? plain_word(text) : strlen(text);

	(void)buf_append_string(line, ",\"program\":");
	if (length > 0)
		append_quoted(line, text, length);
	else
		(void)buf_append_string(line, "null");
}

static void append_args(struct buf *line, const char *const *args)
{
	size_t room = LIMIT_AUDIT_TEXT_BYTES;

	(void)buf_append_string(line, ",\"args\":[");
	for (size_t i = 0; args[i]; i++) {
		size_t length = strlen(args[i]);

		if (i > 0)
			(void)buf_append_byte(line, ',');
		/* Each also takes its quotes and comma, or a million empty ones would be free. */
		if (length + 3 > room) {
			(void)buf_append_string(line, "\"...\"");
			break;
		}
		append_quoted(line, args[i], length);
		room -= length + 3;
	}
	(void)buf_append_byte(line, ']');
}

static void append_call(const struct audit *audit, struct buf *line, const struct call_record *call)
{
	append_text(line, "principal", call->principal);
	append_text(line, "session", call->session);
	append_text(line, "sandbox", *call->sandbox ? call->sandbox : NULL);
	if (audit->args == AUDIT_ARGS_PROGRAM)
		append_program(line, call);
	else if (audit->args == AUDIT_ARGS_FULL && call->command)
		append_text(line, "command", call->command);
	else if (audit->args == AUDIT_ARGS_FULL)
		append_args(line, call->args);
}

static void append_end(struct buf *line, const struct call_record *call)
{
	if (call->ended_by)
		(void)buf_printf(line, ",\"exit_code\":%d", call->exit_code);
	else
		(void)buf_append_string(line, ",\"exit_code\":null");
	append_text(line, "ended_by", call->ended_by);
	/* One word: a sentence may list its owner's handles. */
	append_text(line, "error", outcome_error(call));
	(void)buf_printf(line,
			 ",\"duration_us\":%" PRIu64 ",\"queued_us\":%" PRIu64
			 ",\"stdout_bytes\":%" PRIu64 ",\"stderr_bytes\":%" PRIu64,
			 call->duration_us, call->queued_us, call->stdout_bytes,
			 call->stderr_bytes);
}

int audit_begin(struct audit *audit, const struct call_record *call, struct error *err)
{
	struct buf line = BUF_INIT(LIMIT_AUDIT_LINE_BYTES);

	tell_lost(audit);
	begin_line(audit, &line, "call_begins");
	append_call(audit, &line, call);
	if (put_line(audit, &line) == 0)
		return 0;
	return error_set(err, ERROR_UNAVAILABLE,
			 "The audit log cannot be written (%s), and without it this server runs no "
			 "command. Tell whoever runs the server.",
			 error_errno_text(audit->failure_errno));
}

void audit_end(struct audit *audit, const struct call_record *call)
{
	struct buf line = BUF_INIT(LIMIT_AUDIT_LINE_BYTES);

	tell_lost(audit);
	begin_line(audit, &line, "call");
	append_call(audit, &line, call);
	append_end(&line, call);
	if (put_line(audit, &line) < 0) {
		audit->lost++;
		audit->untold++;
	}
}
