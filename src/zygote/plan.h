/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox's root file system is made of, worked out once by the server
 * (backend/native/image.h) and handed to the zygote as one sealed memory file:
 * the zygote builds a template from it when it is registered, and every sandbox
 * mounts that template. After that no path of the host reaches the zygote.
 *
 * The root is an overlay, and so is the `path` of every OVERLAY step. Each has,
 * from the top: the sandbox's own writable layer; the *made* layer, which the
 * DIRECTORY, EMPTY, LINK and FILE steps of this overlay fill; the *hidden*
 * layer; and the host directory `source` (the root overlay has none without a
 * ROOT step). A step belongs to the deepest overlay whose `path` is above its
 * own; an OVERLAY step comes before the steps below it, and its mount point is
 * made by the zygote in the overlay that it lies in.
 *
 * The overlay itself then does what one expects: a made directory is merged with
 * the one of that name below it (its mode and owner win), a made link or file
 * hides whatever was there. EMPTY is a directory in the made layer over a
 * whiteout (a character device 0:0) of that name in the hidden layer: lookup
 * stops at the whiteout, so the sandbox finds an empty directory and may write
 * into it. That needs no extended attribute, so it works on every tmpfs. The
 * hidden layer of an overlay without EMPTY steps is left out.
 *
 * Parents are explicit: whatever lies above a path within its overlay was made
 * by an earlier DIRECTORY step. A directory may be made again (the last mode
 * holds), also as EMPTY; a link or file may not. Overlays may lie in one another.
 * Everything made belongs to root of the sandbox.
 * "proc", "dev" and "sys" at the top are the zygote's own: no step is there or
 * below.
 *
 * Writer and reader have one thread and one owner each. The reader takes the
 * bytes as hostile, allocates nothing, and its strings point into the plan.
 */

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum plan_op {
	PLAN_ROOT,	/* host directory `source` is the lower of the root. First step only.
			   It is an image of its own: its owners are the sandbox's ids, so the
			   zygote may (and as root should) map them */
	PLAN_OVERLAY,	/* host directory `source` is the lower of an overlay at `path`. It is a
			   part of the host, and its owners are never mapped: mapped, the
			   sandbox's root could read what only the host's root may */
	PLAN_DIRECTORY, /* make directory `path` with `mode` */
	PLAN_EMPTY,	/* make directory `path` with `mode`, empty whatever is below */
	PLAN_LINK,	/* make symbolic link `path` -> `source` */
	PLAN_FILE,	/* make file `path` with `mode` and `data` */
};

struct plan_step {
	enum plan_op op;
	uint32_t mode;	    /* of DIRECTORY, EMPTY and FILE: permissions and sticky bit */
	const char *path;   /* inside the sandbox: "etc/hosts"; never empty (ROOT: NULL) */
	const char *source; /* host path from "/", or link target; NULL for the others */
	const void *data;   /* of FILE */
	size_t bytes;
};

#define PLAN_MAX_BYTES (64u << 20)
#define PLAN_MAX_STEPS 20000u
/* Each costs every sandbox a mount of about 0.1 ms. */
#define PLAN_MAX_OVERLAYS 160u

/* Writer: steps are appended to `plan` in order; a step that the reader would refuse is
 * refused here. `plan` is initialised by plan_begin and freed with buf_finish. */
void plan_begin(struct buf *plan);
int plan_append(struct buf *plan, const struct plan_step *step, struct error *err);

struct plan_reader {
	const unsigned char *next;
	size_t left;
	uint32_t steps; /* read so far */
	uint32_t overlays;
};

/* Checks the size and the header. The plan must outlive the reader and its steps. */
int plan_open(struct plan_reader *reader, const void *plan, size_t bytes, struct error *err);
/* 1 with *step, 0 at the end, -1 (ERROR_PROTOCOL) if the plan is malformed. Steps are checked
 * each by itself, and the order only of ROOT: parents and overlays are for whoever applies
 * them, where a missing parent is a failing system call. */
int plan_next(struct plan_reader *reader, struct plan_step *step, struct error *err);
