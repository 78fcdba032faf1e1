/* SPDX-License-Identifier: MIT */

/*
 * `kilntainers exec`: one command in a fresh sandbox, as if it ran here. Its
 * output is written as it comes, its stdin is ours, its exit code too.
 *
 * One thread. Whoever reads our output may be slow: while a write would block,
 * signals and the deadline are still watched, and then the command is killed.
 */

#include "app/choose.h"
#include "app/command.h"
#include "app/start.h"
#include "app/stop.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "exec/notice.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* As docker run: the command's own codes stay below, a shell's 126 and 127 above. */
#define EXIT_OURS 125

/* A pipe that poll(2) calls writable takes this much without blocking (PIPE_BUF). */
#define WRITE_BYTES 4096

/* Why the sink had enough. */
enum enough {
	ENOUGH_NOT,
	ENOUGH_LIMIT,
	ENOUGH_READER_GONE,
	ENOUGH_CANCELLED,
	ENOUGH_DEADLINE,
	ENOUGH_WRITE_FAILED,
};

struct stream_sink {
	struct exec_sink base;
	const struct cancel *cancel;
	uint64_t deadline_ms; /* CLOCK_NEVER: none */
	uint64_t limit_bytes; /* 0: none */
	uint64_t seen_bytes;
	enum enough enough;
	int errno_value; /* of ENOUGH_WRITE_FAILED */
};

static enum enough wait_writable(const struct stream_sink *sink, int fd)
{
	struct pollfd ready[2] = { { fd, POLLOUT, 0 }, { sink->cancel->fd, POLLIN, 0 } };

	for (;;) {
		int count = poll(ready, 2, clock_poll_timeout(sink->deadline_ms));

		if (count < 0 && errno == EINTR)
			continue;
		if (ready[1].revents != 0)
			return ENOUGH_CANCELLED;
		if (count == 0 && clock_now_ms() >= sink->deadline_ms)
			return ENOUGH_DEADLINE;
		if (count != 0)
			return ENOUGH_NOT;
	}
}

static enum enough write_out(struct stream_sink *sink, int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		size_t piece = bytes < WRITE_BYTES ? bytes : WRITE_BYTES;
		enum enough enough = wait_writable(sink, fd);
		ssize_t written;

		if (enough != ENOUGH_NOT)
			return enough;
		written = write(fd, data, piece);
		if (written < 0 && errno != EINTR && errno != EAGAIN) {
			sink->errno_value = errno;
			return errno == EPIPE ? ENOUGH_READER_GONE : ENOUGH_WRITE_FAILED;
		}
		if (written > 0) {
			data += written;
			bytes -= (size_t)written;
		}
	}
	return ENOUGH_NOT;
}

static int on_output(struct exec_sink *base, enum exec_stream stream, const void *data,
		     size_t bytes)
{
	struct stream_sink *sink = CONTAINER_OF(base, struct stream_sink, base);
	int fd = stream == EXEC_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
	bool is_over = false;

	if (sink->limit_bytes > 0 && bytes > sink->limit_bytes - sink->seen_bytes) {
		bytes = (size_t)(sink->limit_bytes - sink->seen_bytes);
		is_over = true;
	}
	sink->seen_bytes += bytes;
	sink->enough = write_out(sink, fd, data, bytes);
	if (sink->enough == ENOUGH_NOT && is_over)
		sink->enough = ENOUGH_LIMIT;
	return sink->enough == ENOUGH_NOT ? 0 : -1;
}

static void say(const char *data, size_t bytes)
{
	(void)fd_write_all(STDERR_FILENO, data, bytes, NULL);
	(void)fd_write_all(STDERR_FILENO, "\n", 1, NULL);
}

/* The command was killed because the sink had enough. The notice of a tool call does not fit: it
 * says that no output was returned, and here it was. */
static int conclude_enough(const struct stream_sink *sink, struct error *err)
{
	char text[128];

	switch (sink->enough) {
	case ENOUGH_READER_GONE:
		return 128 + SIGPIPE;
	case ENOUGH_WRITE_FAILED:
		return error_set(err, ERROR_INTERNAL, "writing the command's output: %s",
				 error_errno_text(sink->errno_value));
	case ENOUGH_NOT:
	case ENOUGH_CANCELLED:
	case ENOUGH_DEADLINE:
	case ENOUGH_LIMIT:
		break;
	}
	(void)snprintf(text, sizeof(text),
		       "[kilntainers: output limit exceeded (%llu bytes). Command terminated.]",
		       (unsigned long long)sink->limit_bytes);
	say(text, strlen(text));
	return 1;
}

