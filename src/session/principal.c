/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "session/lease.h"
#include "session/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct principal *principal_create(struct registry *registry)
{
	struct principal *principal = alloc_zeroed(sizeof(*principal));

	principal->registry = registry;
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
