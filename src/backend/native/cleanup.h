/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What servers that were killed have left on this machine: control groups,
 * directories that were written down (backend/owner.h), images unpacked by half.
 * Any thread.
 */

#include "backend/backend.h"

/* At a start: removes what is surely of the dead, without waiting for anything, and logs it. */
void native_sweep(void);
/* Finds everything that looks like ours, and says of each what became of it. */
void native_cleanup(const struct backend_config *config, const struct cleanup_request *request);
