/* SPDX-License-Identifier: MIT */
#include "mcp/scan.h"

#include "base/limits.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#define ESCAPE_BYTES 6 /* \uXXXX */

/* The first byte at or after `at` that ends the string, or `end`. */
static const char *skip_string(const char *at, const char *end)
{
	while (at < end && *at != '"') {
		/* A backslash protects the next byte, whatever it is. */
		at += *at == '\\' && end - at > 1 ? 2 : 1;
	}
	return at;
}

static enum scan_verdict scan_structure(const char *at, const char *end)
{
	unsigned depth = 0;
	unsigned structural = 0;

	for (; at < end; at++) {
		switch (*at) {
		case '"':
			at = skip_string(at + 1, end);
			break;
		case '{':
		case '[':
			if (++depth > LIMIT_JSON_DEPTH)
				return SCAN_TOO_DEEP;
			structural++;
			break;
		case '}':
		case ']':
			/* More closed than opened is the parser's to refuse. */
			depth -= depth > 0;
			structural++;
			break;
		case ',':
		case ':':
			structural++;
			break;
		default:
			break;
		}
		if (structural > LIMIT_JSON_STRUCTURAL)
			return SCAN_TOO_STRUCTURED;
	}
	return SCAN_FINE;
}

enum scan_verdict scan_json(const char *text, size_t bytes)
{
	static const char byte_order_mark[] = "\xEF\xBB\xBF";

	if (bytes >= 3 && memcmp(text, byte_order_mark, 3) == 0)
		return SCAN_BYTE_ORDER_MARK;
	if (bytes > 0 && memchr(text, '\0', bytes))
		return SCAN_NUL;
	if (!utf8_is_valid(text, bytes))
		return SCAN_NOT_UTF8;
	return scan_structure(text, text + bytes);
}

const char *scan_verdict_text(enum scan_verdict verdict)
{
	static const char *const texts[] = {
		[SCAN_FINE] = "The message is fine.",
		[SCAN_NOT_UTF8] = "The message is not valid UTF-8.",
		[SCAN_BYTE_ORDER_MARK] = "The message begins with a byte order mark; leave it out.",
		[SCAN_NUL] = "The message contains a NUL byte; write it as \\u0000.",
		[SCAN_TOO_DEEP] = "The message is nested more than 64 levels deep.",
		[SCAN_TOO_STRUCTURED] =
			"The message has more than 20000 structural characters outside strings.",
	};

	_Static_assert(LIMIT_JSON_DEPTH == 64 && LIMIT_JSON_STRUCTURAL == 20000,
		       "the texts name the limits");
	return texts[verdict];
}

/* The value of the four hex digits at `at`, or -1. */
static int hex4(const char *at)
{
	int value = 0;
	int i;

	for (i = 0; i < 4; i++) {
		char c = at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The value of the \uXXXX at `at`, or -1 if none is there. */
static int unicode_escape(const char *at, const char *end)
{
	if (end - at < ESCAPE_BYTES || at[0] != '\\' || at[1] != 'u')
		return -1;
	return hex4(at + 2);
}

static bool is_high_surrogate(int value)
{
	return value >= 0xD800 && value <= 0xDBFF;
}

static bool is_low_surrogate(int value)
{
	return value >= 0xDC00 && value <= 0xDFFF;
}

void scan_mend_surrogates(char *text, size_t bytes)
{
	char *end = text + bytes;
	char *at = text;

	/* Outside strings a backslash is an error whatever we do, so strings need not be told
	 * apart here. */
	while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
		int value = unicode_escape(at, end);

		if (is_high_surrogate(value) &&
		    is_low_surrogate(unicode_escape(at + ESCAPE_BYTES, end))) {
			at += 2 * (ptrdiff_t)ESCAPE_BYTES;
			continue;
		}
		if (is_high_surrogate(value) || is_low_surrogate(value))
			memcpy(at + 2, "fffd", 4);
		at += value >= 0 ? ESCAPE_BYTES : 1 + (end - at > 1);
	}
}
