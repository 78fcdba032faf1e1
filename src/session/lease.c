/* SPDX-License-Identifier: MIT */
#include "session/lease.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "session/burial.h"
#include "session/creation.h"
#include "session/pool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void on_timer(void *context);
static void advance(struct lease *lease);
static void settle(struct lease *lease);

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

/* Nothing up the stack needs the lease any more: it may go, if its time has come. */
static void unpin(struct lease *lease)
{
	lease->pins--;
	settle(lease);
}

static void remember_dead(struct lease *lease)
{
	lease->principal->dead_handles++;
	DL_APPEND2(lease->principal->dead, lease, queue_prev, queue_next);
}

static void forget_dead(struct lease *lease)
{
	lease->principal->dead_handles--;
	DL_DELETE2(lease->principal->dead, lease, queue_prev, queue_next);
}

static void free_lease(struct lease *lease)
{
	struct principal *principal = lease->principal;
	struct session *session = lease->session;

	if (lease->has_handle) {
		HASH_DELETE(hh, principal->registry->handles, lease);
		if (lease->state == LEASE_DEAD)
			forget_dead(lease);
		else
			principal->live_handles--;
	}
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
	settle(lease);
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
}

static void refuse_waiting(struct lease *lease, struct call *call, const struct error *error)
{
	remove_waiting(lease, call);
	call->lease = NULL;
	call_refuse(call, error);
}

static void refuse_all_waiting(struct lease *lease, const struct error *error)
{
	while (lease->waiting)
		refuse_waiting(lease, lease->waiting, error);
}

static void enter_run_queue(struct lease *lease)
{
	if (!lease->is_in_run_queue)
		DL_APPEND2(lease->principal->registry->run_queue, lease, queue_prev, queue_next);
	lease->is_in_run_queue = true;
}

static void leave_run_queue(struct lease *lease)
{
	if (lease->is_in_run_queue)
		DL_DELETE2(lease->principal->registry->run_queue, lease, queue_prev, queue_next);
	lease->is_in_run_queue = false;
}

/* --- death --------------------------------------------------------------- */

/* Once nobody uses the dead sandbox any more, the cause is looked for. */
static void examine_when_alone(struct lease *lease)
{
	if (lease->running > 0 || lease->is_being_examined)
		return;
	lease->is_being_examined = true;
	burial_examine(lease);
}

static void die(struct lease *lease)
{
	struct call *call;

	assert(lease->state == LEASE_READY);
	lease->state = LEASE_DYING;
	loop_watch_destroy(lease->death_watch);
	lease->death_watch = NULL;
	leave_run_queue(lease);
	/* They were meant for this sandbox and its files: none may run in another unaware. */
	DL_FOREACH2 (lease->waiting, call, queue_next)
		call->lost_its_sandbox = true;
	examine_when_alone(lease);
}

static void on_death(void *context)
{
	die(context);
}

static char *write_epitaph(const struct lease *lease, const char *cause)
{
	const char *how = lease->has_handle ? "without sandbox_id " : "";
	const char *id = lease->sandbox->id;

	if (lease->was_reset)
		return alloc_printf("Sandbox %s was reset because a command could not be killed; "
				    "its files are gone. Nothing was run. Call again %sfor a "
				    "fresh one.",
				    id, how);
	return alloc_printf("Sandbox %s died %s: %s; its files are gone. Nothing was run. "
			    "Call again %sfor a fresh one.",
			    id,
			    lease->death_was_told ? "during an earlier command" : "between calls",
			    cause, how);
}

/* The sandbox is nobody's now: destroyed when its turn comes. */
static void bury(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;

	loop_watch_destroy(lease->death_watch);
	lease->death_watch = NULL;
	registry->sandboxes--;
	burial_add(registry, TAKE_PTR(lease->sandbox));
}

/* A dead handle stays, to say so to its owner; but not without end. */
static void retire_handle(struct lease *lease)
{
	struct principal *principal = lease->principal;

	lease->state = LEASE_DEAD;
	principal->live_handles--;
	remember_dead(lease);
	if (principal->dead_handles > LIMIT_DEAD_HANDLES)
		lease_close(principal->dead);
}

