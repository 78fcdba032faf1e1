/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What `--image` names, turned into a plan of the sandbox's root (zygote/plan.h)
 * and the facts that the tool description wants.
 *
 *   image.c            which kind it is; what every kind gets
 *   image_host.c       "host": this machine's programs, none of its data
 *   image_trees.c      /usr and its like
 *   image_hidden.c     what looks empty in them
 *   image_etc.c        what of the host's /etc belongs to its programs
 *   image_mounts.c     what is mounted where
 *   image_directory.c  an unpacked root file system
 *   image_tar.c        a packed one: unpacked once, into the cache (image_cache.c),
 *                      by our own file creation (image_unpack.c)
 *   image_probe.c      shell, programs and system of any of them
 *
 * Any thread; calls share nothing. Preparing the host image takes some
 * milliseconds, unpacking a tar as long as it takes.
 */

#include "backend/backend.h"
#include "base/buf.h"
#include "base/error.h"
#include "exec/cancel.h"

#include <stdbool.h>

struct image_reading;

struct image_request {
	const char *name;  /* NULL or "host"; else a path, as image_is_path says */
	const char *shell; /* that commands are to be run by; NULL: the first that is there */
	/* The plan will be applied by a process that may unmount what is mounted here (root
	 * that made a mount namespace). Otherwise a host directory with something mounted
	 * below it cannot become part of a sandbox, and the plan goes around it. */
	bool owns_mounts;
	const char *const *excluded; /* of the host image, as image_hidden_collect has them */
	const char *const *included;
	struct image_reading *reading;		 /* of image_begin, taken; NULL: none */
	const struct cancel *cancel;		 /* NULL: never */
	const struct backend_progress *progress; /* NULL: nobody asks */
};

struct image {
	struct buf plan;
	char system[96];    /* "Debian 12 userland"; empty if it does not say */
	char shell[256];    /* "/bin/bash"; empty: the image has none */
	char programs[256]; /* "python3, git, node": worth naming, found in it; may be empty */
	char left_out[256]; /* what the user would miss, as a sentence; empty: nothing */
};

/* Is it this machine itself (NULL: no image was named)? */
bool image_is_host(const char *name);
/* Does `--image` name a directory or a tar of this machine: begins with "/", "./" or "../"? */
bool image_is_path(const char *name);
/* Is it a file, so that image_prepare needs the tar reader? False for what does not exist. */
bool image_is_archive(const char *name);

/* Begins to read, on a thread of its own, what takes the most time and depends on nothing else:
 * something else can be done before image_prepare (or image_abandon). NULL: there is nothing. */
struct image_reading *image_begin(const char *name);
/* Takes NULL. */
void image_abandon(struct image_reading *reading);

/* ERROR_CONFIG if the image cannot be used, with what to do about it; ERROR_CANCELLED. */
int image_prepare(const struct image_request *request, struct image *image, struct error *err);
void image_finish(struct image *image);
