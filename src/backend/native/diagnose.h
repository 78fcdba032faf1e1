/* SPDX-License-Identifier: MIT */
#pragma once

/* What of this machine matters to native sandboxes, line by line. Any thread. */

#include "backend/backend.h"

#include <stdbool.h>

void diagnose_host(const struct backend_config *config, const struct diagnosis *diagnosis);

/* From Linux 6.6 files in memory have user attributes, which an overlay needs to say that a new
 * directory has nothing to do with the image's of that name. */
bool diagnose_can_replace_directories(void);
