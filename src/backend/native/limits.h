/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What native sandboxes may use, and which layer holds it on this machine:
 *
 *   limit     control group       without one
 *   memory    memory controller   nothing for the whole sandbox; each process by resource limits,
 *                                 files by the size of their file system
 *   pids      pids controller     RLIMIT_NPROC of the sandbox's user namespace, kernel.pid_max
 *   cpu       cpu controller      nothing
 *   disk      not used            size of the file system, always
 *   sums      the group of all    usage.h: no new sandbox while a sum is exceeded
 *
 * Any thread.
 */

#include "backend/backend.h"
#include "backend/native/cgroup.h"
#include "exec/exec.h"

#include <stdbool.h>

struct limits {
	struct cgroup_limits each;
	uint64_t disk_bytes;
	struct cgroup_limits sum;
};

/* What was asked for, with defaults for the rest. */
void limits_load(struct limits *limits, const struct backend_config *config);
/* ERROR_CONFIG if something was asked for by name that this machine cannot hold. */
int limits_check(const struct backend_config *config, const struct cgroups_facts *facts,
		 struct error *err);
/* What control groups hold and count, so that a result can name it; the rest is 0. */
void limits_held(const struct limits *limits, const struct cgroups_facts *facts,
		 struct exec_limits *held);
/* Whether they hold the sums; else somebody has to look (usage.h). */
bool limits_hold_sums(const struct cgroups_facts *facts);
/* In the log: which layer holds what; and a warning if nothing holds memory, unless the user has
 * accepted that. */
void limits_log(const struct limits *limits, const struct backend_config *config,
		const struct cgroups_facts *facts);
/* The same for `doctor`, a line for each. */
void limits_diagnose(const struct limits *limits, const struct cgroups_facts *facts,
		     const struct diagnosis *diagnosis);
