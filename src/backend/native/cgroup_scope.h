/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A group of our own from systemd: a transient scope with Delegate=yes, by
 * busctl(1) (StartTransientUnit, org.freedesktop.systemd1(5)): its manager moves
 * the process there and leaves all below to us, until the last process is gone.
 */

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* systemd manages this machine's groups. */
bool cgroup_scope_is_possible(void);
/* Moves `pid` into a new scope of this user's manager (as root: the system's) and waits until it
 * is there. */
int cgroup_scope_create(pid_t pid, const char *name, struct error *err);
