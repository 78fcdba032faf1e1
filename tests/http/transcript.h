/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What our parser understands of one client's bytes, as text that another
 * parser's understanding can be compared with. The bytes are what a connection
 * receives from its beginning, request after request.
 */

#include "base/buf.h"

#include <stddef.h>

/*
 * For each request whose head is complete, all texts in hexadecimal (an empty one is nothing, NULL
 * is a minus):
 *
 *     message METHOD MINOR keep|close
 *     host HEX|-
 *     path HEX
 *     query HEX|-
 *     field NAME VALUE              as often as there are fields
 *     body none|length|chunked HEX  only if it is complete
 *
 * and then one of these: more bytes are wanted (maybe for the next request), the last request said
 * that the connection ends, or what follows is refused.
 *
 *     end more | end closed | end bad STATUS REASON
 *
 * The parser gets the bytes in pieces of `piece`.
 */
void http_transcribe(struct buf *out, const char *data, size_t bytes, size_t piece);
