/* SPDX-License-Identifier: MIT */
#include "mcp/encode.h"

#include <string.h>

/* Bytes that an escaped byte takes in a JSON string; 0 means that it stands as it is. */
static const unsigned char once_bytes[256] = {
	[0x00 ... 0x07] = 6, ['\b'] = 2, ['\t'] = 2, ['\n'] = 2, [0x0B] = 6,
	['\f'] = 2,	     ['\r'] = 2, ['"'] = 2,  ['\\'] = 2, [0x0E ... 0x1F] = 6,
};

/* The same after the result was escaped once more: each backslash doubles, a quote gets one. */
static const unsigned char twice_bytes[256] = {
	[0x00 ... 0x07] = 7, ['\b'] = 3, ['\t'] = 3, ['\n'] = 3, [0x0B] = 7,
	['\f'] = 3,	     ['\r'] = 3, ['"'] = 4,  ['\\'] = 4, [0x0E ... 0x1F] = 7,
};

static const unsigned char *sizes_of(enum encode_level level)
{
	return level == ENCODE_ONCE ? once_bytes : twice_bytes;
}

size_t encode_text_size(const char *text, size_t bytes, enum encode_level level)
{
	const unsigned char *sizes = sizes_of(level);
	const unsigned char *at = (const unsigned char *)text;
	size_t total = bytes;
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (sizes[at[i]])
			total += sizes[at[i]] - 1U;
	}
	return total;
}

/* What stands after the backslash of the short escapes. */
static char short_escape(unsigned char byte)
{
	switch (byte) {
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return (char)byte; /* the quote and the backslash stand for themselves */
	}
}

static void append_escape(struct buf *out, unsigned char byte, enum encode_level level)
{
	static const char digits[] = "0123456789abcdef";
	char escape[8];
	size_t length = 0;

	escape[length++] = '\\';
	if (level == ENCODE_TWICE)
		escape[length++] = '\\';
	if (once_bytes[byte] == 2) {
		if (level == ENCODE_TWICE && (byte == '"' || byte == '\\'))
			escape[length++] = '\\';
		escape[length++] = short_escape(byte);
	} else {
		memcpy(escape + length, "u00", 3);
		length += 3;
		escape[length++] = digits[byte >> 4];
		escape[length++] = digits[byte & 15];
	}
	(void)buf_append(out, escape, length);
}

void encode_text(struct buf *out, const char *text, size_t bytes, enum encode_level level)
{
	const unsigned char *sizes = sizes_of(level);
	const unsigned char *at = (const unsigned char *)text;
	size_t done = 0;
	size_t i;

	for (i = 0; i < bytes && !out->failed; i++) {
		if (!sizes[at[i]])
			continue;
		(void)buf_append(out, text + done, i - done);
		append_escape(out, at[i], level);
		done = i + 1;
	}
	(void)buf_append(out, text + done, bytes - done);
}

void encode_string(struct buf *out, const char *text)
{
	(void)buf_append_byte(out, '"');
	encode_text(out, text, strlen(text), ENCODE_ONCE);
	(void)buf_append_byte(out, '"');
}

void encode_member(struct buf *out, const char *name, const char *text)
{
	(void)buf_append_byte(out, '"');
	(void)buf_append_string(out, name);
	(void)buf_append_string(out, "\":");
	encode_string(out, text);
}
