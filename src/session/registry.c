/* SPDX-License-Identifier: MIT */
#include "session/registry.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "session/burial.h"
#include "session/lease.h"
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
	return registry;
}

void registry_destroy(struct registry *registry)
{
	if (!registry)
		return;
	assert(!registry->sessions);
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

/* --- sessions ------------------------------------------------------------ */

struct session *session_open(struct registry *registry)
{
	struct session *session = alloc_zeroed(sizeof(*session));

	session->registry = registry;
	DL_APPEND(registry->sessions, session);
	return session;
}

static void cancel_calls(struct session *session)
{
	struct call *call;

	/* Ends come from the loop: the list does not change under us. */
	DL_FOREACH (session->calls, call)
		call_cancel(call);
}

static void close_leases(struct session *session)
{
	struct lease *lease, *next;

	DL_FOREACH_SAFE (session->leases, lease, next)
		lease_close(lease);
}

void session_close(struct session *session)
{
	struct registry *registry = session->registry;

	cancel_calls(session);
	close_leases(session);
	session->is_closed = true;
	registry_something_ended(registry, session);
}

unsigned session_calls(const struct session *session)
{
	return session->call_count;
}

/* --- the end ------------------------------------------------------------- */

/* By a task of its own, so that nothing is closed under the feet of what has just ended. */
static void end_when_idle(struct loop_task *task)
{
	struct registry *registry = CONTAINER_OF(task, struct registry, end_task);
	struct session *session, *next;

	registry->is_end_posted = false;
	if (registry->calls > 0)
		return;
	DL_FOREACH_SAFE (registry->sessions, session, next)
		close_leases(session);
	if (registry->is_gone || registry->sandboxes > 0 || registry->creating > 0 ||
	    registry->preparation || registry->probe || !burial_is_idle(registry))
		return;
	registry->is_gone = true;
	loop_timer_stop(registry->grace_timer);
	registry->on_gone(registry->on_gone_context);
}

void registry_something_ended(struct registry *registry, struct session *session)
{
	if (session && session->is_closed && session->call_count == 0 && !session->leases) {
		DL_DELETE(registry->sessions, session);
		free(session);
	}
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
		cancel_calls(session);
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
	registry_something_ended(registry, NULL);
}
