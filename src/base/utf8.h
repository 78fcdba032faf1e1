/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * UTF-8, as Unicode table 3-7 defines it. Repair gives the very bytes that
 * Python's bytes.decode("utf-8", errors="replace").encode() gives: one U+FFFD
 * for each maximal part of an ill-formed sequence. Any thread; pure.
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* How many bytes at `text` (bytes >= 1) belong together: a whole character
 * (*is_valid), or the part of a broken one that a single U+FFFD replaces. */
size_t utf8_step(const unsigned char *text, size_t bytes, bool *is_valid);
bool utf8_is_valid(const void *text, size_t bytes);
/* Decodes the valid sequence of `length` bytes at `text`. */
unsigned utf8_decode(const unsigned char *text, size_t length);
/* Appends `data` repaired. -1 if `out` is full. */
int utf8_repair(struct buf *out, const void *data, size_t bytes);
