/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which backend makes the sandboxes, and whether it can do what was asked of it.
 * A backend that was named is never replaced by another, and a limit is never
 * silently ignored. Main thread.
 */

#include "app/config.h"

/* NULL: no such backend (USAGE), not in this build, or it cannot do what an option asks (CONFIG).
 * On success *reason says why this one, in a few words, and config->backend_name is its name. */
const struct backend_type *choose_backend(struct config *config, const struct options *options,
					  const char **reason, struct error *err);

/* As backend_open; at --log-level debug every call of the backend is logged. */
struct backend *choose_open(const struct config *config, const struct backend_type *type,
			    struct error *err);
