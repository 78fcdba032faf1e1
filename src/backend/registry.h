/* SPDX-License-Identifier: MIT */
#pragma once

/* The const table of backends, those that this build lacks included. Pure. */

#include "backend/backend.h"

/* NULL-terminated, in the order of --help. */
extern const struct backend_type *const backend_registry[];

const struct backend_type *backend_find(const char *name);
