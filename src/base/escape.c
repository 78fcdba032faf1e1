/* SPDX-License-Identifier: MIT */
#include "base/escape.h"

#include "base/utf8.h"

/* Characters that would move, hide or reverse what a reader sees. */
static bool is_deceptive(unsigned point)
{
	static const struct {
		unsigned first, last;
	} ranges[] = {
		{ 0x00, 0x1F },	    { 0x7F, 0x9F },	{ 0xAD, 0xAD },	    { 0x61C, 0x61C },
		{ 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF },
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(ranges); i++) {
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	}
	return false;
}

static int append_character(struct buf *out, const unsigned char *at, size_t length,
			    enum escape_style style)
{
	unsigned point = utf8_decode(at, length);

	if (is_deceptive(point))
		return buf_printf(out, "\\u%04x", point);
	if (style == ESCAPE_JSON && (point == '"' || point == '\\'))
		return buf_printf(out, "\\%c", (char)point);
	return buf_append(out, at, length);
}

int escape_append(struct buf *out, const void *text, size_t bytes, size_t max_bytes,
		  enum escape_style style)
{
	const unsigned char *at = text;
	const unsigned char *end = at + (bytes < max_bytes ? bytes : max_bytes);

	while (at < end) {
		bool is_valid;
		size_t length = utf8_step(at, (size_t)(end - at), &is_valid);

		if (is_valid)
			(void)append_character(out, at, length, style);
		else
			(void)buf_append_string(out, "\xEF\xBF\xBD");
		at += length;
	}
	if (bytes > max_bytes)
		(void)buf_append_string(out, "...");
	return out->failed ? -1 : 0;
}
