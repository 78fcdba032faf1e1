/* SPDX-License-Identifier: MIT */
#pragma once

/* The parts of image_prepare (image.h has the tree of files). All of them append to a plan
 * and keep its rules: parents first, the root and overlays before what is in them. */

#include "backend/native/image.h"
#include "backend/native/image_mounts.h"

#include <stddef.h>
#include <sys/types.h>

int image_add_directory(struct buf *plan, const char *path, mode_t mode, struct error *err);
int image_add_empty(struct buf *plan, const char *path, mode_t mode, struct error *err);
int image_add_link(struct buf *plan, const char *path, const char *target, struct error *err);
int image_add_text(struct buf *plan, const char *path, mode_t mode, const char *text,
		   struct error *err);
int image_add_overlay(struct buf *plan, const char *path, const char *source, struct error *err);
/* Copies `name` in directory `parent_fd` to `path`. 1, or 0 if it is nothing to copy: not a
 * regular file, not readable for everyone, larger than LIMIT_HOST_FILE_BYTES. */
int image_add_copy(struct buf *plan, const char *path, int parent_fd, const char *name,
		   struct error *err);
/* The same for a symbolic link (as it is) or a file. */
int image_add_copy_or_link(struct buf *plan, const char *path, int parent_fd, const char *name,
			   struct error *err);

/* Who the sandbox is: hosts, hostname, resolv.conf, mtab. /etc was made before. */
int image_add_identity(struct buf *plan, struct error *err);

struct image_hidden;

struct image_reading *image_host_begin(void);
int image_host(const struct image_request *request, struct image *image, struct error *err);
/* The host's /usr, /bin, /lib ... as overlays, with what is to be hidden in them. */
int image_trees(const struct image_request *request, const struct image_hidden *hidden,
		const struct image_mounts *mounts, struct buf *plan, struct error *err);
/* The host's /etc, without accounts. /etc was made before. `mounts`: what is mounted below "/".
 * Says in *is_cut if a limit was met. */
int image_etc(struct buf *plan, const struct image_mounts *mounts, bool *is_cut, struct error *err);
/* Overlays that /etc may take; the trees leave room for them. */
#define IMAGE_ETC_OVERLAYS 4
/* Is there any program in it? ERROR_CONFIG if not; `name` is what the user calls it. */
int image_check_root(int root_fd, const char *name, struct error *err);
/* `directory` is absolute; request->name is only what to call it. */
int image_directory(const char *directory, const struct image_request *request, struct image *image,
		    struct error *err);
