/* SPDX-License-Identifier: MIT */
#include "session/registry.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "session/burial.h"
#include "session/pool.h"
#include "session/state.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

static void on_grace_over(void *context);

struct registry *registry_create(struct loop *loop, struct backend *backend,
				 const struct registry_config *config)
{
	struct registry *registry = alloc_zeroed(sizeof(*registry));

	registry->loop = loop;
	registry->backend = backend;
	registry->config = *config;
	if (registry->config.create_ms == 0)
		registry->config.create_ms = LIMIT_CREATE_MS;
	if (registry->config.queue_wait_ms == 0)
		registry->config.queue_wait_ms = LIMIT_QUEUE_WAIT_MS;
	if (registry->config.progress_ms == 0)
		registry->config.progress_ms = LIMIT_PROGRESS_INTERVAL_MS;
	if (registry->config.pool_retry_ms == 0)
		registry->config.pool_retry_ms = LIMIT_POOL_RETRY_MS;
	(void)pthread_mutex_init(&registry->gate.mutex, NULL);
	registry->burial_timer = loop_timer_create(loop, burial_start_queued, registry);
	registry->grace_timer = loop_timer_create(loop, on_grace_over, registry);
	registry->pool = pool_create(registry);
	registry->unnamed = principal_create(registry);
	return registry;
}

void registry_destroy(struct registry *registry)
{
	struct principal *principal, *next;

	if (!registry)
		return;
	assert(!registry->sessions);
	HASH_ITER (hh, registry->principals, principal, next)
		principal_destroy(principal);
	principal_destroy(registry->unnamed);
	pool_destroy(registry->pool);
	loop_timer_destroy(registry->burial_timer);
	loop_timer_destroy(registry->grace_timer);
	(void)pthread_mutex_destroy(&registry->gate.mutex);
	free(registry->facts);
	free(registry);
}

int registry_pass_check(struct registry *registry, struct error *err)
{
	struct check_gate *gate = &registry->gate;
	int result = 0;

	pthread_mutex_lock(&gate->mutex);
	if (!gate->is_passed)
		result = backend_check(registry->backend, err);
	gate->is_passed = result == 0;
	pthread_mutex_unlock(&gate->mutex);
	/* At start-up this would have ended the program; for a call it is a sandbox that cannot be
	 * had. */
	if (result < 0 && err->kind == ERROR_CONFIG)
		err->kind = ERROR_UNAVAILABLE;
	return result;
}

/* --- the end ------------------------------------------------------------- */

/* By a task of its own, so that nothing is closed under the feet of what has just ended. */
static void end_when_idle(struct loop_task *task)
{
	struct registry *registry = CONTAINER_OF(task, struct registry, end_task);
	struct principal *principal, *next;

	registry->is_end_posted = false;
	if (registry->calls > 0)
		return;
	principal_close_leases(registry->unnamed);
	HASH_ITER (hh, registry->principals, principal, next)
		principal_close_leases(principal);
	if (registry->is_gone || registry->sandboxes > 0 || registry->creating > 0 ||
	    registry->preparation || registry->probe || !burial_is_idle(registry))
		return;
	registry->is_gone = true;
	loop_timer_stop(registry->grace_timer);
	registry->on_gone(registry->on_gone_context);
}

void registry_something_ended(struct registry *registry)
{
	pool_advance(registry->pool);
	if (!registry->is_shutting_down || registry->is_gone || registry->is_end_posted)
		return;
	registry->is_end_posted = true;
	registry->end_task.run = end_when_idle;
	loop_post(registry->loop, &registry->end_task);
}

static void on_grace_over(void *context)
{
	struct registry *registry = context;
	struct session *session;

	DL_FOREACH (registry->sessions, session)
		session_cancel_calls(session);
}

void registry_shut_down(struct registry *registry, uint64_t grace_ms,
			void (*on_gone)(void *context), void *context)
{
	registry->is_shutting_down = true;
	registry->on_gone = on_gone;
	registry->on_gone_context = context;
	pool_close(registry->pool);
	if (grace_ms > 0)
		loop_timer_start(registry->grace_timer, grace_ms);
	else
		on_grace_over(registry);
	registry_something_ended(registry);
}
