/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Memory for our own small, bounded objects. A server that cannot get a few
 * hundred bytes can neither answer nor clean up, so these end the process with
 * a line on stderr instead of returning NULL. Sizes that a peer chooses go
 * through base/buf.h, which is bounded and fails like everything else
 * (docs/decisions/0002-memory.md).
 */

#include "base/attr.h"

#include <stddef.h>

/* Zeroed memory for one object. Free with free(). */
void *alloc_zeroed(size_t bytes) ATTR_NODISCARD;
/* Zeroed array; ends the process on overflow of count * bytes. */
void *alloc_array(size_t count, size_t bytes) ATTR_NODISCARD;
/* Grows or shrinks an array; new members are not initialised. */
void *alloc_resize(void *array, size_t count, size_t bytes) ATTR_NODISCARD;
char *alloc_string(const char *text) ATTR_NODISCARD;
char *alloc_printf(const char *format, ...) ATTR_PRINTF(1, 2) ATTR_NODISCARD;
