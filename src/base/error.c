/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ATTR_PRINTF(2, 0)
static void set_message(struct error *err, const char *format, va_list arguments)
{
	(void)vsnprintf(err->message, sizeof(err->message), format, arguments);
}

static void append_errno(struct error *err, int errno_value)
{
	size_t used = strlen(err->message);

	err->errno_value = errno_value;
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		       error_errno_text(errno_value));
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	va_list arguments;

	if (!err)
		return -1;
	err->kind = kind;
	err->errno_value = 0;
	va_start(arguments, format);
	set_message(err, format, arguments);
	va_end(arguments);
	return -1;
}

int error_set_errno(struct error *err, const char *format, ...)
{
	int errno_value = errno;
	va_list arguments;

	if (!err)
		return -1;
	err->kind = ERROR_INTERNAL;
	va_start(arguments, format);
	set_message(err, format, arguments);
	va_end(arguments);
	append_errno(err, errno_value);
	return -1;
}

int error_set_kind_errno(struct error *err, enum error_kind kind, const char *format, ...)
{
	int errno_value = errno;
	va_list arguments;

	if (!err)
		return -1;
	err->kind = kind;
	va_start(arguments, format);
	set_message(err, format, arguments);
	va_end(arguments);
	append_errno(err, errno_value);
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char inner[ERROR_MESSAGE_BYTES];
	va_list arguments;
	size_t used;

	if (!err)
		return -1;
	memcpy(inner, err->message, sizeof(inner));
	va_start(arguments, format);
	set_message(err, format, arguments);
	va_end(arguments);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", inner);
	return -1;
}

const char *error_errno_text(int errno_value)
{
	/* strerror shares a buffer between threads, and strerror_r differs between libraries.
	 * For "C" newlocale allocates nothing: it returns a constant object. */
	const char *text = strerror_l(errno_value, newlocale(LC_ALL_MASK, "C", (locale_t)0));

	return text ? text : "unknown error";
}
