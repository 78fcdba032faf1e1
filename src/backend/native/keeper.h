/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Places for sandboxes: a control group with its limits, and a cradle (the process
 * that will clone the sandbox, zygote/cradle.h) waiting in it. Entering a group
 * that nobody entered for a while costs 7 ms, and a network namespace 0.5 ms; so
 * a thread of its own keeps a few places ready, and makes them when nothing else
 * is going on.
 *
 * Any thread; create and destroy belong to the backend's owner.
 */

#include "backend/native/cgroup.h"
#include "backend/native/starter.h"

struct keeper;

/* `cgroups` may be NULL: then places have no group. Both must outlive the keeper. */
struct keeper *keeper_create(struct starter *starter, struct cgroups *cgroups);
/* Takes NULL. */
void keeper_destroy(struct keeper *keeper);

/* Both are the taker's, one after the other: the cradle until it has cloned a sandbox, the group
 * until that one is dead. */
struct place {
	struct cradle *cradle;
	struct cgroup *group; /* NULL without control groups */
	bool was_ready;	      /* somebody may have killed its cradle meanwhile */
};

/* One that is ready, or a new one. */
int keeper_take(struct keeper *keeper, uint64_t deadline_ms, struct place *place,
		struct error *err);
/* A new one, although others may be ready: those were of no use. */
int keeper_make(struct keeper *keeper, uint64_t deadline_ms, struct place *place,
		struct error *err);
