/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The files of one sandbox: a size-limited file system that holds all it writes,
 * and the root that is mounted from it and the image's layers, as the image's
 * `layering` says (zygote/zygote.h).
 *
 * Where the sandbox mounts by itself, its PID 1 calls mount_storage, attach and
 * mount_root, in a mount namespace of its own. With ZYGOTE_LAYERING_TRUSTED the
 * process that cloned it does so in another one, calls copy, and hands the two
 * trees to PID 1, which calls take.
 */

#include "base/error.h"
#include "zygote/template.h"
#include "zygote/zygote.h"

/* Places in the zygote's own root, which every child has a private copy of. */
#define LAYERS_ROOT "/root"
#define LAYERS_STORAGE "/sandbox"

struct layers {
	const struct zygote_request *request;
	const struct template *template;
	int made_fd;   /* borrowed: the image's own layers, owners mapped; -1: as they stand */
	int source_fd; /* borrowed: the root's source, owners mapped; -1: as it stands */
};

int layers_mount_storage(const struct layers *layers, struct error *err);
int layers_attach(const struct layers *layers, struct error *err);
int layers_mount_root(const struct layers *layers, struct error *err);

/* Detached copies of what was mounted. */
int layers_copy(int *storage_fd, int *root_fd, struct error *err);
int layers_take(int storage_fd, int root_fd, struct error *err);
