/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one poll loop of a running command: feeds stdin while it reads stdout and
 * stderr, watches the deadline and the cancel flag, has the command killed when
 * one of them or the sink says so, and drains what is still in the pipes after
 * its end. Of a command that ran out of time, too, the sink gets what it had
 * printed. It knows no protocol: how a command reports and how it is killed are
 * the caller's, as two callbacks around one status descriptor.
 *
 * Runs on the thread of the call, blocking, with less than 48 KiB of stack. The
 * process must ignore SIGPIPE: a command that does not read its stdin is not an
 * error, the rest of the data is dropped.
 */

#include "base/error.h"
#include "exec/drain.h"
#include "exec/exec.h"

enum pump_event {
	PUMP_EVENT_NONE,    /* nothing new */
	PUMP_EVENT_STARTED, /* the program runs: its time counts from now */
	/* *result has end (EXIT, SIGNAL or NOT_STARTED), code and start_step, and duration_us if
	 * the other side measured it. After a kill was requested it means that the command and all
	 * its descendants are gone. */
	PUMP_EVENT_ENDED,
	PUMP_EVENT_LOST, /* the sandbox is dead or broke its protocol; the error says so */
};

enum pump_outcome {
	PUMP_ENDED,	  /* *result is complete */
	PUMP_UNCONFIRMED, /* *result is complete and was_reset; the caller must kill the sandbox */
	PUMP_LOST,	  /* the error of on_status */
};

struct pump {
	const struct exec_request *request;
	struct exec_sink *sink;
	/* Gets the output pipes that outlive the command. */
	struct drainer *drainer;
	/* clock_now_us() just before the command was sent: no command can have run for longer,
	 * whatever is reported. */
	uint64_t sent_us;

	/* The server's ends of the command's pipes, each its own open file description (pump_run
	 * makes them non-blocking). Taken in every case: closed, or passed to the drainer. */
	int stdin_fd; /* -1 if the command has /dev/null; its data comes from the request */
	int stdout_fd;
	int stderr_fd;

	/* Readable when on_status has something to read. Borrowed. Polled until ENDED or LOST. */
	int status_fd;
	/* Called when status_fd is readable or hung up. Must not block; reports one event per call
	 * and is called again while there is more. */
	enum pump_event (*on_status)(void *context, struct exec_result *result, struct error *err);
	/* Asks for the death of the command and all its descendants; must not block. Called at most
	 * once; also after ENDED, when what the command left behind floods its output or the call
	 * is cancelled: then nobody waits for the confirmation. */
	void (*request_kill)(void *context);
	void *context;
};

/*
 * Call as soon as the command was sent: request->timeout_ms counts from here.
 * A sandbox that is lost after the kill was requested counts as killed (was_reset).
 */
enum pump_outcome pump_run(const struct pump *pump, struct exec_result *result, struct error *err);
