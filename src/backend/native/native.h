/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A backend of this kind: native.c opens and closes it, prepare.c gets it ready for
 * its first sandbox, native_sandbox.c makes sandboxes. Nobody else sees this.
 */

#include "backend/backend.h"
#include "backend/native/cgroup.h"
#include "backend/native/id_map.h"
#include "backend/native/image.h"
#include "backend/native/keeper.h"
#include "backend/native/limits.h"
#include "backend/native/starter.h"
#include "backend/native/usage.h"
#include "backend/owner.h"
#include "base/attr.h"
#include "base/error.h"
#include "zygote/zygote.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Directories of control groups, and settings that explain a failure. */
#define NATIVE_MAX_KEPT_PATHS 16

struct native_backend {
	struct backend backend;
	struct starter *starter;
	struct id_ranges ranges;

	/* Preparing waits for the first who needs it, so that starting up does not. */
	pthread_mutex_t lock;
	struct image_reading *reading; /* begun at open; NULL: not yet, or done */
	bool is_instructed;	       /* the zygote; its answers may still be to come */
	bool is_prepared;
	bool has_failed; /* for good, since the zygote is asked once: the reason is `failure` */
	struct error failure;
	struct starter_facts facts;
	struct image image;
	enum zygote_layering layering;
	uint32_t first_ids; /* as root: of the range that the image was tried with */
	bool shares_ids;    /* all sandboxes have that one; else each its own */

	struct limits limits;
	struct owner *owner;
	int janitor_fd;		 /* -1: there is none, nor a need */
	struct cgroups *cgroups; /* NULL: there are none */
	struct cgroups_facts cgroups_facts;
	struct keeper *keeper;
	struct usage *usage; /* NULL: control groups hold the sums */
	const char *kept_paths[NATIVE_MAX_KEPT_PATHS + 1];
};

static inline struct native_backend *native_of(struct backend *backend)
{
	return CONTAINER_OF(backend, struct native_backend, backend);
}
