/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Requests that were refused, in the log: enough of them to see who tries what,
 * never so many that they fill it. At most LIMIT_REFUSALS_LOGGED at once and one
 * in LIMIT_REFUSAL_GAP_MS after that; the next line that is written counts those
 * that were not. Loop thread.
 */

#include <stdint.h>

struct refusals {
	unsigned spent;	     /* of LIMIT_REFUSALS_LOGGED */
	uint64_t updated_ms; /* up to when `spent` has been given back */
	uint64_t suppressed;
};

/* `from` is the peer's address, `reason` a static text: nothing of a request is logged. */
void refusal_log(struct refusals *refusals, const char *from, const char *reason, uint64_t now_ms);
