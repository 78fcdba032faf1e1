/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A group of our own from systemd: a transient scope with Delegate=yes, by
 * busctl(1) (StartTransientUnit, org.freedesktop.systemd1(5)): its manager moves
 * the process there and leaves all below to us, until the last process is gone.
 *
 * At that moment, which the kernel tells it, it removes the scope with all below and
 * forgets it. It tries once: if somebody else removes groups there meanwhile, it
 * may fail, and nobody removes what is left. And a scope that somebody else has
 * removed before it looked runs for ever, to its mind. So whoever removes groups in
 * a scope does it while a process is in it, or has the scope stopped first.
 */

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define CGROUP_SCOPE_SUFFIX ".scope"

/* systemd manages this machine's groups. */
bool cgroup_scope_is_possible(void);
/* Moves `pid` into a new scope of this user's manager (as root: the system's) and waits until it
 * is there. */
int cgroup_scope_create(pid_t pid, const char *name, struct error *err);
/* Has this user's manager end it, and who is in it; what is left of the directory called `scope`
 * then is the caller's to remove. 0 also if the manager does not know it; -1 if it does not answer.
 */
int cgroup_scope_stop(const char *scope, struct error *err);
