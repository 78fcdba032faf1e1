/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the zygote keeps of a registered image: the layers that zygote/plan.h
 * describes, mounted below the zygote's own root, ready to be the lower layers
 * of every sandbox's overlays.
 *
 *   /images/N        a small tmpfs: K/made and K/hidden for each overlay K
 *   /sources/N/K     the host directory of overlay K
 *
 * Overlay 0 is the root. Only made while the zygote starts; never changed after.
 * Where the root is no overlay, every sandbox makes its own from the plan.
 */

#include "base/error.h"
#include "zygote/plan.h"
#include "zygote/zygote.h"

#include <stdbool.h>
#include <stddef.h>

struct template_overlay {
	const char *path; /* inside the sandbox; "" for the root; points into the plan */
	bool has_hidden;
	bool has_source;
};

struct template
{
	bool is_registered;
	bool maps_made;	  /* the tmpfs can show its owners through a sandbox's ids */
	bool maps_source; /* so can the root's source, an image of its own */
	enum zygote_layering layering;
	/* What all that is made takes of a file system in memory. */
	uint64_t made_bytes;
	uint64_t made_inodes;
	void *plan; /* mapped for good: the paths point into it */
	size_t plan_bytes;
	unsigned overlay_count;
	struct template_overlay overlays[PLAN_MAX_OVERLAYS + 1];
};

/* Where the layers of a template are mounted; where layer `what` ("made", "hidden") of overlay
 * `index` is, or its source. */
#define TEMPLATE_PATH_BYTES 64
void template_path(char path[TEMPLATE_PATH_BYTES], unsigned id);
void template_layer_path(char path[TEMPLATE_PATH_BYTES], unsigned id, unsigned index,
			 const char *what);
void template_source_path(char path[TEMPLATE_PATH_BYTES], unsigned id, unsigned index);

/* Mounts the place for the layers of template `id`, and fills it from the plan in `plan_fd`
 * (borrowed); `host_root` is the host's "/", where the plan's sources are. What is made belongs
 * to whom the caller acts as. */
int template_begin(unsigned id, struct error *err);
int template_fill(struct template *template, unsigned id, int plan_fd, int host_root,
		  struct error *err);

/* Makes in the empty directory `root_fd` what the plan makes in the root, the mount points of the
 * other overlays included. */
int template_make_root(const struct template *template, int root_fd, struct error *err);
