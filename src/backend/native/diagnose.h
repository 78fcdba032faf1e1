/* SPDX-License-Identifier: MIT */
#pragma once

/* What of this machine matters to native sandboxes, line by line. Any thread. */

#include "backend/backend.h"

void diagnose_host(const struct backend_config *config, const struct diagnosis *diagnosis);
