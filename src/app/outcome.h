/* SPDX-License-Identifier: MIT */
#pragma once

/* How calls end, in one word: for audit and metrics. Any thread; pure. */

#include "session/observer.h"

#include <stddef.h>

/* Every word that outcome_of may return. */
extern const char *const outcome_names[];
extern const size_t outcome_count;

/* The word for what its caller was told instead of a result, or "cancelled"; NULL: it has a
 * result. */
const char *outcome_error(const struct call_record *call);
/* That, or how the command ended. */
const char *outcome_of(const struct call_record *call);
