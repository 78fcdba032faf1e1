/* SPDX-License-Identifier: MIT */
#include "zygote/seccomp_policy.h"

#include <string.h>

#define PREFIX "#define __NR"
/* One name for another, at most this many times (__NR_fstat is __NR3264_fstat is 80). */
#define MAX_ALIAS_DEPTH 4

struct slice {
	const char *start;
	size_t bytes;
};

/* Cuts the next piece up to `end` (or the rest) from *text. */
static struct slice take_until(struct slice *text, char end)
{
	const char *found = text->bytes ? memchr(text->start, end, text->bytes) : NULL;
	struct slice piece = { text->start, found ? (size_t)(found - text->start) : text->bytes };
	size_t used = piece.bytes + (found ? 1 : 0);

	text->start += used;
	text->bytes -= used;
	return piece;
}

/* Splits `#define __NRx y` into "__NRx" and "y". */
static bool read_define(struct slice line, struct slice *name, struct slice *value)
{
	if (line.bytes < sizeof(PREFIX) || memcmp(line.start, PREFIX, sizeof(PREFIX) - 1) != 0)
		return false;
	(void)take_until(&line, ' ');
	*name = take_until(&line, ' ');
	*value = line;
	return value->bytes > 0;
}

static bool read_number(struct slice text, uint16_t *number)
{
	unsigned value = 0;

	if (text.bytes == 0 || text.bytes > 4)
		return false;
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.start[i] < '0' || text.start[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text.start[i] - '0');
	}
	if (value > SECCOMP_MAX_NUMBER)
		return false;
	*number = (uint16_t)value;
	return true;
}

static bool find_define(struct slice text, struct slice wanted, struct slice *value)
{
	struct slice name;

	while (text.bytes > 0)
		if (read_define(take_until(&text, '\n'), &name, value) &&
		    name.bytes == wanted.bytes && memcmp(name.start, wanted.start, name.bytes) == 0)
			return true;
	return false;
}

static bool resolve(struct slice text, struct slice value, uint16_t *number)
{
	for (int depth = 0; depth < MAX_ALIAS_DEPTH; depth++) {
		if (read_number(value, number))
			return true;
		if (!find_define(text, value, &value))
			return false;
	}
	return false;
}

/* Not calls: the size of the table, and the start of a range. */
static bool is_marker(struct slice name)
{
	static const char *const markers[] = { "syscalls", "arch_specific_syscall" };

	for (size_t i = 0; i < ARRAY_LENGTH(markers); i++)
		if (name.bytes == strlen(markers[i]) &&
		    memcmp(name.start, markers[i], name.bytes) == 0)
			return true;
	return false;
}

int seccomp_numbers_parse(const char *text, size_t bytes, struct seccomp_numbers *numbers,
			  struct error *err)
{
	struct slice all = { text, bytes };
	struct slice rest = all;
	struct slice name;
	struct slice value;

	numbers->count = 0;
	while (rest.bytes > 0) {
		struct seccomp_call *call = &numbers->calls[numbers->count];

		if (!read_define(take_until(&rest, '\n'), &name, &value) || name.bytes < 6 ||
		    name.start[4] != '_')
			continue;
		name.start += 5;
		name.bytes -= 5;
		if (is_marker(name) || name.bytes >= SECCOMP_MAX_NAME)
			continue;
		if (numbers->count == SECCOMP_MAX_CALLS)
			return error_set(err, ERROR_CONFIG,
					 "more than %d system call numbers in the headers",
					 SECCOMP_MAX_CALLS);
		if (!resolve(all, value, &call->number))
			continue;
		memcpy(call->name, name.start, name.bytes);
		call->name[name.bytes] = '\0';
		numbers->count++;
	}
	if (numbers->count == 0)
		return error_set(err, ERROR_CONFIG, "no system call numbers in the headers");
	return 0;
}

int seccomp_numbers_find(const struct seccomp_numbers *numbers, const char *name, size_t bytes)
{
	for (size_t i = 0; i < numbers->count; i++)
		if (strlen(numbers->calls[i].name) == bytes &&
		    memcmp(numbers->calls[i].name, name, bytes) == 0)
			return numbers->calls[i].number;
	return -1;
}
