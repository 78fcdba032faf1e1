/* SPDX-License-Identifier: MIT */

/*
 * Reads inputs from stdin, each as its length in decimal, a newline and its
 * bytes; prints for each what our parser understands of it (transcript.h).
 * Ends at end-of-file; exit 1 if what it reads is not that.
 */

#include "transcript.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_INPUT_BYTES (1 * MIB)

static void understand(const char *data, size_t bytes)
{
	/* Hexadecimal, and not much around it. */
	struct buf out = BUF_INIT(64 * MIB);

	http_transcribe(&out, data, bytes, bytes > 0 ? bytes : 1);
	if (out.failed || fwrite(out.data, 1, out.length, stdout) != out.length)
		exit(1);
	buf_finish(&out);
}

int main(void)
{
	unsigned long bytes;
	char newline;

	while (scanf("%lu%c", &bytes, &newline) == 2) {
		char *data;

		if (newline != '\n' || bytes > MAX_INPUT_BYTES)
			return 1;
		/* Of exactly this size, so that a sanitizer sees what is read over its end. */
		data = malloc(bytes ? bytes : 1);
		if (!data || fread(data, 1, bytes, stdin) != bytes)
			return 1;
		understand(data, bytes);
		free(data);
	}
	return feof(stdin) && fflush(stdout) == 0 ? 0 : 1;
}
