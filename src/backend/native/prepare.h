/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Everything that is made once for all sandboxes: control groups, the zygote with
 * the image, the keeper of places.
 */

#include "backend/native/native.h"

/* As root, by the only thread: the part that takes root's rights, which the server gives up before
 * it reads the first byte of a client. What goes wrong cannot be tried again: it is told by every
 * call, as if it had been found out by the first. */
int prepare_as_root(struct native_backend *native, struct error *err);
/* The rest; any thread. Once for all of them; whoever comes meanwhile waits. An image that could
 * not be read may be tried again by the next. */
int prepare_backend(struct native_backend *native, const struct cancel *cancel,
		    const struct backend_progress *progress, struct error *err);
