/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The end of a sandbox under its lease: it died, was killed because a command
 * could not be, was idle for too long, or an operator ended it. Its calls come
 * back first; then every call that ran or waited at the time is told, or else
 * the next one, because those were meant for that sandbox and its files. After
 * that a lease with a handle is dead and says so for as long as it is
 * remembered, and any other is empty, for the next call to have a fresh one.
 * Loop thread.
 */

#include "session/state.h"

/* The lease has just got its sandbox: its death will be noticed. */
void ending_watch(struct lease *lease);
/* From now on nothing new runs in it. Nothing, unless the lease is READY (or DYING, and it was
 * reset: that is what its clients are told then). */
void ending_begin(struct lease *lease, enum lease_end end);
/* To be called when a call of a DYING lease has come back. */
void ending_when_alone(struct lease *lease);
/* A burial has found out why it died. */
void ending_on_examined(struct lease *lease, const char *cause);
/* The time that a sandbox may be idle is over, if no call came in between. */
void ending_on_idle(struct lease *lease);
/* Kills what runs in it. Nothing, unless the lease is READY. */
void ending_by_operator(struct lease *lease);
/* The sandbox is nobody's now, without a word: destroyed when its turn comes. */
void ending_bury(struct lease *lease);
