/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* Second bytes that may follow a lead byte, and how many bytes follow in all.
 * Third and fourth bytes are always 80..BF. */
struct lead {
	unsigned char first, last;   /* this row is for lead bytes first..last */
	unsigned char low, high;     /* the second byte lies in low..high */
	unsigned char continuations; /* bytes after the lead */
};

static const struct lead leads[] = {
	{ 0xC2, 0xDF, 0x80, 0xBF, 1 }, { 0xE0, 0xE0, 0xA0, 0xBF, 2 }, { 0xE1, 0xEC, 0x80, 0xBF, 2 },
	{ 0xED, 0xED, 0x80, 0x9F, 2 }, { 0xEE, 0xEF, 0x80, 0xBF, 2 }, { 0xF0, 0xF0, 0x90, 0xBF, 3 },
	{ 0xF1, 0xF3, 0x80, 0xBF, 3 }, { 0xF4, 0xF4, 0x80, 0x8F, 3 },
};

size_t utf8_step(const unsigned char *text, size_t bytes, bool *is_valid)
{
	const struct lead *lead = NULL;
	size_t i;

	*is_valid = text[0] < 0x80;
	if (*is_valid)
		return 1;
	for (i = 0; i < ARRAY_LENGTH(leads) && !lead; i++) {
		if (text[0] >= leads[i].first && text[0] <= leads[i].last)
			lead = &leads[i];
	}
	if (!lead)
		return 1;
	for (i = 1; i <= lead->continuations; i++) {
		unsigned low = i == 1 ? lead->low : 0x80;
		unsigned high = i == 1 ? lead->high : 0xBF;

		if (i >= bytes || text[i] < low || text[i] > high)
			return i;
	}
	*is_valid = true;
	return i;
}

unsigned utf8_decode(const unsigned char *text, size_t length)
{
	static const unsigned char lead_masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	unsigned point = text[0] & lead_masks[length];
	size_t i;

	for (i = 1; i < length; i++)
		point = point << 6 | (text[i] & 0x3F);
	return point;
}

/* The length of the run of ASCII at `text`: most output is nothing else. */
static size_t ascii_run(const unsigned char *text, size_t bytes)
{
	size_t i = 0;

	while (i < bytes && text[i] < 0x80)
		i++;
	return i;
}

bool utf8_is_valid(const void *text, size_t bytes)
{
	const unsigned char *at = text;
	bool is_valid = true;

	while (bytes > 0 && is_valid) {
		size_t length = ascii_run(at, bytes);

		if (length == 0)
			length = utf8_step(at, bytes, &is_valid);
		at += length;
		bytes -= length;
	}
	return is_valid;
}

int utf8_repair(struct buf *out, const void *data, size_t bytes)
{
	static const char replacement[] = "\xEF\xBF\xBD";
	const unsigned char *at = data;

	while (bytes > 0) {
		size_t length = ascii_run(at, bytes);
		bool is_valid = length > 0;
		int appended;

		if (length == 0)
			length = utf8_step(at, bytes, &is_valid);
		appended = is_valid ? buf_append(out, at, length)
				    : buf_append(out, replacement, sizeof(replacement) - 1);
		if (appended < 0)
			return -1;
		at += length;
		bytes -= length;
	}
	return 0;
}
