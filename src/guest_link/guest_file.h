/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The static executable (guest by default, zygote by argument) that the build
 * embeds into the server. Any thread.
 */

#include "base/error.h"

/* A sealed memory file with it, ready to be executed; the caller's. -1 on failure. Nothing that
 * runs from it can change it, which a file on disk or an unsealed one could not promise. */
int guest_file_open(struct error *err);
