/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * From a bare clone to a sandbox: everything that PID 1 does to itself before it
 * becomes the guest, as one ordered table (setup.c). A step that fails ends the
 * sandbox and tells the server which one and why; nothing is skipped but what a
 * step's own comment says.
 */

#include "base/attr.h"
#include "zygote/template.h"
#include "zygote/zygote.h"

struct setup {
	const struct zygote_request *request;
	const struct template *template;
	enum zygote_id_mode id_mode;
	int report_fd; /* to the server; its end-of-file is "ready" */
	int guest_fd;  /* becomes the guest's socket */
	int cradle_fd; /* the cradle's word that the ids are mapped, with these mounts: */
	int made_fd;   /* the image's own layers, owners mapped; -1: as they stand */
	int source_fd; /* the root's source, owners mapped; -1: as it stands */
	int dev_fd;    /* /dev; -1: copy the zygote's */
	/* With ZYGOTE_LAYERING_TRUSTED, both mounted already; else -1 */
	int storage_fd;
	int root_fd;
};

/* In the new child. */
ATTR_NORETURN void setup_run(struct setup *setup);

/* What the cradle sends on cradle_fd; descriptors storage and root, or made and source, then dev go
 * with it as present. */
#define SETUP_MAPPED_FDS 3
struct setup_mapped {
	bool has_root; /* and storage */
	bool has_made;
	bool has_source;
	bool has_dev;
};

/* What a file system for /dev holds beside its nodes, made once for all or for each. */
int setup_fill_dev(int dev_fd, struct error *err);
