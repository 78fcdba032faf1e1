/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include "base/hex.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_fill(void *data, size_t bytes)
{
	char *at = data;

	while (bytes > 0) {
		ssize_t got = getrandom(at, bytes, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			abort();
		}
		at += got;
		bytes -= (size_t)got;
	}
}

void random_hex(char *text, size_t bytes)
{
	unsigned char raw[64];

	assert(bytes <= sizeof(raw));
	random_fill(raw, bytes);
	hex_encode(text, raw, bytes);
}
