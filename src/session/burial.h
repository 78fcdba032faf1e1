/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Sandboxes that nobody uses any more. Destroying one blocks (a process has to
 * end, an engine to answer), and so may asking why it died; both happen here, on
 * at most LIMIT_BURIALS threads, the rest in a queue. Loop thread.
 */

#include "session/state.h"

/* Takes the sandbox and destroys it. */
void burial_add(struct registry *registry, struct sandbox *sandbox);
/* The same of one that was nobody's and died: what it died of is logged. */
void burial_add_dead(struct registry *registry, struct sandbox *sandbox);
/* Finds out why lease->sandbox died, for ending_on_examined; the sandbox stays the lease's. */
void burial_examine(struct lease *lease);
bool burial_is_idle(const struct registry *registry);
/* Also the callback of the retry timer; `context` is the registry. */
void burial_start_queued(void *context);
/* Whether one more may be made, of those that the registry counts already: what is being removed
 * still takes memory and processes, so that only LIMIT_BURIALS may be there beside what
 * --max-sandboxes allows. The end of a burial lets go on who waits for this. */
bool burial_leaves_room(const struct registry *registry);
