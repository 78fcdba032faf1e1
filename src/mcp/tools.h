/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What tools/list says: one tool, with a description made of facts that were
 * probed in the image and a schema kept dull on purpose (no unions, references
 * or defaults of null: several clients drop a tool, or the whole list, over
 * those). Depends on the revision and the configuration alone, so that every
 * client of a revision gets the same bytes. Pure.
 */

#include "base/buf.h"
#include "exec/facts.h"
#include "mcp/era.h"

#include <stdbool.h>
#include <stdint.h>

struct tools_text {
	const struct exec_facts *facts; /* NULL: not known (yet) */
	uint64_t timeout_s;
	uint64_t max_timeout_s;
	uint64_t output_limit_bytes;
	bool takes_handle;     /* sandbox_id is offered */
	const char *override;  /* replaces the description; or NULL */
	const char *extension; /* follows the description after a blank line; or NULL */
};

/* Appends `"tools":[...]`. */
void tools_append_list(struct buf *out, const struct tools_text *text, enum mcp_version version);
/* Plain text. Without override and extension at most LIMIT_DESCRIPTION_BYTES. */
void tools_describe(struct buf *out, const struct tools_text *text);
