/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which control group this process may divide up among sandboxes. In version 2,
 * where a group with processes in it cannot be divided:
 *
 *   1. its own, if it was delegated to us (or nobody manages groups here) and
 *      nobody else is in it: this process and the zygote then move into a group
 *      beside the sandboxes';
 *   2. one that systemd makes for the zygote: a transient scope, delegated.
 *
 * In version 1: its own in each hierarchy where it may make directories.
 *
 * Any thread, once.
 */

#include "backend/native/cgroup_find.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct cgroup_base_request {
	pid_t zygote;
	const char *name;
	void (*on_directory)(void *context, const char *path); /* before it is made */
	void *context;
};

struct cgroup_base {
	struct cgroup_place place; /* v2, or v1 where there is no v2 to be had; heap paths */
	bool holds[CGROUP_CONTROLLERS];
	/* v2: where this process and the zygote went; NULL: they were not in the way. */
	char *aside;
	bool has_moved_self;
	pid_t moved_zygote; /* 0: it was not moved */
	bool is_scope;
	char layer[128];
	char reason[512];
};

void cgroup_base_find(const struct cgroup_base_request *request, struct cgroup_base *base);
/* Takes this process back to where it was. After all groups below were removed. A scope ends with
 * the zygote, which shall be alive now and go next (cgroup_scope.h); elsewhere it is dead. */
void cgroup_base_finish(struct cgroup_base *base);
