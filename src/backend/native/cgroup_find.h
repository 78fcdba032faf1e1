/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where a process stands in the control group hierarchies that are mounted here:
 * cgroups(7). Any thread; the parser is pure.
 */

#include "base/error.h"

#include <sys/types.h>

enum cgroup_controller { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_CONTROLLERS };

/* As the kernel calls them. */
extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

/* Absolute paths of directories, heap; NULL where nothing of that kind is mounted, or the process's
 * group lies outside of what is. */
struct cgroup_place {
	char *v1[CGROUP_CONTROLLERS]; /* in the version 1 hierarchy of that controller */
	char *v2;		      /* in the version 2 hierarchy, with whatever controllers */
};

/* `pid` 0: this process. */
int cgroup_find(pid_t pid, struct cgroup_place *place, struct error *err);
/* The same over the texts of /proc/PID/cgroup and /proc/self/mountinfo. */
void cgroup_find_parse(const char *groups, const char *mounts, struct cgroup_place *place);
void cgroup_place_finish(struct cgroup_place *place);