static void tell_bereaved(struct lease *lease, const char *cause)
{
	struct error error = ERROR_INIT;

	(void)error_set(&error, ERROR_LOST,
			"Sandbox %s died during command execution: %s; its files are gone. Call "
			"again %sfor a fresh one.",
			lease->sandbox->id, cause, lease->has_handle ? "without sandbox_id " : "");
	while (lease->bereaved) {
		struct call *call = lease->bereaved;

		DL_DELETE2(lease->bereaved, call, queue_prev, queue_next);
		lease->death_was_told |= !call->is_cancelled;
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
		if (!lease->has_handle && !call->lost_its_sandbox && lease->death_was_told)
			continue;
		lease->death_was_told = true;
		refuse_waiting(lease, call, &error);
	}
}

void lease_on_examined(struct lease *lease, const char *cause)
{
	lease->pins++;
	lease->is_being_examined = false;
	log_event(LOG_WARNING, "sandbox_died", LOG_STRING("sandbox", lease->sandbox->id),
		  LOG_STRING("cause", cause));
	tell_bereaved(lease, cause);
	lease->epitaph = write_epitaph(lease, cause);
	bury(lease);
	if (lease->has_handle)
		retire_handle(lease);
	else
		lease->state = LEASE_EMPTY;
	tell_waiting(lease);
	if (lease->state == LEASE_EMPTY && lease->death_was_told)
		cleanup_free(&lease->epitaph);
	lease->death_was_told = false;
	lease->was_reset = false;
	advance(lease);
	unpin(lease);
}

/* --- having a sandbox made ----------------------------------------------- */

static void leave_creation(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;

	loop_timer_stop(lease->timer);
	if (lease->state == LEASE_QUEUED)
		DL_DELETE2(registry->create_queue, lease, queue_prev, queue_next);
	if (lease->creation)
		creation_abandon(lease->creation);
	lease->creation = NULL;
	lease->state = LEASE_EMPTY;
	registry->sandboxes--;
}

static void give_up_creation(struct lease *lease, const struct error *error)
{
	leave_creation(lease);
	refuse_all_waiting(lease, error);
	settle(lease);
}

static void on_timer(void *context)
{
	struct lease *lease = context;
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
	give_up_creation(lease, &error);
}

void lease_start_queued(struct registry *registry)
{
	while (registry->create_queue && registry->creating < registry->config.max_creating) {
		struct lease *lease = registry->create_queue;
		struct error error = ERROR_INIT;

		lease->creation = creation_start(lease, &error);
		if (!lease->creation) {
			give_up_creation(lease, &error);
			continue;
		}
		DL_DELETE2(registry->create_queue, lease, queue_prev, queue_next);
		lease->state = LEASE_CREATING;
		loop_timer_start(lease->timer, registry->config.create_ms);
	}
}

/* Its calls may run. */
static void receive(struct lease *lease, struct sandbox *sandbox)
{
	struct registry *registry = lease->principal->registry;
	int death_fd = sandbox_death_fd(sandbox);
	struct call *call;

	loop_timer_stop(lease->timer);
	lease->state = LEASE_READY;
	lease->sandbox = sandbox;
	lease->idle_since_ms = clock_now_ms();
	/* Without memory for a watch, death is still noticed before each call. */
	if (death_fd >= 0)
		lease->death_watch =
			loop_watch_readable(registry->loop, death_fd, on_death, lease, NULL);
	DL_FOREACH2 (lease->waiting, call, queue_next)
		call_restart_queue_timer(call);
	pool_on_served(registry->pool);
	advance(lease);
}

/* What the pool has, even if it is only half made. */
static bool take_pooled(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;
	struct sandbox *sandbox = pool_take(registry->pool);

	if (sandbox) {
		receive(lease, sandbox);
		return true;
	}
	lease->creation = pool_take_creation(registry->pool, lease);
	if (!lease->creation)
		return false;
	lease->state = LEASE_CREATING;
	loop_timer_start(lease->timer, registry->config.create_ms);
	return true;
}

static void request_sandbox(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;
	struct error error = ERROR_INIT;

	if (take_pooled(lease))
		return;
	if (registry->sandboxes >= registry->config.max_sandboxes) {
		(void)error_set(&error, ERROR_QUOTA,
				"This server is at its limit of %u sandboxes. Nothing was run. "
				"Use a sandbox that you already have, or try again later.",
				registry->config.max_sandboxes);
		refuse_all_waiting(lease, &error);
		return;
	}
	registry->sandboxes++;
	lease->state = LEASE_QUEUED;
	DL_APPEND2(registry->create_queue, lease, queue_prev, queue_next);
	loop_timer_start(lease->timer, registry->config.queue_wait_ms);
	lease_start_queued(registry);
}

