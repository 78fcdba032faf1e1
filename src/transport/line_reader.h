/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A byte stream cut into lines of a bounded length: a line ends with \n or
 * \r\n, blank ones are skipped, and what stands after the last line's end when
 * the stream ends is a line too. One thread; pure.
 */

#include <stddef.h>

struct line_reader;

struct line_callbacks {
	/* Takes `text` (free()), which is not empty and has a NUL behind it. NULL: a line was
	 * longer than max_bytes; its rest is skipped. */
	void (*on_line)(void *context, char *text, size_t bytes);
	void *context;
};

struct line_reader *line_reader_create(size_t max_bytes, const struct line_callbacks *callbacks);
void line_reader_add(struct line_reader *reader, const char *data, size_t bytes);
/* The stream has ended. */
void line_reader_end(struct line_reader *reader);
/* Takes NULL. */
void line_reader_destroy(struct line_reader *reader);
