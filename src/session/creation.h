/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A sandbox being made on a thread of its own. It belongs to a lease, so that a
 * caller who goes away does not take it from those who still wait, or to the
 * pool, until a lease wants it. A creation that is given up holds its place
 * among --max-creating until it has really ended, and its sandbox is then
 * destroyed. Loop thread.
 */

#include "session/state.h"

/* Ends in demand_on_created, unless abandoned. NULL: it could not begin. */
struct creation *creation_start(struct lease *lease, struct error *err);
/* The same for the registry's pool: ends in pool_on_created, unless given away or abandoned. */
struct creation *creation_start_pooled(struct registry *registry, struct error *err);
/* From now on it is the lease's. */
void creation_give(struct creation *creation, struct lease *lease);
/* Its owner wants it no more; the creation is told to stop and sees to itself. */
void creation_abandon(struct creation *creation);
