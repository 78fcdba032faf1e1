/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Removing control groups that another process made and left. Nothing is
 * touched that is not a directory of a control group file system. Any thread.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Removes the group and those below it, trying again until `deadline_ms` (clock_now_ms) while
 * processes are in them. 0 also if it is not there. */
int cgroup_remove(int parent_fd, const char *name, uint64_t deadline_ms, struct error *err);
/* Kills who is in it or below, then the same. Refuses if that is this process. */
int cgroup_kill_and_remove(int parent_fd, const char *name, uint64_t deadline_ms,
			   struct error *err);
/* A process is in it or below. */
bool cgroup_is_populated(int parent_fd, const char *name);
