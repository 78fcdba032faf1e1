/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which ids of the host a sandbox's ids stand for.
 *
 * As root, each sandbox has a range of its own, from 524288 up (where other tools
 * put containers' ids too, above what distributions give to users), so that the
 * kernel's per-user quotas are its own. As an ordinary user, all share what
 * /etc/subuid and /etc/subgid give to that user, or the user's own id alone.
 *
 * With ids to give, root of a sandbox is the first of them: to the kernel another
 * user altogether, whose groups are its own too, so of the host's files it reads
 * what everybody may. Only an image that belongs to the user (a directory, an
 * unpacked tar) is of no use to somebody else: there root of the sandbox is the
 * user itself, and the host's own directories are not part of it.
 */

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- ordinary user: once, for the zygote. Any thread. */

/* Maps ids into the user namespace of `pid` (ours) by newuidmap and newgidmap, if this user has
 * ids to map: *count is how many; with `is_self`, root of a sandbox is the user itself. Else
 * *count is 1 and nothing was done. */
int id_map_user(pid_t pid, bool is_self, uint32_t *count, struct error *err);
/* How many ids id_map_user would map; `why` says what a single one is for. */
uint32_t id_map_available(bool is_self, const char **why);

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
