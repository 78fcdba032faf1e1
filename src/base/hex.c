/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

void hex_encode(char *text, const void *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = data;
	size_t i;

	for (i = 0; i < bytes; i++) {
		text[2 * i] = digits[at[i] >> 4];
		text[2 * i + 1] = digits[at[i] & 15];
	}
	text[2 * bytes] = '\0';
}
