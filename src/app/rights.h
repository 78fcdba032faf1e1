/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A server that was started by root reads what strangers write, so it does not
 * stay root: once the backend is open, and before the first byte of a client is
 * read, it becomes somebody else who may only kill sandboxes (they have ids of
 * their own), and reaches no file. What makes sandboxes is another process, and
 * keeps its rights. Main thread.
 */

#include "app/options.h"
#include "backend/backend.h"

#include <stdbool.h>
#include <sys/types.h>

/* Whom the server is to become. */
struct rights {
	bool is_asked_for; /* by --run-as; else the default */
	uid_t uid;
	gid_t gid;
};

/* --run-as, else whoever ran sudo, else nobody; without root who we are. USAGE or CONFIG. */
int rights_choose(struct rights *rights, const struct options *options, struct error *err);

/* A file that is read again while the server runs. */
struct rights_file {
	const char *option; /* that names it */
	const char *path;   /* absolute */
};

/* Gives up what the backend can do without, for ever, and logs what became of it; as an ordinary
 * user does nothing. `files` ends with a path of NULL; CONFIG, with the remedy, if whoever the
 * server became cannot read one of them. NULL: there are none. No other thread may exist. */
int rights_settle(const struct rights *rights, struct backend *backend,
		  const struct rights_file *files, struct error *err);

/* The way there, in order: afterwards only what is below `kept_paths` (NULL-terminated) can be
 * opened, and the folders of `files` (as above) be read. On failure the process is half-way and
 * must end. */
int rights_drop(uid_t uid, gid_t gid, const char *const *kept_paths,
		const struct rights_file *files, struct error *err);
