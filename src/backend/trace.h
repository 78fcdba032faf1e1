/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A backend around another one that logs every call at debug level: what was
 * asked, how it ended, how long it took. It never logs what a command was given
 * or printed. Any backend can be wrapped; the wrapped one works as before, and
 * its sandboxes keep their ids.
 */

#include "backend/backend.h"

/* Takes `inner`: closing the result closes it. */
struct backend *trace_wrap(struct backend *inner);
