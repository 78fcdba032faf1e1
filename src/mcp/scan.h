/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The cheap look at a message before a JSON parser sees it: one pass over the
 * bytes, no allocation, so that what a parser would pay dearly for (deep
 * nesting, millions of empty objects) costs a hostile peer more than us. It
 * does not check JSON's grammar; the parser does. Any thread; pure.
 */

#include <stddef.h>

enum scan_verdict {
	SCAN_FINE,
	SCAN_NOT_UTF8, /* anything but well-formed UTF-8 */
	SCAN_BYTE_ORDER_MARK,
	SCAN_NUL,	     /* a raw NUL byte; the escape \u0000 is fine */
	SCAN_TOO_DEEP,	     /* over LIMIT_JSON_DEPTH */
	SCAN_TOO_STRUCTURED, /* over LIMIT_JSON_STRUCTURAL of {}[],: outside strings */
};

enum scan_verdict scan_json(const char *text, size_t bytes);
/* One sentence for the peer. */
const char *scan_verdict_text(enum scan_verdict verdict);

/*
 * Replaces, in place, every \uXXXX escape that is half of a surrogate pair
 * without its other half by \ufffd. JavaScript clients send such halves when a
 * model's output was cut inside an emoji; the parser would refuse the whole
 * message, and with it the id that the client waits for.
 */
void scan_mend_surrogates(char *text, size_t bytes);
