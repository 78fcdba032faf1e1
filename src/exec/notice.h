/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What we say inside a command's stderr, always as `[kilntainers: ...]`. Clients
 * and scripts match these texts: they are interface. Any thread; pure.
 */

#include "base/buf.h"
#include "exec/exec.h"

#include <stdint.h>

/* What there is to say about. */
struct notice {
	const struct exec_request *request;
	const struct exec_result *result;
	uint64_t output_limit_bytes;
	/* What became of the output of a command that gets none of it back; NULL: nothing. */
	const struct exec_saved *saved;
};

/*
 * Appends the lines that `notice` calls for, each on a line of its own (a
 * newline comes before one if `err` does not end with one, none comes after the
 * last); nothing for a command that ended by itself. The first is why it ended,
 * which clients match; what may help comes after it, first of all where the output
 * is. -1 if `err` is full.
 */
int notice_append(struct buf *err, const struct notice *notice);
/* That line alone: WHAT and the two files, or why there are none, or nothing. */
int notice_append_saved(struct buf *err, const char *what, const struct exec_saved *saved);
