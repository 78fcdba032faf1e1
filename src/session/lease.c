/* SPDX-License-Identifier: MIT */
#include "session/lease.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "session/demand.h"
#include "session/ending.h"
#include "session/pool.h"
#include "session/turns.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void on_timer(void *context)
{
	struct lease *lease = context;

	switch (lease->state) {
	case LEASE_QUEUED:
	case LEASE_CREATING:
		demand_on_late(lease);
		break;
	case LEASE_READY:
		ending_on_idle(lease);
		break;
	case LEASE_EMPTY:
	case LEASE_DYING:
	case LEASE_DEAD:
		break;
	}
}

/* --- opening, finding, closing ------------------------------------------- */

static struct lease *open_for(struct principal *principal)
{
	struct lease *lease = alloc_zeroed(sizeof(*lease));

	lease->principal = principal;
	lease->idle_since_ms = clock_now_ms();
	lease->timer = loop_timer_create(principal->registry->loop, on_timer, lease);
	DL_APPEND(principal->leases, lease);
	return lease;
}

struct lease *lease_open(struct session *session)
{
	struct lease *lease = open_for(session->principal);

	lease->session = session;
	return lease;
}

struct lease *lease_open_shared(struct principal *principal)
{
	return open_for(principal);
}

struct lease *lease_open_with_handle(struct principal *principal)
{
	struct lease *lease = open_for(principal);
	char secret[33];

	random_hex(secret, 16);
	(void)snprintf(lease->handle, sizeof(lease->handle), "sbx_%s", secret);
	hash_bytes(lease->digest, lease->handle, strlen(lease->handle));
	lease->has_handle = true;
	principal->live_handles++;
	HASH_ADD(hh, principal->registry->handles, digest, sizeof(lease->digest), lease);
	return lease;
}

struct lease *lease_find(struct principal *principal, const char *handle)
{
	unsigned char digest[HASH_BYTES];
	struct lease *lease;

	/* By its hash: how long the comparison takes says nothing about a handle. */
	hash_bytes(digest, handle, strlen(handle));
	HASH_FIND(hh, principal->registry->handles, digest, sizeof(digest), lease);
	return lease && lease->principal == principal && !lease->is_closing ? lease : NULL;
}

static void forget_handle(struct lease *lease)
{
	struct principal *principal = lease->principal;

	HASH_DELETE(hh, principal->registry->handles, lease);
	if (lease->state != LEASE_DEAD) {
		principal->live_handles--;
		return;
	}
	principal->dead_handles--;
	DL_DELETE2(principal->dead, lease, queue_prev, queue_next);
}

static void free_lease(struct lease *lease)
{
	struct principal *principal = lease->principal;
	struct session *session = lease->session;

	if (lease->has_handle)
		forget_handle(lease);
	if (principal->own == lease)
		principal->own = NULL;
	DL_DELETE(principal->leases, lease);
	loop_timer_destroy(lease->timer);
	free(lease->epitaph);
	free(lease);
	if (session) {
		session->own = NULL;
		session_settle(session);
	}
	registry_something_ended(principal->registry);
}

void lease_close(struct lease *lease)
{
	lease->is_closing = true;
	lease_settle(lease);
}

/* Starts the clock of a sandbox that nobody uses. */
static void watch_idleness(struct lease *lease)
{
	uint64_t idle_ms = lease->principal->registry->config.idle_ms;
	uint64_t elapsed_ms = clock_now_ms() - lease->idle_since_ms;

	if (idle_ms > 0 && lease->state == LEASE_READY && lease->running == 0 && !lease->waiting)
		loop_timer_start(lease->timer, elapsed_ms < idle_ms ? idle_ms - elapsed_ms : 0);
}

void lease_settle(struct lease *lease)
{
	/* A handle that its client never got to know. */
	if (lease->has_handle && !lease->is_known && !lease->waiting && lease->running == 0)
		lease->is_closing = true;
	if (!lease->is_closing || lease->pins > 0 || lease->running > 0 ||
	    lease->is_being_examined) {
		watch_idleness(lease);
		return;
	}
	assert(!lease->waiting);
	if (lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING)
		demand_withdraw(lease);
	turns_leave(lease);
	if (lease->sandbox)
		ending_bury(lease);
	free_lease(lease);
}

void lease_pin(struct lease *lease)
{
	lease->pins++;
}

void lease_unpin(struct lease *lease)
{
	lease->pins--;
	lease_settle(lease);
}

/* --- calls that wait ----------------------------------------------------- */

static void add_waiting(struct lease *lease, struct call *call)
{
	call->lease = lease;
	DL_APPEND2(lease->waiting, call, queue_prev, queue_next);
	lease->waiting_count++;
	call_restart_queue_timer(call);
}

static void remove_waiting(struct lease *lease, struct call *call)
{
	DL_DELETE2(lease->waiting, call, queue_prev, queue_next);
	lease->waiting_count--;
	lease->idle_since_ms = clock_now_ms();
}

void lease_refuse(struct lease *lease, struct call *call, const struct error *error)
{
	remove_waiting(lease, call);
	call->lease = NULL;
	call_refuse(call, error);
}

void lease_refuse_all(struct lease *lease, const struct error *error)
{
	while (lease->waiting)
		lease_refuse(lease, lease->waiting, error);
}

