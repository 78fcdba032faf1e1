/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * /metrics: what the server has done and what it uses, for Prometheus. The
 * names are documented in docs/operations.md and do not change. No label names
 * a client, a session or a sandbox. Loop thread.
 */

#include "base/buf.h"
#include "base/loop.h"
#include "session/observer.h"

#include <stdint.h>

struct metrics_page;

/* Opens what is read of this process later, when it can be opened no more. */
struct metrics_page *metrics_page_create(void);
/* Takes NULL. */
void metrics_page_destroy(struct metrics_page *page);

/* As those of struct registry_observer. */
void metrics_page_note_call(struct metrics_page *page, const struct call_record *call);
void metrics_page_note_creation(struct metrics_page *page, uint64_t duration_us,
				const struct error *err);

/* What is known elsewhere at the moment of asking. */
struct metrics_now {
	const char *backend;
	uint64_t uptime_s;
	unsigned sessions; /* of clients that have sessions */
	unsigned sandboxes, sandboxes_pooled, sandboxes_creating, sandboxes_removing;
	unsigned calls_running, calls_waiting;
	unsigned connections, requests, streams;
	uint64_t buffered_bytes, max_buffered_bytes;
	uint64_t audit_lost;
	const struct histogram *loop_stalls;
};

void metrics_page_append(const struct metrics_page *page, struct buf *out,
			 const struct metrics_now *now);
