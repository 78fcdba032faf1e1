/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A message from bytes to what the loop only has to hand on: parsed, each
 * request's era known, and the arguments of a call of our tool decoded, because
 * they may be megabytes. Pure; any thread with a stack for the parser.
 */

#include "base/error.h"
#include "mcp/era.h"
#include "mcp/jsonrpc.h"
#include "mcp/sandbox_exec.h"
#include "mcp/server.h"
#include "session/call.h"

#include <stddef.h>

struct tool_arguments {
	struct error error; /* of kind NONE if `request` is good */
	struct call_request request;
};

struct incoming_item {
	const struct jsonrpc_message *message;
	enum era era;			  /* as its body says, where both are served */
	struct tool_arguments *arguments; /* NULL unless this is a call of our tool */
};

struct incoming {
	struct jsonrpc_input json;
	struct incoming_item *items; /* json.count of them */
};

/* The rules differ by era. */
struct incoming_rules {
	enum mcp_protocol protocol;
	struct sandbox_exec_rules of_era[2];
};

/* Changes `text` in place and does not need it afterwards. */
void incoming_parse(struct incoming *incoming, char *text, size_t bytes,
		    const struct incoming_rules *rules);
void incoming_finish(struct incoming *incoming);
