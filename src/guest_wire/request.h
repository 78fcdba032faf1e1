/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a command is started with: working directory, arguments, environment.
 * They travel in a sealed memory file, because a packet ends at about 208 KiB
 * (the kernel's default wmem_default). Its bytes are NUL-terminated strings and
 * nothing else: the directory (empty: where the guest stands), the arguments, the
 * environment. How many there are is told by EXEC. Pure, both directions.
 */

#include "base/error.h"
#include "base/limits.h"

#include <stddef.h>

struct buf;
struct guest_wire_exec;

/* All arguments, as much again for the environment, and the directory. */
#define GUEST_REQUEST_MAX_BYTES (2 * LIMIT_ARGUMENTS_BYTES + LIMIT_PATH_BYTES)
/* Arguments and environment together. The guest holds a pointer to each in a fixed array; a
 * message cannot carry more than LIMIT_JSON_STRUCTURAL of them. */
#define GUEST_REQUEST_MAX_STRINGS 32768u

struct guest_request {
	const char *directory;		/* absolute, or "" */
	const char *const *arguments;	/* NULL-terminated */
	const char *const *environment; /* NULL-terminated; NULL: the guest's own */
};

/* Appends the bytes to `out` and fills in the counts. ERROR_INVALID, saying what to do, if a
 * limit is exceeded. */
int guest_request_write(struct buf *out, struct guest_wire_exec *exec,
			const struct guest_request *request, struct error *err);

/* Room for the pointers of one request; large, so it is a static object. */
struct guest_request_strings {
	const char *pointers[GUEST_REQUEST_MAX_STRINGS + 2];
};

/* Reads `exec->request_bytes` bytes. The result points into both `data` and `strings`. -1 if the
 * bytes and the counts do not fit each other exactly. */
int guest_request_read(struct guest_request *request, struct guest_request_strings *strings,
		       const struct guest_wire_exec *exec, const char *data);
