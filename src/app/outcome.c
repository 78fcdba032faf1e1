/* SPDX-License-Identifier: MIT */
#include "app/outcome.h"

#include "base/attr.h"

/* First those of exec_result_ended_by. */
const char *const outcome_names[] = {
	"exit",	     "signal",	    "timeout", "output_limit", "memory", "pids",    "reset",
	"cancelled", "unavailable", "busy",    "quota",	       "lost",	 "invalid", "internal",
};
const size_t outcome_count = ARRAY_LENGTH(outcome_names);

const char *outcome_error(const struct call_record *call)
{
	switch (call->error->kind) {
	case ERROR_NONE:
		return call->was_cancelled ? "cancelled" : NULL;
	case ERROR_UNAVAILABLE:
		return "unavailable";
	case ERROR_BUSY:
		return "busy";
	case ERROR_QUOTA:
		return "quota";
	case ERROR_LOST:
		return "lost";
	case ERROR_INVALID:
		return "invalid";
	case ERROR_CANCELLED:
		return "cancelled";
	case ERROR_USAGE:
	case ERROR_CONFIG:
	case ERROR_PROTOCOL:
	case ERROR_INTERNAL:
		break;
	}
	return "internal";
}

const char *outcome_of(const struct call_record *call)
{
	const char *error = outcome_error(call);

	if (error)
		return error;
	return call->ended_by ? call->ended_by : "internal";
}
