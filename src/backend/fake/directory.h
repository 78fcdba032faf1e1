/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The files of one fake sandbox: a temporary directory. Any thread.
 *
 * A server that is killed cannot remove it. So whoever uses one holds a lock on it,
 * and the next server sweeps up those that nobody holds.
 */

#include "base/error.h"

#include <time.h>

/* Makes a new empty one; its absolute path is the caller's (free), and so is *lock_fd: it is in use
 * until that is closed. NULL on failure. */
char *directory_make(int *lock_fd, struct error *err);
/* Removes it with everything below it, as far as that is possible. Takes NULL. Frees the path. */
void directory_remove(char *path);
/* Removes this user's that are in no use. One that is just being made has no lock yet: those that
 * changed at `before` or later stay. */
void directory_sweep(time_t before);
