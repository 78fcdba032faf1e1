/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A sandbox being made on a thread of its own. It belongs to a lease, so that a
 * caller who goes away does not take it from those who still wait. A creation
 * that is given up holds its place among --max-creating until it has really
 * ended, and its sandbox is then destroyed. Loop thread.
 */

#include "session/state.h"

/* Ends in lease_on_created, unless abandoned. NULL: it could not begin. */
struct creation *creation_start(struct lease *lease, struct error *err);
/* The lease wants it no more; the creation is told to stop and sees to itself. */
void creation_abandon(struct creation *creation);
