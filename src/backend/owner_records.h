/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The lock file of an owner: its name, and what stands in it. One line for each
 * thing, "KIND PATH"; a last line that was cut is as good as none, since the
 * thing was not made yet. Any thread.
 */

#include "backend/owner.h"

extern const char *const owner_kind_names[OWNER_KINDS];

void owner_lock_name(const char *id, char name[OWNER_LOCK_BYTES]);
/* False if `name` is not that of a lock file. */
bool owner_lock_id(const char *name, char id[OWNER_ID_BYTES]);

/* Calls `visit` for each record and returns the sum of what it returned; -1 if there is anything
 * but records in the file. */
int owner_records_each(int fd, int (*visit)(void *context, enum owner_kind kind, const char *path),
		       void *context, struct error *err);
