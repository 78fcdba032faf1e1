/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A lease without a sandbox that needs one: it gets what stands ready, or has
 * one made when its turn comes. Who has been promised one counts as having it.
 * Loop thread.
 */

#include "session/state.h"

/* The lease is EMPTY and has calls waiting; they are refused if none can be had. */
void demand_sandbox(struct lease *lease);
/* Nobody wants it any more; the lease is EMPTY again. */
void demand_withdraw(struct lease *lease);
/* It has taken too long. */
void demand_on_late(struct lease *lease);

/* One of sandbox (taken) and err. */
void demand_on_created(struct lease *lease, struct sandbox *sandbox, const struct error *err);
void demand_on_progress(struct lease *lease, const char *message);

/* Gives free places among --max-creating to those that wait for one; again at each burial's end. */
void demand_start_queued(struct registry *registry);
/* A sandbox more for this lease's principal, of those that the registry counts already. */
void demand_count(struct lease *lease);
/* One less for both. */
void demand_uncount(struct lease *lease);
