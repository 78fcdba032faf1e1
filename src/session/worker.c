/* SPDX-License-Identifier: MIT */
#include "session/worker.h"

#include "base/limits.h"
#include "base/thread.h"

static void report(struct loop_task *task)
{
	struct worker *worker = CONTAINER_OF(task, struct worker, task);

	worker->done(worker);
}

static void work(void *context)
{
	struct worker *worker = context;

	worker->run(worker);
	/* The worker may be gone before this returns. */
	loop_post(worker->loop, &worker->task);
}

int worker_start(struct worker *worker, struct loop *loop, struct error *err)
{
	worker->loop = loop;
	worker->task.run = report;
	return thread_start(LIMIT_SMALL_STACK_BYTES, work, worker, err);
}
