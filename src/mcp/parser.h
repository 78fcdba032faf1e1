/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A few threads for messages that are too large to be parsed on the loop
 * thread. The threads start with the first job. Jobs are handed in and come
 * back on the loop thread; different jobs may come back in any order.
 */

#include "base/loop.h"

#include <stdbool.h>

struct parser_pool;

/* Embedded in whatever is to be parsed; the pool borrows it until `done`. */
struct parser_job {
	void (*run)(struct parser_job *job);  /* parser thread (loop thread if none can be had) */
	void (*done)(struct parser_job *job); /* loop thread, once; then the job may go */
	struct loop_task task;
	struct parser_job *next;
	struct parser_pool *pool;
};

struct parser_pool *parser_pool_create(struct loop *loop);
void parser_pool_submit(struct parser_pool *pool, struct parser_job *job);
/* Whether it had not begun: then neither `run` nor `done` is called any more. */
bool parser_pool_withdraw(struct parser_pool *pool, struct parser_job *job);
/* Runs what was submitted, waits for the threads and calls every outstanding `done`. The loop no
 * longer runs. Takes NULL. */
void parser_pool_destroy(struct parser_pool *pool);
