/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The directory in which the servers of one user know each other by lock files,
 * and the key that tells their things from anybody else's:
 *
 *   $XDG_STATE_HOME/kilntainers, by default ~/.local/state/kilntainers, or
 *   /var/lib/kilntainers for root
 *     key              32 random bytes; whoever has them can make our labels
 *     owners/ID.lock   held by a flock(2) while server ID lives (owner.h)
 *
 * Nobody but its owner may write there: what is found otherwise is not used.
 * Read-only once it is open; any thread.
 */

#include "base/error.h"
#include "base/hash.h"

#include <sys/stat.h>

#define OWNER_KEY_BYTES 32
#define OWNERS_DIRECTORY "owners"

struct owner_state {
	char *path;
	int owners_fd; /* the directory of lock files; -1: there is none */
	unsigned char key[OWNER_KEY_BYTES];
};

/* Opens it, and makes what is missing of it. */
int owner_state_make(struct owner_state *state, struct error *err);
/* Opens it if it is there: 1, or 0 with nothing to finish if not. Makes nothing. */
int owner_state_find(struct owner_state *state, struct error *err);
/* Not kept anywhere, with a key of its own. */
void owner_state_pretend(struct owner_state *state);
void owner_state_finish(struct owner_state *state);

/* A regular file of this user that has no other name, opened without waiting and never through a
 * link; -1 if it is anything else. */
int owner_state_open_file(int directory_fd, const char *name, int flags, struct stat *status);
