/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Results as MCP frames them, above all the tool's. Encoding a tool result runs
 * on the thread of its call, whose stack is small: nothing here recurses or
 * parses. A reply never exceeds the maximum it was given: output that would is
 * replaced as a whole by a notice that says so, and where it is kept.
 */

#include "mcp/era.h"
#include "session/call.h"

struct result_frame {
	const char *id; /* as JSON text */
	enum mcp_version version;
	size_t max_bytes; /* of the whole message */
};

/* Everything of a result but its own members, which come between the two as
 * `"name":value,"name":value`. */
void result_open(struct buf *out, const struct result_frame *frame);
/* After at least one member. */
void result_close(struct buf *out, const struct result_frame *frame);

/* The whole answer to a tools/call, as call_callbacks.encode. Nothing for ERROR_CANCELLED. */
enum call_encoding result_encode_outcome(struct buf *out, const struct result_frame *frame,
					 const struct call_outcome *outcome);
/* Likewise for a call that failed before it began. */
void result_encode_error(struct buf *out, const struct result_frame *frame,
			 const struct error *error);

/* `{"name":...,"version":...}` */
void result_append_server_info(struct buf *out);
