/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Leases that wait for places of which there are few: to have a sandbox made, or
 * to run a call. Principals take turns, however much each of them wants; the
 * leases of one principal take turns among themselves. A lease waits for one
 * thing at a time. Loop thread.
 */

#include "session/state.h"

/* Behind those of its principal that wait already. Nothing, if it waits for this already. */
void turns_enter(struct lease *lease, enum turn_kind kind);
/* Nothing, if it does not wait. */
void turns_leave(struct lease *lease);
/* Whose turn it is, or NULL. It waits no longer. */
struct lease *turns_take(struct registry *registry, enum turn_kind kind);
