/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox's root file system is made of, worked out once by the server
 * (backend/native/image.c) and handed to the zygote as one sealed memory file:
 * the zygote builds a template from it when it is registered, and every sandbox
 * mounts that template. After that no path of the host reaches the zygote.
 *
 * The bytes are a header and a list of steps, applied in order. Paths inside the
 * sandbox are relative, without "..", checked by the reader. The reader allocates
 * nothing; strings point into the mapped plan.
 */

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plan_op {
	PLAN_ROOT,	/* `source`: host directory that is the whole root (lower of the overlay);
			   may only be the first step; absent: the root is a template that the
			   DIRECTORY, LINK and FILE steps fill */
	PLAN_OVERLAY,	/* host directory `source` is the lower of an overlay at `path` */
	PLAN_DIRECTORY, /* make directory `path` with `mode` */
	PLAN_LINK,	/* make symbolic link `path` -> `source` */
	PLAN_FILE,	/* make file `path` with `mode` and `data` */
};

struct plan_step {
	enum plan_op op;
	uint32_t mode;
	const char *path;   /* inside the sandbox, relative, NUL-terminated */
	const char *source; /* host path, or link target */
	const void *data;
	size_t bytes;
};

#define PLAN_MAX_BYTES (64u << 20)
#define PLAN_MAX_STEPS 20000u

/* Writer: steps are appended to `plan` in order. */
void plan_begin(struct buf *plan);
int plan_append(struct buf *plan, const struct plan_step *step, struct error *err);

/* Reader, over hostile bytes. `offset` starts at 0 and is moved on. Returns 1 with *step,
 * 0 at the end, -1 if the plan is malformed. */
int plan_next(const void *plan, size_t bytes, size_t *offset, struct plan_step *step,
	      struct error *err);
