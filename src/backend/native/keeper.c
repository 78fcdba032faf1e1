/* SPDX-License-Identifier: MIT */
#include "backend/native/keeper.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/background.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* After a place was taken: its sandbox is being made, and then its first command runs. */
#define QUIET_MS 30
/* After one could not be made. */
#define RETRY_MS 1000
/* After the start: a first call may be there already, and would make its own. */
#define FIRST_MS 5

struct keeper {
	struct starter *starter;
	struct cgroups *cgroups;
	struct background background; /* its lock guards what follows */
	uint64_t not_before_ms;	      /* the next place is made */
	struct place ready[LIMIT_READY_PLACES];
	unsigned ready_count;
};

static struct cradle *start_cradle(const struct keeper *keeper,
				   const struct cgroup_directories *directories,
				   uint64_t deadline_ms, struct error *err)
{
	struct starter_place place = { .count = directories->count,
				       .is_unified = directories->is_v2,
				       .optional = directories->optional };

	memcpy(place.fds, directories->fds, directories->count * sizeof(place.fds[0]));
	return starter_cradle(keeper->starter, &place, deadline_ms, err);
}

int keeper_make(struct keeper *keeper, uint64_t deadline_ms, struct place *place, struct error *err)
{
	struct cgroup_directories directories = { .count = 0 };
	struct cgroup *group = NULL;
	struct cradle *cradle = NULL;

	if (keeper->cgroups) {
		group = cgroup_take(keeper->cgroups, err);
		if (!group)
			return -1;
	}
	if (!group || cgroup_open(group, &directories, err) == 0)
		cradle = start_cradle(keeper, &directories, deadline_ms, err);
	cgroup_directories_close(&directories);
	if (!cradle) {
		cgroup_release(group);
		return -1;
	}
	*place = (struct place){ .cradle = cradle, .group = group };
	return 0;
}

static void discard(struct place *place)
{
	cradle_discard(TAKE_PTR(place->cradle));
	cgroup_release(TAKE_PTR(place->group));
}

/* The last that is ready and lives. Under the lock. */
static bool take_ready(struct keeper *keeper, struct place *place)
{
	while (keeper->ready_count > 0) {
		*place = keeper->ready[--keeper->ready_count];
		if (cradle_is_alive(place->cradle))
			return true;
		discard(place);
	}
	return false;
}

int keeper_take(struct keeper *keeper, uint64_t deadline_ms, struct place *place, struct error *err)
{
	bool is_ready;

	(void)pthread_mutex_lock(&keeper->background.lock);
	is_ready = take_ready(keeper, place);
	keeper->not_before_ms = clock_now_ms() + QUIET_MS;
	background_wake(&keeper->background);
	(void)pthread_mutex_unlock(&keeper->background.lock);
	if (!is_ready)
		return keeper_make(keeper, deadline_ms, place, err);
	place->was_ready = true;
	return 0;
}

/* --- the thread ----------------------------------------------------------------- */

static void make_ready(struct keeper *keeper)
{
	struct place place;
	int result;

	(void)pthread_mutex_unlock(&keeper->background.lock);
	/* Without patience: the next attempt is ours, and an end must not wait for this one.
	 * Whoever needs a place and fails to make one says why. */
	result = keeper_make(keeper, clock_now_ms(), &place, NULL);
	(void)pthread_mutex_lock(&keeper->background.lock);
	if (result == 0)
		keeper->ready[keeper->ready_count++] = place;
	else
		keeper->not_before_ms = clock_now_ms() + RETRY_MS;
}

static void keep(void *context)
{
	struct keeper *keeper = context;

	if (keeper->ready_count == ARRAY_LENGTH(keeper->ready))
		background_sleep(&keeper->background, CLOCK_NEVER);
	else if (clock_now_ms() < keeper->not_before_ms)
		background_sleep(&keeper->background, keeper->not_before_ms);
	else
		make_ready(keeper);
}

/* --- life --------------------------------------------------------------------------- */

struct keeper *keeper_create(struct starter *starter, struct cgroups *cgroups)
{
	struct keeper *keeper = alloc_zeroed(sizeof(*keeper));

	keeper->starter = starter;
	keeper->cgroups = cgroups;
	keeper->not_before_ms = clock_now_ms() + FIRST_MS;
	background_start(&keeper->background, keep, keeper);
	return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
	if (!keeper)
		return;
	background_stop(&keeper->background);
	for (unsigned i = 0; i < keeper->ready_count; i++)
		discard(&keeper->ready[i]);
	free(keeper);
}