/* --- running ------------------------------------------------------------- */

static int run_first_waiting(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;
	struct call *call = lease->waiting;
	struct error error = ERROR_INIT;

	if (call_run(call, &error) < 0) {
		(void)error_wrap(&error, "The server cannot run another command now (nothing was "
					 "run; try again later)");
		lease_refuse(lease, call, &error);
		return -1;
	}
	remove_waiting(lease, call);
	DL_APPEND2(lease->active, call, queue_prev, queue_next);
	lease->running++;
	lease->principal->running++;
	registry->running++;
	return 0;
}

/* Whether another call could run, if there were a place for it among all. */
static bool wants_to_run(struct lease *lease)
{
	if (lease->state != LEASE_READY || !lease->waiting ||
	    lease->running >= lease->principal->registry->config.max_parallel)
		return false;
	if (!sandbox_is_dead(lease->sandbox))
		return true;
	ending_begin(lease, LEASE_END_DEATH);
	return false;
}

static bool has_place(const struct lease *lease)
{
	const struct registry *registry = lease->principal->registry;

	return registry->running < registry->config.max_running &&
	       principal_may_run(lease->principal);
}

static void run_waiting(struct lease *lease)
{
	while (wants_to_run(lease)) {
		if (!has_place(lease)) {
			turns_enter(lease, TURN_RUN);
			return;
		}
		(void)run_first_waiting(lease);
	}
}

/* Places that have become free go round, one call each. */
static void run_queued(struct registry *registry)
{
	while (registry->running < registry->config.max_running) {
		struct lease *lease = turns_take(registry, TURN_RUN);

		if (!lease)
			return;
		if (wants_to_run(lease))
			(void)run_first_waiting(lease);
		if (wants_to_run(lease))
			turns_enter(lease, TURN_RUN);
		/* Freed here, it is in no queue any more.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		lease_settle(lease);
	}
}

void lease_advance(struct lease *lease)
{
	if (lease->state == LEASE_EMPTY && lease->waiting)
		demand_sandbox(lease);
	else if (lease->state == LEASE_READY)
		run_waiting(lease);
}

/* Whether a call may wait here at all. */
static int admit(struct lease *lease, struct error *err)
{
	unsigned places = lease->principal->registry->config.max_parallel + LIMIT_QUEUED_CALLS;

	if (lease->epitaph) {
		(void)error_set(err, ERROR_LOST, "%s", lease->epitaph);
		if (!lease->has_handle)
			cleanup_free(&lease->epitaph);
		return -1;
	}
	if (lease->running + lease->waiting_count >= places)
		return error_set(err, ERROR_BUSY,
				 "Sandbox is busy: %u commands running, %u waiting. Nothing was "
				 "run. Try again later.",
				 lease->running, lease->waiting_count);
	return 0;
}

void lease_enter(struct lease *lease, struct call *call)
{
	struct error error = ERROR_INIT;

	lease_pin(lease);
	if (admit(lease, &error) < 0) {
		call_refuse(call, &error);
	} else {
		add_waiting(lease, call);
		lease_advance(lease);
	}
	lease_unpin(lease);
}

void lease_leave(struct lease *lease, struct call *call)
{
	bool is_being_made = lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING;

	remove_waiting(lease, call);
	call->lease = NULL;
	if (is_being_made && !lease->waiting)
		demand_withdraw(lease);
	lease_settle(lease);
}

void lease_explain_wait(const struct lease *lease, struct error *err)
{
	const struct principal *principal = lease->principal;

	if (lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING)
		*err = (struct error)ERROR_INIT;
	else if (lease->turn && !principal_may_run(principal))
		(void)error_set(err, ERROR_BUSY,
				"Server is busy: %u commands of this client running, the most that "
				"it may have.",
				principal->running);
	else if (lease->turn)
		(void)error_set(err, ERROR_BUSY, "Server is busy: %u commands running.",
				principal->registry->running);
	else
		(void)error_set(err, ERROR_BUSY, "Sandbox is busy: %u commands running.",
				lease->running);
}

void lease_on_call_ended(struct lease *lease, struct call *call, enum lease_call_end end)
{
	struct registry *registry = lease->principal->registry;
	bool was_reset = call->error.kind == ERROR_NONE && call->result.was_reset;

	lease_pin(lease);
	DL_DELETE2(lease->active, call, queue_prev, queue_next);
	lease->running--;
	lease->principal->running--;
	registry->running--;
	lease->idle_since_ms = clock_now_ms();
	if (end == LEASE_CALL_BEREAVED)
		DL_APPEND2(lease->bereaved, call, queue_prev, queue_next);
	lease->end_was_told |= was_reset && !call->is_cancelled;
	lease->is_known |=
		end == LEASE_CALL_OVER && call->error.kind == ERROR_NONE && !call->is_cancelled;
	if (was_reset)
		ending_begin(lease, LEASE_END_RESET);
	else if (call->error.kind == ERROR_LOST)
		ending_begin(lease, LEASE_END_DEATH);
	if (lease->state == LEASE_DYING)
		ending_when_alone(lease);
	else if (lease->state == LEASE_READY && lease->waiting)
		turns_enter(lease, TURN_RUN);
	lease_unpin(lease);
	run_queued(registry);
	pool_on_call_ended(registry->pool);
}
