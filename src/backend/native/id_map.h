/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which ids of the host a sandbox's ids stand for.
 *
 * As root, each sandbox has a range of its own, from 524288 up (where other tools
 * put containers' ids too, above what distributions give to users), so that the
 * kernel's per-user quotas are its own. As an ordinary user, all share what
 * /etc/subuid and /etc/subgid give to that user, or the user's own id alone.
 */

#include "base/error.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- ordinary user: once, for the zygote. Any thread. */

/* Maps ids into the user namespace of `pid` (ours) by newuidmap and newgidmap, if this user has
 * ids to map: *count is how many. Else *count is 1 and nothing was done. */
int id_map_user(pid_t pid, uint32_t *count, struct error *err);
/* How many ids id_map_user would map; `why` says what a single one is for. */
uint32_t id_map_available(const char **why);

/* --- root: a range for each sandbox. Any thread. */

#define ID_RANGES 4096u

struct id_ranges {
	pthread_mutex_t lock;
	unsigned char state[ID_RANGES];
	size_t next; /* where to look first: a range rests as long as possible */
};

/* Leaves out what is given to somebody by /etc/passwd, /etc/subuid or /etc/subgid. */
void id_ranges_init(struct id_ranges *ranges);
void id_ranges_finish(struct id_ranges *ranges);
/* The first id of a range of ZYGOTE_ID_RANGE, or 0: all are in use. */
uint32_t id_ranges_take(struct id_ranges *ranges);
/* Only once every process of it is dead. */
void id_ranges_release(struct id_ranges *ranges, uint32_t base);
