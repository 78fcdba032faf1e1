/* SPDX-License-Identifier: MIT */
#include "session/turns.h"

#include <assert.h>
#include <utlist.h>

static struct turn **list_of(struct turn *turn)
{
	struct principal *principal = turn->principal;

	return &principal->registry->turns[turn - principal->turns];
}

void turns_enter(struct lease *lease, enum turn_kind kind)
{
	struct turn *turn = &lease->principal->turns[kind];

	if (lease->turn == turn)
		return;
	assert(!lease->turn);
	DL_APPEND2(turn->leases, lease, queue_prev, queue_next);
	lease->turn = turn;
	if (turn->leases == lease)
		DL_APPEND(*list_of(turn), turn);
}

void turns_leave(struct lease *lease)
{
	struct turn *turn = lease->turn;

	if (!turn)
		return;
	lease->turn = NULL;
	DL_DELETE2(turn->leases, lease, queue_prev, queue_next);
	if (!turn->leases)
		DL_DELETE(*list_of(turn), turn);
}

struct lease *turns_take(struct registry *registry, enum turn_kind kind)
{
	struct lease *lease;
	struct turn *turn;

	DL_FOREACH (registry->turns[kind], turn) {
		/* Few are passed over: each of them has half of all places. */
		if (kind == TURN_RUN && !principal_may_run(turn->principal))
			continue;
		DL_DELETE(registry->turns[kind], turn);
		DL_APPEND(registry->turns[kind], turn);
		lease = turn->leases;
		turns_leave(lease);
		return lease;
	}
	return NULL;
}