/* The exit code, or -1. */
static int conclude(const struct stream_sink *sink, const struct exec_request *request,
		    struct exec_result *result, struct error *err)
{
	const struct notice notice = { request, result, sink->limit_bytes };
	struct buf lines = BUF_INIT(LIMIT_PATH_BYTES + 1024);

	if (result->end == EXEC_END_OUTPUT_LIMIT && sink->enough == ENOUGH_DEADLINE)
		result->end = EXEC_END_TIMEOUT;
	if (result->end == EXEC_END_OUTPUT_LIMIT && sink->enough == ENOUGH_CANCELLED)
		result->end = EXEC_END_CANCELLED;
	if (result->end == EXEC_END_OUTPUT_LIMIT)
		return conclude_enough(sink, err);
	if (result->end == EXEC_END_CANCELLED)
		return 128 + stop_signal();
	(void)notice_append(&lines, &notice);
	if (lines.length > 0)
		say(lines.data, lines.length);
	buf_finish(&lines);
	return exec_result_exit_code(result);
}

/* A flag is meant; a variable or a default is for the server's calls. */
static uint64_t flag_number(const struct options *options, enum option_id id)
{
	return options->values[id].source == OPTION_FROM_FLAG ? (uint64_t)option_number(options, id)
							      : 0;
}

static int run_in(struct sandbox *sandbox, const struct options *options,
		  const struct cancel *cancel, struct error *err)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result = { 0 };
	struct stream_sink sink = { .base = { on_output }, .cancel = cancel };

	request.args = (const char *const *)options->operands;
	request.stdin_fd = STDIN_FILENO;
	request.timeout_ms = 1000 * flag_number(options, OPTION_TIMEOUT);
	request.cancel = cancel;
	sink.limit_bytes = flag_number(options, OPTION_OUTPUT_LIMIT);
	sink.deadline_ms =
		request.timeout_ms > 0 ? clock_now_ms() + request.timeout_ms : CLOCK_NEVER;
	if (sandbox_exec(sandbox, &request, &sink.base, &result, err) < 0)
		return -1;
	return conclude(&sink, &request, &result, err);
}

static void report_progress(void *context, const char *message)
{
	(void)context;
	log_event(LOG_INFO, "creating", LOG_STRING("progress", message));
}

static int run_with(struct backend *backend, const struct options *options,
		    const struct cancel *cancel, struct error *err)
{
	const struct backend_progress progress = { report_progress, NULL };
	struct sandbox *sandbox;
	int exit_code;

	if (backend_check(backend, err) < 0)
		return -1;
	sandbox = sandbox_create(backend, cancel, &progress, err);
	if (!sandbox)
		return -1;
	exit_code = run_in(sandbox, options, cancel, err);
	sandbox_destroy(sandbox);
	return exit_code;
}

static int exec_once(struct start *start, struct error *err)
{
	const struct backend_type *type;
	struct backend *backend;
	struct cancel cancel;
	const char *reason;
	int exit_code = -1;

	type = choose_backend(&start->config, &start->options, &reason, err);
	if (!type)
		return -1;
	config_raise_descriptors(&start->config);
	log_event(LOG_INFO, "backend_chosen", LOG_STRING("backend", type->name),
		  LOG_STRING("reason", reason));
	if (cancel_init(&cancel, err) < 0)
		return -1;
	/* What is made at once leaves nothing when it is killed; from here on something lives. */
	backend = choose_open(&start->config, type, err);
	stop_on_signal(&cancel);
	if (backend && rights_settle(&start->config.rights, backend, NULL, err) == 0)
		exit_code = run_with(backend, &start->options, &cancel, err);
	backend_close(backend);
	stop_on_signal(NULL);
	cancel_finish(&cancel);
	return exit_code;
}

int command_exec(int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	int exit_code = start_run(OPTION_COMMAND_EXEC, argc, argv, environment, exec_once, &err);

	if (exit_code >= 0)
		return exit_code;
	if (err.kind == ERROR_CANCELLED && stop_signal() != 0)
		return 128 + stop_signal();
	(void)start_report(&err);
	return EXIT_OURS;
}
