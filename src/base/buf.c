/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY_BYTES 256

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf)BUF_INIT(max_bytes);
}

void buf_set_budget(struct buf *buf, struct budget *budget)
{
	assert(buf->capacity == 0);
	buf->budget = budget;
}

/* The bytes belong to nobody here any more. */
static void forget(struct buf *buf)
{
	budget_give(buf->budget, buf->capacity);
	*buf = (struct buf){ .max = buf->max, .budget = buf->budget };
}

void buf_finish(struct buf *buf)
{
	free(buf->data);
	forget(buf);
}

/* To this capacity, which is above what there is. */
static int resize(struct buf *buf, size_t capacity)
{
	size_t more = capacity - buf->capacity;
	char *data;

	if (!budget_take(buf->budget, more))
		return -1;
	data = realloc(buf->data, capacity);
	if (!data) {
		budget_give(buf->budget, more);
		return -1;
	}
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

/* Doubles, so that n appended bytes cost O(n) copies, but never past the maximum; what is needed
 * must do where that cannot be had. */
static int grow(struct buf *buf, size_t needed)
{
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY_BYTES;

	while (capacity < needed)
		capacity = capacity > buf->max / 2 ? needed : capacity * 2;
	if (resize(buf, capacity) == 0 || resize(buf, needed) == 0)
		return 0;
	buf->failed = true;
	return -1;
}

char *buf_reserve(struct buf *buf, size_t bytes)
{
	size_t needed;

	if (buf->failed)
		return NULL;
	if (__builtin_add_overflow(buf->length, bytes, &needed) || needed > buf->max) {
		buf->failed = true;
		return NULL;
	}
	if (needed > buf->capacity && grow(buf, needed) < 0)
		return NULL;
	return buf->data + buf->length;
}

void buf_commit(struct buf *buf, size_t bytes)
{
	assert(bytes <= buf->capacity - buf->length);
	buf->length += bytes;
}

int buf_append(struct buf *buf, const void *data, size_t bytes)
{
	char *room;

	if (bytes == 0)
		return buf->failed ? -1 : 0;
	room = buf_reserve(buf, bytes);
	if (!room)
		return -1;
	memcpy(room, data, bytes);
	buf_commit(buf, bytes);
	return 0;
}

int buf_append_string(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_append_byte(struct buf *buf, char byte)
{
	return buf_append(buf, &byte, 1);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	char small[512];
	va_list arguments;
	va_list again;
	int length;
	int result;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(small, sizeof(small), format, arguments);
	va_end(arguments);
	if (length < 0) {
		buf->failed = true;
		result = -1;
	} else if ((size_t)length < sizeof(small)) {
		result = buf_append(buf, small, (size_t)length);
	} else {
		char *large = NULL;

		length = vasprintf(&large, format, again);
		if (length < 0)
			buf->failed = true;
		result = length < 0 ? -1 : buf_append(buf, large, (size_t)length);
		if (length >= 0)
			free(large);
	}
	va_end(again);
	return result;
}

void buf_consume(struct buf *buf, size_t bytes)
{
	assert(bytes <= buf->length);
	if (bytes == 0)
		return;
	buf->length -= bytes;
	memmove(buf->data, buf->data + bytes, buf->length);
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
	buf->failed = false;
}

char *buf_take_string(struct buf *buf)
{
	char *text;

	if (buf->failed)
		return NULL;
	/* The terminator may stand one byte past the maximum: it is not content. */
	text = realloc(buf->data, buf->length + 1);
	if (!text)
		return NULL;
	text[buf->length] = '\0';
	forget(buf);
	return text;
}
