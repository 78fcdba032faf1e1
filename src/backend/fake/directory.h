/* SPDX-License-Identifier: MIT */
#pragma once

/* The files of one fake sandbox: a temporary directory. Any thread. */

#include "base/error.h"

/* Makes a new empty one; its absolute path is the caller's (free). NULL on failure. */
char *directory_make(struct error *err);
/* Removes it with everything below it, as far as that is possible. Takes NULL. Frees the path. */
void directory_remove(char *path);
