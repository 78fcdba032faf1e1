/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one escaper for foreign text (argv, client names, engine output) on its
 * way into a log, a terminal or a page. C0, DEL, C1, U+2028, U+2029, bidi
 * controls and zero-width marks become \uXXXX; broken UTF-8 becomes U+FFFD.
 * With JSON quoting, `"` and `\` are escaped too, so the result may stand
 * between quotes. Any thread; pure.
 */

#include "base/buf.h"

enum escape_style { ESCAPE_TEXT, ESCAPE_JSON };

/* Appends at most `max_bytes` of the input, then "..." if more was there. -1 if `out` is full. */
int escape_append(struct buf *out, const void *text, size_t bytes, size_t max_bytes,
		  enum escape_style style);
