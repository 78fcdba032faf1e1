/* SPDX-License-Identifier: MIT */
#include "transport/http/refusal.h"

#include "base/limits.h"
#include "base/log.h"

/* One line is given back for each gap that has passed. */
static void give_back(struct refusals *refusals, uint64_t now_ms)
{
	uint64_t gaps = (now_ms - refusals->updated_ms) / LIMIT_REFUSAL_GAP_MS;

	refusals->spent = gaps < refusals->spent ? refusals->spent - (unsigned)gaps : 0;
	refusals->updated_ms =
		refusals->spent > 0 ? refusals->updated_ms + gaps * LIMIT_REFUSAL_GAP_MS : now_ms;
}

void refusal_log(struct refusals *refusals, const char *from, const char *reason, uint64_t now_ms)
{
	give_back(refusals, now_ms);
	if (refusals->spent == LIMIT_REFUSALS_LOGGED) {
		refusals->suppressed++;
		return;
	}
	log_event(LOG_WARNING, "request_refused", LOG_STRING("from", from),
		  LOG_STRING("reason", reason), LOG_NUMBER("suppressed", refusals->suppressed));
	refusals->suppressed = 0;
	refusals->spent++;
}
