/* SPDX-License-Identifier: MIT */
#include "session/ending.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/burial.h"
#include "session/demand.h"
#include "session/lease.h"
#include "session/turns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

/* --- what is said ---------------------------------------------------------- */

static const char *how_to_go_on(const struct lease *lease)
{
	return lease->has_handle ? "Call again without sandbox_id for a fresh one."
				 : "Call again for a fresh one.";
}

/* "died between calls: CAUSE" (free()). */
static char *describe_end(const struct lease *lease, const char *cause)
{
	switch (lease->end) {
	case LEASE_END_DEATH:
		return alloc_printf(
			"died %s: %s",
			lease->end_was_told ? "during an earlier command" : "between calls", cause);
	case LEASE_END_RESET:
		return alloc_string("was reset because a command could not be killed");
	case LEASE_END_IDLE:
		return alloc_printf("was removed after %" PRIu64 " s idle",
				    lease->principal->registry->config.idle_ms / 1000);
	case LEASE_END_OPERATOR:
		break;
	}
	return alloc_string("was ended by an operator");
}

static char *write_epitaph(const struct lease *lease, const char *cause)
{
	char *end = describe_end(lease, cause);
	char *text = alloc_printf("Sandbox %s %s; its files are gone. Nothing was run. %s",
				  lease->sandbox->id, end, how_to_go_on(lease));

	free(end);
	return text;
}

static void tell_bereaved(struct lease *lease, const char *cause)
{
	struct error error = ERROR_INIT;
	const char *id = lease->sandbox->id;

	if (lease->end == LEASE_END_OPERATOR)
		(void)error_set(&error, ERROR_LOST,
				"Sandbox %s was ended by an operator during command execution; its "
				"files are gone. %s",
				id, how_to_go_on(lease));
	else
		(void)error_set(&error, ERROR_LOST,
				"Sandbox %s died during command execution: %s; its files are gone. "
				"%s",
				id, cause, how_to_go_on(lease));
	while (lease->bereaved) {
		struct call *call = lease->bereaved;

		DL_DELETE2(lease->bereaved, call, queue_prev, queue_next);
		lease->end_was_told |= !call->is_cancelled;
		call_refuse(call, &error);
	}
}

/* Every call that was waiting at the time is told; if none was told, the next one is. */
static void tell_waiting(struct lease *lease)
{
	struct call *call, *next;
	struct error error = ERROR_INIT;

	(void)error_set(&error, ERROR_LOST, "%s", lease->epitaph);
	DL_FOREACH_SAFE2 (lease->waiting, call, next, queue_next) {
		if (!lease->has_handle && !call->lost_its_sandbox && lease->end_was_told)
			continue;
		lease->end_was_told = true;
		lease_refuse(lease, call, &error);
	}
}

/* --- what is done ---------------------------------------------------------- */

void ending_bury(struct lease *lease)
{
	loop_watch_destroy(lease->death_watch);
	lease->death_watch = NULL;
	demand_uncount(lease);
	burial_add(lease->principal->registry, TAKE_PTR(lease->sandbox));
}

/* A dead handle stays, to say so to its owner; but not without end. */
static void retire_handle(struct lease *lease)
{
	struct principal *principal = lease->principal;

	lease->state = LEASE_DEAD;
	principal->live_handles--;
	principal->dead_handles++;
	DL_APPEND2(principal->dead, lease, queue_prev, queue_next);
	if (principal->dead_handles > LIMIT_DEAD_HANDLES)
		lease_close(principal->dead);
}

/* Nobody uses the sandbox any more, and why it ended is known. */
static void conclude(struct lease *lease, const char *cause)
{
	lease_pin(lease);
	tell_bereaved(lease, cause);
	lease->epitaph = write_epitaph(lease, cause);
	ending_bury(lease);
	if (lease->has_handle)
		retire_handle(lease);
	else
		lease->state = LEASE_EMPTY;
	tell_waiting(lease);
	if (lease->state == LEASE_EMPTY && lease->end_was_told)
		cleanup_free(&lease->epitaph);
	lease->end_was_told = false;
	lease_advance(lease);
	lease_unpin(lease);
}

void ending_when_alone(struct lease *lease)
{
	if (lease->running > 0 || lease->is_being_examined)
		return;
	/* The cause of these is known, and needs no thread to be found out. */
	if (lease->end == LEASE_END_IDLE || lease->end == LEASE_END_OPERATOR) {
		conclude(lease, "");
		return;
	}
	lease->is_being_examined = true;
	burial_examine(lease);
}

void ending_on_examined(struct lease *lease, const char *cause)
{
	lease->is_being_examined = false;
	log_event(LOG_WARNING, "sandbox_died", LOG_STRING("sandbox", lease->sandbox->id),
		  LOG_STRING("cause", cause));
	conclude(lease, cause);
}

void ending_begin(struct lease *lease, enum lease_end end)
{
	struct call *call;

	/* Whoever came first may have been a victim of the reset. */
	if (lease->state == LEASE_DYING && end == LEASE_END_RESET && lease->end == LEASE_END_DEATH)
		lease->end = end;
	if (lease->state != LEASE_READY)
		return;
	lease->state = LEASE_DYING;
	lease->end = end;
	loop_watch_destroy(lease->death_watch);
	lease->death_watch = NULL;
	turns_leave(lease);
	/* They were meant for this sandbox and its files: none may run in another unaware. */
	DL_FOREACH2 (lease->waiting, call, queue_next)
		call->lost_its_sandbox = true;
	ending_when_alone(lease);
}

/* --- why ------------------------------------------------------------------- */

static void on_death(void *context)
{
	ending_begin(context, LEASE_END_DEATH);
}

void ending_watch(struct lease *lease)
{
	int death_fd = sandbox_death_fd(lease->sandbox);

	/* Without memory for a watch, death is still noticed before each call. */
	if (death_fd >= 0)
		lease->death_watch = loop_watch_readable(lease->principal->registry->loop, death_fd,
							 on_death, lease, NULL);
}

void ending_on_idle(struct lease *lease)
{
	uint64_t idle_ms = clock_now_ms() - lease->idle_since_ms;

	/* It is in use, or was since: lease_settle starts the clock again. */
	if (lease->running > 0 || lease->waiting)
		return;
	if (idle_ms < lease->principal->registry->config.idle_ms) {
		lease_settle(lease);
		return;
	}
	log_event(LOG_INFO, "sandbox_idle", LOG_STRING("sandbox", lease->sandbox->id),
		  LOG_NUMBER("idle_s", idle_ms / 1000));
	ending_begin(lease, LEASE_END_IDLE);
}

void ending_by_operator(struct lease *lease)
{
	struct call *call;

	if (lease->state != LEASE_READY)
		return;
	log_event(LOG_INFO, "sandbox_ended_by_operator", LOG_STRING("sandbox", lease->sandbox->id));
	DL_FOREACH2 (lease->active, call, queue_next)
		cancel_raise(&call->cancel);
	ending_begin(lease, LEASE_END_OPERATOR);
}
