/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * JSON text into buffers, for replies. Never recurses, needs no memory beyond
 * the buffer, and copies what needs no escape in whole runs: a reply of
 * megabytes is encoded on a small stack in a few milliseconds. Strings must be
 * valid UTF-8 (base/utf8.h repairs). Any thread.
 *
 * Failure stays in the buffer (`failed`), so callers may check once at the end.
 */

#include "base/buf.h"

#include <stddef.h>

/* A tool result is a JSON text that stands, as a string, in another JSON text. */
enum encode_level { ENCODE_ONCE, ENCODE_TWICE };

/* How many bytes encode_text appends. */
size_t encode_text_size(const char *text, size_t bytes, enum encode_level level);
/* The contents of a JSON string, without its quotes. */
void encode_text(struct buf *out, const char *text, size_t bytes, enum encode_level level);
/* A JSON string with its quotes; `text` ends with a NUL. */
void encode_string(struct buf *out, const char *text);
/* `"name":"text"`. `name` needs no escape. */
void encode_member(struct buf *out, const char *name, const char *text);
