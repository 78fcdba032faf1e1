/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The sink of a tool call: keeps stdout and stderr up to a common limit, and
 * turns them into the text that the agent gets. One thread.
 */

#include "base/buf.h"
#include "exec/exec.h"

struct capture {
	struct exec_sink sink;
	uint64_t limit_bytes; /* stdout and stderr together; limit itself is still allowed */
	uint64_t seen_bytes;  /* never more than limit_bytes + one read */
	struct buf out;
	struct buf err;
};

void capture_init(struct capture *capture, uint64_t limit_bytes);
void capture_finish(struct capture *capture);

/*
 * After the command: applies the notices of exec/notice.h and repairs UTF-8.
 * timeout_ms is the request's. On failure (no memory) -1.
 */
int capture_conclude(struct capture *capture, const struct exec_request *request,
		     const struct exec_result *result, struct error *err);
