/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/buf.h"
#include "session/lease.h"
#include "session/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* The longest refusal without the handles in it. */
#define REFUSAL_BYTES 256

struct principal *principal_create(struct registry *registry)
{
	struct principal *principal = alloc_zeroed(sizeof(*principal));
	int kind;

	principal->registry = registry;
	principal->budget = registry->config.budget;
	for (kind = 0; kind < TURN_KINDS; kind++)
		principal->turns[kind].principal = principal;
	return principal;
}

void principal_destroy(struct principal *principal)
{
	assert(!principal->leases);
	if (principal->name)
		HASH_DEL(principal->registry->principals, principal);
	free(principal->name);
	free(principal);
}

struct principal *registry_principal(struct registry *registry, const char *name)
{
	struct principal *principal;

	if (!name)
		return registry->unnamed;
	HASH_FIND_STR(registry->principals, name, principal);
	if (principal)
		return principal;
	principal = principal_create(registry);
	principal->name = alloc_string(name);
	principal->budget = budget_share(registry->config.budget, name);
	HASH_ADD_KEYPTR(hh, registry->principals, principal->name, strlen(principal->name),
			principal);
	return principal;
}

void principal_close_leases(struct principal *principal)
{
	struct lease *lease, *next;

	DL_FOREACH_SAFE (principal->leases, lease, next)
		lease_close(lease);
}

/* --- its share ------------------------------------------------------------- */

bool principal_may_run(const struct principal *principal)
{
	unsigned half = principal->registry->config.max_running / 2;

	/* The unnamed are many; they are held together by what holds all. */
	return !principal->name || principal->running < (half > 0 ? half : 1);
}

/* The agent may have lost its handles; they are its own, so it is told them. Those that the
 * sentence has no room for are left out whole. */
static void append_handles(struct buf *text, const struct principal *principal)
{
	const struct lease *lease;
	size_t nothing;

	(void)buf_append_string(text, " Pass sandbox_id to use one of them:");
	nothing = text->length;
	DL_FOREACH (principal->leases, lease) {
		if (lease->has_handle && lease->is_known && lease->state != LEASE_DEAD)
			(void)buf_printf(text, " %s", lease->handle);
	}
	if (text->length == nothing)
		buf_clear(text);
}

static int refuse(const struct principal *principal, unsigned count, bool tells_handles,
		  struct error *err)
{
	struct buf more = BUF_INIT(ERROR_MESSAGE_BYTES - REFUSAL_BYTES);

	if (tells_handles)
		append_handles(&more, principal);
	if (more.length == 0)
		(void)buf_append_string(&more, " End one that is no longer needed, or try again "
					       "later.");
	(void)error_set(err, ERROR_QUOTA,
			"This client already has %u sandboxes, the most that it may have. Nothing "
			"was run.%.*s",
			count, (int)more.length, more.data);
	buf_finish(&more);
	return -1;
}

int principal_check_handles(const struct principal *principal, struct error *err)
{
	const struct registry_config *config = &principal->registry->config;

	if (principal->name || config->max_handles == 0 ||
	    principal->live_handles < config->max_handles)
		return 0;
	return refuse(principal, principal->live_handles, !config->hides_handles, err);
}

int principal_check_quota(const struct lease *lease, struct error *err)
{
	const struct principal *principal = lease->principal;
	unsigned most = principal->registry->config.max_sandboxes_per_principal;

	if (!principal->name || most == 0 || principal->sandboxes < most)
		return 0;
	return refuse(principal, principal->sandboxes, lease->has_handle, err);
}
