/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * SIGINT, SIGTERM and the patience of whoever sent them. Signal handlers are the
 * process's, so this module has state of its own. Main thread.
 */

#include "exec/cancel.h"

#include <stdint.h>

/* From now on SIGINT and SIGTERM raise `cancel`, once; the next one ends the process at once with
 * 128 + its number. `cancel` may be NULL: then already the first one does. */
void stop_on_signal(const struct cancel *cancel);
/* The number of the signal that came first, or 0. */
int stop_signal(void);
/* Ends the process with exit code 1 if it still lives then: what makes sandboxes dies with us, so
 * hanging would be the only way to leave something behind. */
void stop_after(uint64_t milliseconds);
