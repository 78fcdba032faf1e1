/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The server's end of the zygote (zygote/zygote.h): starts it, sets it up, and
 * asks it for sandboxes.
 *
 * starter_create belongs to the main thread before others exist (the zygote dies
 * with the thread that started it); starter_prepare to one thread, once, before
 * the first cradle. After that any number of threads may make cradles at once; each
 * cradle is one thread's at a time.
 */

#include "base/buf.h"
#include "base/error.h"
#include "exec/cancel.h"
#include "zygote/zygote.h"

#include <stdbool.h>
#include <stdint.h>

struct starter;

/* Starts the zygote and does not wait for it. */
struct starter *starter_create(struct error *err);
/* Every sandbox ends with it. Takes NULL. */
void starter_destroy(struct starter *starter);

/* What it found out about ids and files. */
struct starter_facts {
	enum zygote_id_mode id_mode;
	uint32_t id_count; /* ids of a sandbox: 1, or up to ZYGOTE_ID_RANGE */
};

/* Waits for the zygote and gets its ids mapped; it then goes on by itself to make its own root.
 * `first_range` is the first id of one that as root a sandbox may have; `is_self`: an ordinary
 * user's sandboxes need that user's own id (backend/native/id_map.h). */
int starter_prepare(struct starter *starter, uint32_t first_range, bool is_self,
		    struct starter_facts *facts, struct error *err);
/* Gives it the only image, 0, and seals it, without waiting: whoever speaks to it afterwards can
 * neither name another image nor a path. */
int starter_send_image(struct starter *starter, const struct buf *plan,
		       enum zygote_layering layering, struct error *err);
/* Waits until all of that is done. *shares_ids: every sandbox must have the first range. */
int starter_await_image(struct starter *starter, bool *shares_ids, struct error *err);

pid_t starter_pid(const struct starter *starter);
/* False once the zygote is gone, and every sandbox with it. */
bool starter_is_alive(const struct starter *starter);

/* --- the end ---------------------------------------------------------------------- */

/* As root, before rights are dropped: a process that waits for the end of this server, whatever
 * that is, and then removes the groups called `name` in these directories (borrowed), with the
 * empty groups in them, and after them the file (zygote/janitor.h). Returns the descriptor that it
 * watches, or -1. */
struct starter_leftovers {
	const char *name;
	const int *fds;
	unsigned count;
	const char *file_name;
	int file_directory_fd; /* -1: there is no file */
};
int starter_keep_clean(struct starter *starter, const struct starter_leftovers *leftovers,
		       struct error *err);
/* Has that done now, and waits for it. Takes -1. */
void starter_clean(int *janitor_fd);

/* --- sandboxes ------------------------------------------------------------------- */

/* The control groups that a sandbox is to be in. */
struct starter_place {
	int fds[ZYGOTE_MAX_CGROUPS]; /* their directories, borrowed */
	unsigned count;
	bool is_unified;   /* the first is of version 2 */
	uint32_t optional; /* bit I: group I only weighs (zygote/zygote.h) */
};

/* The beginning of a sandbox: a process in its groups and its network, which waits for the rest
 * (zygote/cradle.h). It may be made long before the sandbox is wanted. */
struct cradle;

/* Asks for one and does not wait for it: what goes wrong with it is told when it is spawned. The
 * deadline is for the asking, which the kernel may refuse for a moment. `place` NULL: no groups. It
 * must not outlive the starter. */
struct cradle *starter_cradle(struct starter *starter, const struct starter_place *place,
			      uint64_t deadline_ms, struct error *err);
/* False once it failed or was killed: throw it away, another may do better. */
bool cradle_is_alive(const struct cradle *cradle);
/* It ends without having been a sandbox, and leaves its groups soon after. Takes NULL. */
void cradle_discard(struct cradle *cradle);

struct starter_process {
	int pidfd;	/* PID 1 of the sandbox; readable once it is dead */
	int socket_fd;	/* to its guest */
	int storage_fd; /* O_PATH, of what it writes to, if the request wanted it; else -1 */
};

/* Makes the sandbox, and takes the cradle in any case. Of the request, `operation` and the members
 * of CRADLE are not used. The descriptors are the caller's. On failure nothing is left, or nothing
 * that lives on. */
int cradle_spawn(struct cradle *cradle, const struct zygote_request *request,
		 const struct cancel *cancel, uint64_t deadline_ms, struct starter_process *process,
		 struct error *err);
