/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *pointer)
{
	static const char text[] = "kilntainers: out of memory\n";

	if (pointer)
		return pointer;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *alloc_zeroed(size_t bytes)
{
	return checked(calloc(1, bytes ? bytes : 1));
}

void *alloc_array(size_t count, size_t bytes)
{
	return checked(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *alloc_resize(void *array, size_t count, size_t bytes)
{
	return checked(reallocarray(array, count ? count : 1, bytes ? bytes : 1));
}

char *alloc_string(const char *text)
{
	return checked(strdup(text));
}

char *alloc_printf(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	return checked(length < 0 ? NULL : text);
}
