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
	uint64_t kept_bytes;  /* of both; never more than limit_bytes */
	struct buf out;
	struct buf err;
	size_t notices_at;	 /* in `err`: what comes from here on are notices, the first perhaps
				    behind a newline of its own */
	size_t printed_bytes[2]; /* by enum exec_stream, as all below */
	struct buf raw[2];	 /* as it came, where that had to be repaired */
};

void capture_init(struct capture *capture, uint64_t limit_bytes);
/* Before any output: what is kept is charged to it (borrowed; NULL: to nobody). Where it ends the
 * sink has enough, and conclude fails. */
void capture_set_budget(struct capture *capture, struct budget *budget);
void capture_finish(struct capture *capture);

/* There was no memory for some of the output: nothing can be said of the whole. */
bool capture_has_failed(const struct capture *capture);
/* Of such a command none of the output is returned. */
bool capture_is_withheld(const struct exec_result *result);
/* What was printed, byte by byte. Borrowed until the capture is concluded, or, when it was and the
 * output is not withheld, until it is finished. */
struct exec_output capture_output(const struct capture *capture);
/*
 * After the command: applies the notices of exec/notice.h and repairs UTF-8.
 * timeout_ms is the request's; `saved` (or NULL) is what became of output that is
 * withheld. Without memory for it all -1, ERROR_BUSY.
 */
int capture_conclude(struct capture *capture, const struct exec_request *request,
		     const struct exec_result *result, const struct exec_saved *saved,
		     struct error *err);
