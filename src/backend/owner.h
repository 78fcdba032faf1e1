/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who made a thing that outlives a killed server, so that the next one can
 * remove it and nobody removes what a living server uses.
 *
 * A server is an owner: a lock file that it holds by flock(2), which the kernel
 * gives up at its death, whatever the reason. Neither process ids nor boot ids
 * could tell: containers share them. What it makes carries its id and a message
 * authentication code by this installation's key (owner_state.h), since others
 * can copy ids, and images copy labels. In the lock file stands what it made,
 * written before it is made.
 *
 * Only what is labelled by us, of an owner whose lock file is here and free, is
 * removed without being asked for: owner_sweep.
 *
 * An owner belongs to one thread at a time; the rest is for any thread.
 */

#include "backend/owner_state.h"

#include <stdbool.h>
#include <stddef.h>

#define OWNER_ID_BYTES 33  /* 32 hex digits and a NUL */
#define OWNER_MAC_BYTES 65 /* 64 hex digits and a NUL */
/* The name of a lock file: ID.lock */
#define OWNER_LOCK_SUFFIX ".lock"
#define OWNER_LOCK_BYTES (OWNER_ID_BYTES + sizeof(OWNER_LOCK_SUFFIX))
#define OWNER_NAME_PREFIX "kilntainers-"
/* kilntainers-ID-CODE: the id and the first 16 digits of its code. */
#define OWNER_NAME_CODE_DIGITS 16
#define OWNER_NAME_BYTES (sizeof(OWNER_NAME_PREFIX) + OWNER_ID_BYTES + OWNER_NAME_CODE_DIGITS)

enum owner_kind { OWNER_CGROUP, OWNER_DIRECTORY, OWNER_KINDS };

/* --- being one ------------------------------------------------------------------- */

struct owner;

/* Never fails: where no lock file can be kept, that is logged, and what this server leaves behind
 * if it is killed will not be recognised. */
struct owner *owner_create(void);
/* Takes NULL. Removes the lock file, unless something that was written down is still there; then
 * the next sweep removes both. So it does after rights were dropped that it takes, unless somebody
 * who kept them has removed the file (owner_lock_file). */
void owner_destroy(struct owner *owner);
bool owner_is_kept(const struct owner *owner);
const char *owner_id(const struct owner *owner);
/* kilntainers-ID-CODE, for a thing whose name is all there is to label. A suffix may follow it:
 * '-' or '.' and what one likes. */
const char *owner_name(const struct owner *owner);
/* For whoever removes all that was written down, after that: the lock file's directory (borrowed)
 * and its name there. -1 if there is none. */
int owner_lock_file(const struct owner *owner, char name[OWNER_LOCK_BYTES]);
/* For the thing called `name`: its label's code. */
void owner_label(const struct owner *owner, const char *name, char mac[OWNER_MAC_BYTES]);
/* Before the thing is made. The last component of `path` (absolute) begins with owner_name. */
int owner_record(struct owner *owner, enum owner_kind kind, const char *path, struct error *err);

/* --- looking at others ----------------------------------------------------------- */

/* Whether a server with this key made the label. Takes the same time for every code. */
bool owner_verify(const struct owner_state *state, const char *name, const char *id,
		  const char *mac);
enum owner_claim {
	OWNER_CLAIM_NONE,    /* not a name of ours */
	OWNER_CLAIM_FOREIGN, /* looks like one, but not by this key */
	OWNER_CLAIM_OURS,
};
/* Of a name as owner_name makes them. Whose it is: `id`, unless NONE. */
enum owner_claim owner_parse_name(const struct owner_state *state, const char *name,
				  char id[OWNER_ID_BYTES]);
enum owner_life {
	OWNER_LIVES,
	OWNER_DEAD,    /* its lock file is here, and free */
	OWNER_UNKNOWN, /* its lock file is not here */
};
enum owner_life owner_look(const struct owner_state *state, const char *id);

/* --- cleaning up after the dead -------------------------------------------------- */

struct owner_remover {
	/* 0 if the thing is gone now, whether or not it was there. Whatever the path says, it
	 * is checked to be absolute, without "." and "..", and named after the dead owner. */
	int (*remove)(void *context, enum owner_kind kind, const char *path, struct error *err);
	/* A dead owner's lock file that had to be kept, and why. */
	void (*kept)(void *context, const char *id, const char *reason);
	void *context;
};
/* Calls the remover for all that dead owners wrote down, and removes the lock files of those of
 * whom nothing is left. */
void owner_sweep(const struct owner_state *state, const struct owner_remover *remover);
