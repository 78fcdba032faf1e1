/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What all sandboxes use together, looked at once a second by a thread of its
 * own: for machines without the control groups that would hold the sum. While it
 * is exceeded no new sandbox is made; those that are there go on.
 *
 * Counted are the resident memory of every process below the zygote, the files
 * that sandboxes have written, and processes with their threads. Memory that
 * processes share is counted for each of them.
 *
 * Any thread; create and destroy belong to the backend's owner.
 */

#include "backend/native/cgroup.h"
#include "base/error.h"

#include <sys/types.h>

struct usage;
struct usage_sandbox;

struct usage *usage_create(pid_t zygote, const struct cgroup_limits *sum);
/* After every sandbox was removed. Takes NULL. */
void usage_destroy(struct usage *usage);

/* `storage_fd`: the file system that it writes to; taken. */
struct usage_sandbox *usage_add(struct usage *usage, int storage_fd);
/* Takes NULL. */
void usage_remove(struct usage_sandbox *sandbox);

/* ERROR_QUOTA while a sum is exceeded. */
int usage_check(struct usage *usage, struct error *err);
