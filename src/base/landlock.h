/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Landlock: a wall around files for this thread and all that it starts, on top
 * of what file modes say. A rule set is a descriptor; it is made, filled, then
 * entered for ever. Kernels without Landlock have none (-1), and whoever calls
 * decides what that means: all functions take it and do nothing.
 */

#include "base/error.h"

enum landlock_reach {
	LANDLOCK_REACH_READ, /* read files, list directories */
	LANDLOCK_REACH_ALL,  /* whatever file modes allow */
};

/* *ruleset gets one that closes every file, or -1. */
int landlock_make(int *ruleset, struct error *err);
/* Opens what is below `path`, or that file. What is not there is passed over. */
int landlock_allow(int ruleset, const char *path, enum landlock_reach reach, struct error *err);
/* Requires no_new_privs, or SYS_ADMIN. */
int landlock_enter(int ruleset, struct error *err);
