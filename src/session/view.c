/* SPDX-License-Identifier: MIT */
#include "session/view.h"

#include "base/clock.h"
#include "session/ending.h"
#include "session/pool.h"
#include "session/state.h"

#include <string.h>
#include <utlist.h>

static bool is_wanted(const struct principal *principal, const char *name)
{
	return !name || (principal->name && strcmp(principal->name, name) == 0);
}

/* --- sandboxes ------------------------------------------------------------- */

struct sandbox_visitor {
	void (*visit)(void *context, const struct sandbox_view *view);
	void *context;
	uint64_t now_ms;
};

static enum sandbox_view_state state_of(const struct lease *lease)
{
	if (lease->state == LEASE_QUEUED || lease->state == LEASE_CREATING)
		return SANDBOX_VIEW_CREATING;
	return lease->state == LEASE_READY && !lease->is_closing ? SANDBOX_VIEW_READY
								 : SANDBOX_VIEW_ENDING;
}

static void show(const struct lease *lease, const struct sandbox_visitor *visitor)
{
	bool is_idle = lease->sandbox && lease->running == 0 && !lease->waiting;
	const struct sandbox_view view = {
		.id = lease->sandbox ? lease->sandbox->id : "",
		.principal = lease->principal->name,
		.session = lease->session ? lease->session->tag : NULL,
		.state = state_of(lease),
		.has_handle = lease->has_handle,
		.age_ms = lease->sandbox ? visitor->now_ms - lease->since_ms : 0,
		.idle_ms = is_idle ? visitor->now_ms - lease->idle_since_ms : 0,
		.running = lease->running,
		.waiting = lease->waiting_count,
	};

	visitor->visit(visitor->context, &view);
}

static void show_all(const struct principal *principal, const struct sandbox_visitor *visitor)
{
	const struct lease *lease;

	DL_FOREACH (principal->leases, lease) {
		if (lease->state != LEASE_EMPTY && lease->state != LEASE_DEAD)
			show(lease, visitor);
	}
}

void registry_each_sandbox(const struct registry *registry, const char *principal,
			   void (*visit)(void *context, const struct sandbox_view *view),
			   void *context)
{
	const struct sandbox_visitor visitor = { visit, context, clock_now_ms() };
	const struct principal *some;

	if (is_wanted(registry->unnamed, principal))
		show_all(registry->unnamed, &visitor);
	for (some = registry->principals; some; some = some->hh.next) {
		if (is_wanted(some, principal))
			show_all(some, &visitor);
	}
}

/* --- calls ----------------------------------------------------------------- */

static const char *sandbox_of(const struct call *call)
{
	if (call->state == CALL_RUNNING)
		return call->sandbox_id;
	return call->lease && call->lease->sandbox ? call->lease->sandbox->id : "";
}

void registry_each_call(const struct registry *registry, const char *principal,
			void (*visit)(void *context, const struct call_view *view), void *context)
{
	uint64_t now_us = clock_now_us();
	const struct session *session;
	const struct call *call;

	DL_FOREACH (registry->sessions, session) {
		if (!is_wanted(session->principal, principal))
			continue;
		DL_FOREACH (session->calls, call) {
			bool is_running = call->state == CALL_RUNNING;
			const struct call_view view = {
				.is_running = is_running,
				.principal = session->principal->name,
				.session = session->tag,
				.sandbox = sandbox_of(call),
				.command = call->request.command,
				.args = (const char *const *)call->request.args,
				.age_ms = (now_us - call->came_us) / 1000,
				.running_ms = is_running ? (now_us - call->began_us) / 1000 : 0,
			};

			if (call->state != CALL_ENDING)
				visit(context, &view);
		}
	}
}

void registry_count(const struct registry *registry, struct registry_counts *counts)
{
	const struct session *session;
	const struct call *call;

	*counts = (struct registry_counts){
		.sandboxes = registry->sandboxes,
		.pooled = pool_ready(registry->pool),
		.creating = registry->creating,
		.removing = registry->removing,
		.running = registry->running,
	};
	DL_FOREACH (registry->sessions, session) {
		counts->sessions += !session->is_closed;
		DL_FOREACH (session->calls, call)
			counts->waiting += call->state == CALL_WAITING;
	}
}

/* --- the operator ---------------------------------------------------------- */

static struct lease *find(struct principal *principal, const char *id)
{
	struct lease *lease;

	DL_FOREACH (principal->leases, lease) {
		if (lease->sandbox && strcmp(lease->sandbox->id, id) == 0)
			break;
	}
	return lease;
}

int registry_end_sandbox(struct registry *registry, const char *id, struct error *err)
{
	struct lease *lease = find(registry->unnamed, id);
	struct principal *principal;

	for (principal = registry->principals; principal && !lease; principal = principal->hh.next)
		lease = find(principal, id);
	if (!lease)
		return error_set(err, ERROR_INVALID, "There is no sandbox of this id.");
	ending_by_operator(lease);
	return 0;
}
