/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Limits by control groups: one group for all sandboxes of this server, with what
 * they may use together, and in it one for each sandbox.
 *
 *   BASE                    what this process may divide up (cgroup_base.h)
 *   └─ NAME                 the sums; low weight of processor time
 *      ├─ s1                a sandbox: its memory, processes, processor time
 *      └─ s2
 *
 * In version 1 that exists once per hierarchy. Which controllers there are is
 * found out at creation and never changes. What is not there is said, never
 * silently left out: cgroups_facts.
 *
 * Directories of dead sandboxes are used again, since the kernel takes longer to
 * make one than to empty it.
 *
 * Any thread.
 */

#include "backend/native/cgroup_find.h"
#include "base/error.h"
#include "guest_link/guest_link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* 0: not limited. */
struct cgroup_limits {
	uint64_t memory_bytes; /* files in memory and the kernel's share included; no swap */
	uint64_t pids;	       /* processes and threads */
	uint64_t cpu_milli;    /* thousandths of a processor */
};

struct cgroups_request {
	pid_t zygote;	  /* what it starts is limited; it may be moved */
	const char *name; /* of the group that holds all others; borrowed for the call */
	struct cgroup_limits each;
	struct cgroup_limits sum; /* of them all; cpu_milli is not used */
	uid_t user;		  /* as root: who this process will be when it makes groups */
	gid_t group;
	/* Told of each directory before it is made, so that somebody can remove what this process
	 * cannot any more. */
	void (*on_directory)(void *context, const char *path);
	void *context;
};

struct cgroups_facts {
	bool holds[CGROUP_CONTROLLERS];
	char layer[128];  /* what holds them: "cgroup v1"; empty: nothing */
	char reason[512]; /* why not all are held; empty if all are */
};

#define CGROUP_MAX_DIRECTORIES 3

/* Where a process must go to be in it. Directories (O_PATH), the caller's to close. */
struct cgroup_directories {
	int fds[CGROUP_MAX_DIRECTORIES];
	unsigned count;
	bool is_v2;
	uint32_t optional; /* bit I: fds[I] holds no limit that was asked for */
};
struct cgroups;

/* NULL if no controller can be had; *facts in any case. May wait for systemd, at most some
 * seconds. */
struct cgroups *cgroups_create(const struct cgroups_request *request, struct cgroups_facts *facts);
/* NULL-terminated: the directories that belong to this process. Borrowed. */
const char *const *cgroups_paths(const struct cgroups *cgroups);
/* Where those are (O_PATH), the caller's to close with cgroup_directories_close. */
void cgroups_open_bases(const struct cgroups *cgroups, struct cgroup_directories *directories);
/* The zygote holds a scope of systemd's, which ends with it (cgroup_scope.h). Takes NULL. */
bool cgroups_end_with_zygote(const struct cgroups *cgroups);
/* After every group was released. Removes what it made. The zygote is dead; only where they end
 * with it, it is next to die. Takes NULL. */
void cgroups_destroy(struct cgroups *cgroups);

struct cgroup;

/* A group with its limits set and nobody in it. */
struct cgroup *cgroup_take(struct cgroups *cgroups, struct error *err);
/* Everybody in it is dead, or soon will be. Takes NULL. */
void cgroup_release(struct cgroup *group);

int cgroup_open(const struct cgroup *group, struct cgroup_directories *directories,
		struct error *err);
void cgroup_directories_close(struct cgroup_directories *directories);

/* For a sandbox that is full: makes room for a few processes more (LIMIT_RESERVED_PIDS), which only
 * the guest can use; commands have a resource limit that is lower. False if that was done before,
 * or cannot be. */
bool cgroup_open_reserve(struct cgroup *group);
/* Takes it back once the sandbox has done without, so that refusals are counted again. Costs next
 * to nothing while it is not open. */
void cgroup_close_reserve(struct cgroup *group);

/* Since cgroup_take. What is not counted here stays 0. */
void cgroup_count(const struct cgroup *group, struct guest_link_counters *counters);
