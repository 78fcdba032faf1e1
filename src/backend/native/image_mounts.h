/* SPDX-License-Identifier: MIT */
#pragma once

/* What is mounted below a directory of this machine. Any thread; the parser is pure. */

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct image_mount {
	char *path;    /* absolute */
	bool is_local; /* its files are on this machine, and looking at them cannot hang */
};

struct image_mounts {
	struct image_mount *list; /* in the kernel's order; a path may be there twice */
	size_t count;
};

/* Reads /proc/self/mountinfo: what is mounted below `directory` (absolute), not on it. */
int image_mounts_below(const char *directory, struct image_mounts *mounts, struct error *err);
/* The same over the text of such a file. */
int image_mounts_parse(const char *text, size_t bytes, const char *directory,
		       struct image_mounts *mounts, struct error *err);
void image_mounts_finish(struct image_mounts *mounts);

/* Something is mounted on `path`: which? NULL: nothing. The one mounted last counts. */
const struct image_mount *image_mounts_on(const struct image_mounts *mounts, const char *path);
/* Something is mounted below `path`. */
bool image_mounts_within(const struct image_mounts *mounts, const char *path);
/* Something is mounted on or below `path`, or on a directory on the way to it from `top`, itself
 * included: what the plain `path` below "/" is, is then not all that one finds there. */
bool image_mounts_touch(const struct image_mounts *mounts, const char *top, const char *path);
