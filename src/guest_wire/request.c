/* SPDX-License-Identifier: MIT */
#include "guest_wire/request.h"

#include "base/buf.h"
#include "guest_wire/guest_wire.h"

#include <assert.h>
#include <string.h>

static int write_directory(struct buf *out, const char *directory, struct error *err)
{
	size_t length = strlen(directory);

	if (length > 0 && directory[0] != '/')
		return error_set(err, ERROR_INVALID, "The working directory must be absolute.");
	if (length >= LIMIT_PATH_BYTES)
		return error_set(err, ERROR_INVALID,
				 "The working directory's name is %zu bytes; the kernel allows %d.",
				 length, LIMIT_PATH_BYTES - 1);
	(void)buf_append(out, directory, length + 1);
	return 0;
}

/* `what` names one of the strings in errors. */
static int write_strings(struct buf *out, const char *const *strings, const char *what,
			 uint32_t *count, struct error *err)
{
	size_t total = 0;

	*count = 0;
	for (; strings[*count]; (*count)++) {
		size_t length = strlen(strings[*count]);

		if (length > LIMIT_ARGUMENT_BYTES)
			return error_set(err, ERROR_INVALID,
					 "%s %u is %zu bytes; the kernel allows %d in one. Put the "
					 "data in stdin, or write a script file with stdin and run "
					 "that.",
					 what, *count, length, LIMIT_ARGUMENT_BYTES);
		total += length + 1;
		if (total > LIMIT_ARGUMENTS_BYTES || *count >= GUEST_REQUEST_MAX_STRINGS / 2)
			return error_set(
				err, ERROR_INVALID,
				"The command has too many or too long %ss: at most %u, and "
				"%llu bytes together. Put the data in stdin, or write a "
				"script file with stdin and run that.",
				what, GUEST_REQUEST_MAX_STRINGS / 2, LIMIT_ARGUMENTS_BYTES);
		(void)buf_append(out, strings[*count], length + 1);
	}
	return 0;
}

int guest_request_write(struct buf *out, struct guest_wire_exec *exec,
			const struct guest_request *request, struct error *err)
{
	struct guest_wire_exec counts = { .environment_count = GUEST_WIRE_INHERIT };

	assert(request->arguments[0]);
	if (write_directory(out, request->directory, err) < 0 ||
	    write_strings(out, request->arguments, "argument", &counts.argument_count, err) < 0)
		return -1;
	if (request->environment && write_strings(out, request->environment, "environment variable",
						  &counts.environment_count, err) < 0)
		return -1;
	if (out->failed)
		return error_set(err, ERROR_INTERNAL, "no memory for a command's arguments");
	counts.request_bytes = (uint32_t)out->length;
	*exec = counts;
	return 0;
}

/* The string at *at; moves *at behind it. NULL if none ends before `end`. */
static const char *next_string(const char **at, const char *end)
{
	const char *string = *at;
	const char *nul = memchr(string, '\0', (size_t)(end - string));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return string;
}

/* Stores `count` pointers and a NULL at `slots`. */
static int read_strings(const char **slots, uint32_t count, const char **at, const char *end)
{
	for (uint32_t i = 0; i < count; i++) {
		slots[i] = next_string(at, end);
		if (!slots[i])
			return -1;
	}
	slots[count] = NULL;
	return 0;
}

int guest_request_read(struct guest_request *request, struct guest_request_strings *strings,
		       const struct guest_wire_exec *exec, const char *data)
{
	const char *at = data;
	const char *end = data + exec->request_bytes;
	const char **environment;
	uint32_t environment_count =
		exec->environment_count == GUEST_WIRE_INHERIT ? 0 : exec->environment_count;
	const char *directory;

	/* As guest_wire_decode checked; repeated because the arrays here depend on it. */
	if (exec->argument_count == 0 || exec->argument_count > GUEST_REQUEST_MAX_STRINGS ||
	    environment_count > GUEST_REQUEST_MAX_STRINGS - exec->argument_count)
		return -1;
	environment = strings->pointers + exec->argument_count + 1;
	directory = next_string(&at, end);
	if (!directory || (directory[0] != '\0' && directory[0] != '/'))
		return -1;
	if (read_strings(strings->pointers, exec->argument_count, &at, end) < 0 ||
	    read_strings(environment, environment_count, &at, end) < 0)
		return -1;
	if (at != end)
		return -1;
	request->directory = directory;
	request->arguments = strings->pointers;
	request->environment = exec->environment_count == GUEST_WIRE_INHERIT ? NULL : environment;
	return 0;
}
