/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * --audit-log: a line of JSON for each call, appended to a file (docs/http.md
 * has the fields). What a command read or printed is never in it, and of what
 * it was only as much as --audit-args says.
 *
 * A line that cannot be written is counted, and said so as soon as lines can be
 * written again. With --audit-required each call is also written down before it
 * runs, and does not run if that fails. A line is one write to an open file
 * (O_APPEND), so several servers may share one.
 *
 * Loop thread.
 */

#include "app/http_config.h"
#include "session/observer.h"

#include <stdint.h>

struct audit;

/* Makes the file if there is none, for its owner alone. CONFIG if it is no plain file, or may be
 * read or written by anybody else than its owner and a group. */
struct audit *audit_open(const char *path, enum audit_args args, struct error *err);
/* Takes NULL. */
void audit_close(struct audit *audit);
/* Goes on in the file that is there now under this path: what SIGHUP means after the old one was
 * renamed. On failure the old one stays. */
int audit_reopen(struct audit *audit, struct error *err);

/* A call that is about to run. -1, for its caller: UNAVAILABLE. */
int audit_begin(struct audit *audit, const struct call_record *call, struct error *err);
void audit_end(struct audit *audit, const struct call_record *call);
/* Lines that could not be written, in all. */
uint64_t audit_lost(const struct audit *audit);
