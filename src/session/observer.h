/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the room tells of what has ended, for audit, metrics and whoever wants to
 * see recent calls; and the one who may forbid a call to begin. Loop thread; everything is borrowed
 * for the time of the callback, which must not call back into this room. What clients sent is as
 * they sent it: whoever shows it escapes it.
 */

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* One call, run or refused. */
struct call_record {
	const char *principal; /* NULL: the unnamed */
	const char *session;   /* its tag */
	const char *sandbox;   /* public id of the one that it ran in; "": it did not */
	/* As asked; one of them is NULL. */
	const char *command;
	const char *const *args;
	/* What its caller was told instead of a result; kind NONE: nothing. */
	const struct error *error;
	int exit_code;	      /* with ended_by */
	const char *ended_by; /* as exec_result_ended_by; NULL: there is no result */
	uint64_t duration_us; /* the command's own; 0: it did not run to an end */
	uint64_t queued_us;   /* from the call's arrival to its start, or to its end without one */
	/* What the command printed, also where none of it was returned. */
	uint64_t stdout_bytes, stderr_bytes;
	bool was_cancelled; /* by its caller, who got no answer */
};

/* Each function may be NULL. */
struct registry_observer {
	/* Before a call's command is started, with what is known of it by then. -1: it is not, and
	 * its caller is told. Calls that are refused for other reasons may never come here. */
	int (*on_start)(void *context, const struct call_record *record, struct error *err);
	/* Once for each call, before its on_done. */
	void (*on_call)(void *context, const struct call_record *record);
	/* A sandbox was made (`err` is NULL) or was not, also for the pool; CANCELLED: nobody
	 * wanted it any more. */
	void (*on_creation)(void *context, uint64_t duration_us, const struct error *err);
	void *context;
};

/* A command as one line, arguments quoted as for a shell; cut after LIMIT_COMMAND_TEXT_BYTES, at
 * any byte. Not escaped. */
void observer_append_command(struct buf *text, const char *command, const char *const *args);
