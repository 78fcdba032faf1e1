/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The last calls that ended, for the status page: bounded in number and in
 * bytes, in memory alone, gone with the process. What commands printed is not
 * in it, nor any handle. Loop thread.
 */

#include "app/excerpt.h"
#include "backend/backend.h"
#include "base/limits.h"
#include "session/observer.h"

#include <stdbool.h>
#include <stdint.h>

struct history;

struct history *history_create(void);
/* Takes NULL. */
void history_destroy(struct history *history);

/* Copies what it keeps; the oldest call makes room. */
void history_add(struct history *history, const struct call_record *record);

/* Of one call; borrowed for the visit. */
struct history_call {
	char *principal;		/* NULL: the unnamed one */
	char sandbox[SANDBOX_ID_BYTES]; /* empty: it had none */
	char command[EXCERPT_BYTES(LIMIT_STATUS_TEXT_BYTES)];
	char error[EXCERPT_BYTES(LIMIT_STATUS_TEXT_BYTES)]; /* empty: it has a result */
	bool has_result;      /* else only `error` or `ended_by` says why */
	const char *ended_by; /* static; or NULL */
	int exit_code;
	uint64_t duration_us;
	uint64_t stdout_bytes;
	uint64_t stderr_bytes;
	uint64_t ended_ms; /* by clock_now_ms */
};

/* The newest first. `principal` NULL visits all; else those of the principal of this name. */
void history_each(const struct history *history, const char *principal,
		  void (*visit)(void *context, const struct history_call *call), void *context);
