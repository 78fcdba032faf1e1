/* SPDX-License-Identifier: MIT */
#include "session/demand.h"

#include "base/clock.h"
#include "session/burial.h"
#include "session/creation.h"
#include "session/ending.h"
#include "session/lease.h"
#include "session/pool.h"
#include "session/turns.h"

#include <inttypes.h>
#include <utlist.h>

void demand_count(struct lease *lease)
{
	lease->principal->sandboxes++;
}

void demand_uncount(struct lease *lease)
{
	lease->principal->sandboxes--;
	lease->principal->registry->sandboxes--;
}

void demand_withdraw(struct lease *lease)
{
	loop_timer_stop(lease->timer);
	turns_leave(lease);
	if (lease->creation)
		creation_abandon(lease->creation);
	lease->creation = NULL;
	lease->state = LEASE_EMPTY;
	demand_uncount(lease);
}

static void give_up(struct lease *lease, const struct error *error)
{
	demand_withdraw(lease);
	lease_refuse_all(lease, error);
	lease_settle(lease);
}

void demand_on_late(struct lease *lease)
{
	const struct registry *registry = lease->principal->registry;
	struct error error = ERROR_INIT;

	if (lease->state == LEASE_QUEUED)
		(void)error_set(&error, ERROR_BUSY,
				"Server is busy: %u sandboxes being created. Nothing was run. Try "
				"again later.",
				registry->creating);
	else
		(void)error_set(&error, ERROR_UNAVAILABLE,
				"No sandbox could be created within %" PRIu64
				" s. Nothing was run. Try again later.",
				registry->config.create_ms / 1000);
	give_up(lease, &error);
}

static void wait_for_creation(struct lease *lease)
{
	lease->state = LEASE_CREATING;
	loop_timer_start(lease->timer, lease->principal->registry->config.create_ms);
}

void demand_start_queued(struct registry *registry)
{
	while (registry->creating < registry->config.max_creating && burial_leaves_room(registry)) {
		struct lease *lease = turns_take(registry, TURN_CREATE);
		struct error error = ERROR_INIT;

		if (!lease)
			return;
		lease->creation = creation_start(lease, &error);
		if (lease->creation)
			wait_for_creation(lease);
		else
			give_up(lease, &error);
	}
}

/* Its calls may run. */
static void receive(struct lease *lease, struct sandbox *sandbox)
{
	struct registry *registry = lease->principal->registry;
	struct call *call;

	loop_timer_stop(lease->timer);
	lease->state = LEASE_READY;
	lease->sandbox = sandbox;
	lease->since_ms = lease->idle_since_ms = clock_now_ms();
	ending_watch(lease);
	DL_FOREACH2 (lease->waiting, call, queue_next)
		call_restart_queue_timer(call);
	pool_on_served(registry->pool);
	lease_advance(lease);
}

/* What the pool has, even if it is only half made. */
static bool take_pooled(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;
	struct sandbox *sandbox = pool_take(registry->pool);

	if (!sandbox)
		lease->creation = pool_take_creation(registry->pool, lease);
	if (!sandbox && !lease->creation)
		return false;
	demand_count(lease);
	if (sandbox)
		receive(lease, sandbox);
	else
		wait_for_creation(lease);
	return true;
}

static int check_room(const struct registry *registry, struct error *err)
{
	if (registry->sandboxes < registry->config.max_sandboxes)
		return 0;
	return error_set(err, ERROR_QUOTA,
			 "This server is at its limit of %u sandboxes. Nothing was run. Use a "
			 "sandbox that you already have, or try again later.",
			 registry->config.max_sandboxes);
}

void demand_sandbox(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;
	struct error error = ERROR_INIT;

	if (principal_check_quota(lease, &error) < 0) {
		lease_refuse_all(lease, &error);
		return;
	}
	if (take_pooled(lease))
		return;
	if (check_room(registry, &error) < 0) {
		lease_refuse_all(lease, &error);
		return;
	}
	registry->sandboxes++;
	demand_count(lease);
	lease->state = LEASE_QUEUED;
	turns_enter(lease, TURN_CREATE);
	loop_timer_start(lease->timer, registry->config.queue_wait_ms);
	demand_start_queued(registry);
}

void demand_on_created(struct lease *lease, struct sandbox *sandbox, const struct error *err)
{
	lease->creation = NULL;
	if (!sandbox) {
		give_up(lease, err);
		return;
	}
	lease_pin(lease);
	receive(lease, sandbox);
	lease_unpin(lease);
}

void demand_on_progress(struct lease *lease, const char *message)
{
	struct call *call;

	DL_FOREACH2 (lease->waiting, call, queue_next)
		call_report_progress(call, message);
}
