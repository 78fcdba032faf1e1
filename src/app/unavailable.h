/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Stands in for a backend that could not be opened: every sandbox is refused
 * with the reason. Clients show nothing of a child that died at start, but they
 * do show a tool's error.
 */

#include "backend/backend.h"

/* Never fails; close with backend_close. Copies the reason. */
struct backend *unavailable_open(const struct backend_config *config, const struct error *reason);
