/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One call of the tool, from the request to the reply's bytes.
 *
 * Loop thread: call_start, call_cancel and the on_ callbacks. Worker thread (one
 * per running call): everything that blocks, and `encode`, which turns the
 * outcome into the reply so that the loop only writes bytes (a call that has
 * nothing but an error to tell may be encoded on the loop thread).
 */

#include "base/buf.h"
#include "base/error.h"
#include "exec/capture.h"
#include "exec/exec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct principal;
struct registry;
struct session;

#define CALL_HANDLE_BYTES 37 /* "sbx_" + 32 hex digits + NUL */

/* Which sandbox a call means. */
enum call_target {
	CALL_TARGET_SESSION,   /* the session's own (stdio process, legacy session) */
	CALL_TARGET_PRINCIPAL, /* its principal's own, which all its sessions share */
	CALL_TARGET_NEW,       /* a new one with a new handle */
	CALL_TARGET_HANDLE,    /* the one named by `handle`, if it is the principal's */
};

/* Owned by whoever fills it in until call_start takes it. */
struct call_request {
	enum call_target target;
	char handle[CALL_HANDLE_BYTES]; /* for CALL_TARGET_HANDLE */
	char *command;			/* or args; heap */
	char **args;			/* NULL-terminated; array and strings heap */
	char *working_directory;	/* heap or NULL */
	char *stdin_data;		/* heap or NULL */
	size_t stdin_bytes;
	uint64_t timeout_ms; /* checked by the caller against --max-timeout */
};

void call_request_finish(struct call_request *request);
/* What its contents take, roughly. */
size_t call_request_bytes(const struct call_request *request);

struct call_outcome {
	/* ERROR_NONE: `result` and `capture` are set. Else a sentence for the agent
	 * (UNAVAILABLE, BUSY, QUOTA, LOST, INVALID) or INTERNAL. */
	struct error error;
	struct exec_result result;
	const struct capture *capture; /* stdout and stderr with notices, UTF-8 repaired */
	/* What became of this output in the sandbox, after CALL_TOO_LARGE; else NULL. */
	const struct exec_saved *saved;
	/* The handle of the sandbox that ran it, for targets NEW and HANDLE; else "". */
	char handle[CALL_HANDLE_BYTES];
};

enum call_encoding {
	CALL_ENCODED,
	/* Nothing was appended: the output is too large to be sent. It is saved in the sandbox if
	 * that can be, and encode is called again, with outcome->saved: then it must do without. */
	CALL_TOO_LARGE,
};

struct call_callbacks {
	/* Worker thread, or loop thread for an error: append the whole reply message, at most
	 * LIMIT_REPLY_BYTES. Must not touch loop-owned state. */
	enum call_encoding (*encode)(void *context, const struct call_outcome *outcome,
				     struct buf *reply);
	/* Loop thread, about every 10 s and as creation reports; `message` is NULL when there is
	 * nothing to say but that the command runs. Never after on_done. */
	void (*on_progress)(void *context, uint64_t elapsed_ms, const char *message);
	/* Loop thread, exactly once; the call is gone afterwards. `reply` may be taken with
	 * buf_take_string, and is charged to the registry's budget no longer. is_cancelled: the
	 * caller asked for no answer. */
	void (*on_done)(void *context, struct buf *reply, bool is_cancelled);
	void *context;
};

/* Never fails: what cannot be started ends in on_done with an error outcome
 * (from the loop, never from inside call_start). Takes the request's contents. */
struct call *call_start(struct session *session, struct call_request *request,
			const struct call_callbacks *callbacks);
/* Kills the command; on_done follows with is_cancelled. */
void call_cancel(struct call *call);
