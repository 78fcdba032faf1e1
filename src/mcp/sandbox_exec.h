/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The arguments of the tool, from what clients really send to a checked
 * call_request. Wrong values are for the model to put right, so each error is a
 * sentence that says how. Pure; runs where the message is parsed.
 */

#include "base/error.h"
#include "session/call.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_EXEC_NAME "sandbox_exec"

struct sandbox_exec_rules {
	uint64_t timeout_s;
	uint64_t max_timeout_s;
	bool takes_handle;	 /* sandbox_id says which sandbox; without it a new one is made */
	enum call_target target; /* of calls that take no handle */
};

/* `object` holds the arguments, or is NULL for none. On success *request is owned by the caller
 * (call_request_finish); the error's kind is INVALID, or INTERNAL without memory. */
int sandbox_exec_decode(const json_t *object, const struct sandbox_exec_rules *rules,
			struct call_request *request, struct error *err);
