/* SPDX-License-Identifier: MIT */
#include "transport/line_reader.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct line_reader {
	struct line_callbacks callbacks;
	size_t max_bytes;
	struct buf line;
	bool is_skipping; /* the rest of a line that was too long */
};

struct line_reader *line_reader_create(size_t max_bytes, const struct line_callbacks *callbacks)
{
	struct line_reader *reader = alloc_zeroed(sizeof(*reader));

	reader->callbacks = *callbacks;
	reader->max_bytes = max_bytes;
	/* One more for the \r that may follow. */
	buf_init(&reader->line, max_bytes + 1);
	return reader;
}

static void refuse_line(struct line_reader *reader)
{
	buf_finish(&reader->line);
	reader->is_skipping = true;
	reader->callbacks.on_line(reader->callbacks.context, NULL, 0);
}

static bool is_blank(const struct buf *line)
{
	size_t i;

	for (i = 0; i < line->length; i++) {
		if (line->data[i] != ' ' && line->data[i] != '\t')
			return false;
	}
	return true;
}

static void end_line(struct line_reader *reader)
{
	struct buf *line = &reader->line;
	size_t bytes;

	if (reader->is_skipping) {
		reader->is_skipping = false;
		return;
	}
	if (line->length > 0 && line->data[line->length - 1] == '\r')
		line->length--;
	if (line->length > reader->max_bytes) {
		refuse_line(reader);
		reader->is_skipping = false;
		return;
	}
	bytes = line->length;
	if (is_blank(line))
		buf_clear(line);
	else
		reader->callbacks.on_line(reader->callbacks.context, buf_take_string(line), bytes);
}

static void add_part(struct line_reader *reader, const char *data, size_t bytes)
{
	if (!reader->is_skipping && buf_append(&reader->line, data, bytes) < 0)
		refuse_line(reader);
}

void line_reader_add(struct line_reader *reader, const char *data, size_t bytes)
{
	while (bytes > 0) {
		const char *newline = memchr(data, '\n', bytes);
		size_t part = newline ? (size_t)(newline - data) : bytes;

		add_part(reader, data, part);
		if (newline) {
			end_line(reader);
			part++;
		}
		data += part;
		bytes -= part;
	}
}

void line_reader_end(struct line_reader *reader)
{
	end_line(reader);
}

void line_reader_destroy(struct line_reader *reader)
{
	if (!reader)
		return;
	buf_finish(&reader->line);
	free(reader);
}
