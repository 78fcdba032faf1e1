/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One blocking piece of work on a small thread of its own, reported back to the
 * loop thread. Embedded in whatever the work is about; that object must live
 * until `done`, and may be freed in it. No JSON is parsed on these stacks
 * (parsers recurse).
 */

#include "base/loop.h"

struct worker {
	void (*run)(struct worker *worker);  /* the new thread */
	void (*done)(struct worker *worker); /* loop thread, once, after run */
	struct loop *loop;
	struct loop_task task;
};

/* Loop thread. run and done are set. On failure (ERROR_BUSY) neither is called. */
int worker_start(struct worker *worker, struct loop *loop, struct error *err);
