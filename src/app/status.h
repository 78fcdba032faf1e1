/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * /status.json (docs/status-page.md): what the server is doing, as one who asks
 * may see it. Bounded: each list has at most LIMIT_STATUS_ROWS entries, whatever
 * there is. No handle, no id of a session that a client uses, and nothing that
 * commands read or printed is in it. Loop thread.
 */

#include "base/buf.h"

#include <stdint.h>

struct endpoint;
struct history;
struct registry;

/* All borrowed. */
struct status_source {
	struct registry *registry;
	const struct endpoint *endpoint;
	const struct history *history;
	const char *backend;
	uint64_t started_ms; /* by clock_now_ms */
};

struct status_asker {
	const char *principal; /* NULL: the server has no tokens */
	bool is_operator;      /* sees everybody's; always without tokens */
};

/* Appends the whole answer. -1 if `out` could not take it: LIMIT_STATUS_BYTES is enough. */
int status_json(struct buf *out, const struct status_source *source,
		const struct status_asker *asker);