void lease_on_created(struct lease *lease, struct sandbox *sandbox, const struct error *err)
{
	lease->creation = NULL;
	if (!sandbox) {
		give_up_creation(lease, err);
		return;
	}
	lease->pins++;
	receive(lease, sandbox);
	unpin(lease);
}

void lease_on_progress(struct lease *lease, const char *message)
{
	struct call *call;

	DL_FOREACH2 (lease->waiting, call, queue_next)
		call_report_progress(call, message);
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
		refuse_waiting(lease, call, &error);
		return -1;
	}
	remove_waiting(lease, call);
	lease->running++;
	registry->running++;
	return 0;
}

static void run_waiting(struct lease *lease)
{
	struct registry *registry = lease->principal->registry;

	while (lease->waiting) {
		if (sandbox_is_dead(lease->sandbox)) {
			die(lease);
			return;
		}
		if (lease->running >= registry->config.max_parallel)
			return;
		if (registry->running >= registry->config.max_running) {
			enter_run_queue(lease);
			return;
		}
		(void)run_first_waiting(lease);
	}
}

/* Free places go round among the leases that wait for one. */
static void run_queued(struct registry *registry)
{
	while (registry->run_queue && registry->running < registry->config.max_running) {
		struct lease *lease = registry->run_queue;

		/* What settle() freed before was in no queue any more.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		leave_run_queue(lease);
		run_waiting(lease);
		settle(lease);
	}
}

static void advance(struct lease *lease)
{
	if (lease->state == LEASE_EMPTY && lease->waiting)
		request_sandbox(lease);
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

	lease->pins++;
	if (admit(lease, &error) < 0) {
		call_refuse(call, &error);
	} else {
		add_waiting(lease, call);
		advance(lease);
	}
	unpin(lease);
}

void lease_leave(struct lease *lease, struct call *call)
{
	bool is_being_made = lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING;

	remove_waiting(lease, call);
	call->lease = NULL;
	if (is_being_made && !lease->waiting)
		leave_creation(lease);
	settle(lease);
}

void lease_explain_wait(const struct lease *lease, struct error *err)
{
	const struct registry *registry = lease->principal->registry;

	if (lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING)
		*err = (struct error)ERROR_INIT;
	else if (lease->is_in_run_queue)
		(void)error_set(err, ERROR_BUSY, "Server is busy: %u commands running.",
				registry->running);
	else
		(void)error_set(err, ERROR_BUSY, "Sandbox is busy: %u commands running.",
				lease->running);
}

void lease_on_call_ended(struct lease *lease, struct call *call)
{
	struct registry *registry = lease->principal->registry;
	bool was_lost = call->error.kind == ERROR_LOST;
	bool was_reset = call->error.kind == ERROR_NONE && call->result.was_reset;

	lease->running--;
	registry->running--;
	lease->idle_since_ms = clock_now_ms();
	if (was_lost)
		DL_APPEND2(lease->bereaved, call, queue_prev, queue_next);
	lease->death_was_told |= was_reset && !call->is_cancelled;
	lease->was_reset |= was_reset;
	lease->is_known |= call->error.kind == ERROR_NONE && !call->is_cancelled;
	if (lease->state == LEASE_DYING)
		examine_when_alone(lease);
	else if (was_lost || was_reset)
		die(lease);
	else if (lease->waiting)
		enter_run_queue(lease);
	settle(lease);
	run_queued(registry);
	pool_on_call_ended(registry->pool);
}

/* Frees the lease if it has no further use and nobody is using it. */
static void settle(struct lease *lease)
{
	/* A handle that its client never got to know. */
	if (lease->has_handle && !lease->is_known && !lease->waiting && lease->running == 0)
		lease->is_closing = true;
	if (!lease->is_closing || lease->pins > 0 || lease->running > 0 || lease->is_being_examined)
		return;
	assert(!lease->waiting);
	leave_run_queue(lease);
	if (lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING)
		leave_creation(lease);
	if (lease->sandbox)
		bury(lease);
	free_lease(lease);
}
