/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How a function says that it failed, and why.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a
 * `struct error *` last. The struct is the caller's; raising can neither fail
 * nor leak. Raise once, where it happened; add context with error_wrap when
 * passing a border. Only `kind` is ever tested, never the text. The sentence
 * reaches agents and logs: it says what was tried, on what, why it failed and
 * what the reader can do, and it never holds a secret.
 *
 * What a command in a sandbox does (non-zero exit, timeout, too much output)
 * is a result (exec/exec.h), not an error.
 *
 * Thread-safe: an error belongs to whoever declared it.
 */

#include "base/attr.h"

/* The longest lists the 64 handles of a client that has lost them. */
#define ERROR_MESSAGE_BYTES 3072

/* How each kind ends is decided in one place per border: main() maps to exit
 * codes, mcp/ to tool errors and JSON-RPC errors. */
enum error_kind {
	ERROR_NONE = 0,
	ERROR_USAGE,	   /* bad command line: exit 2 */
	ERROR_CONFIG,	   /* this configuration cannot work: exit 1 */
	ERROR_UNAVAILABLE, /* a backend, engine or kernel feature is not there: tool error */
	ERROR_BUSY,	   /* try later: tool error */
	ERROR_QUOTA,	   /* a limit of this server is reached: tool error */
	ERROR_LOST,	   /* the sandbox died: tool error */
	ERROR_INVALID,	   /* bad argument values: tool error */
	ERROR_PROTOCOL,	   /* the peer broke a protocol: JSON-RPC error, or a dead sandbox */
	ERROR_INTERNAL,	   /* ours: -32603, logged with an id */
	ERROR_CANCELLED,   /* the caller went away: no answer */
};

struct error {
	enum error_kind kind;
	int errno_value; /* 0 if no system call was at fault */
	char message[ERROR_MESSAGE_BYTES];
};

#define ERROR_INIT { ERROR_NONE, 0, "" }

/* All of these return -1, so that a caller can write `return error_set(...)`.
 * `err` may be NULL: the failure is then reported by the return value alone. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...) ATTR_PRINTF(3, 4);
/* Kind INTERNAL, errno kept, ": <strerror>" appended. */
int error_set_errno(struct error *err, const char *format, ...) ATTR_PRINTF(2, 3);
/* As error_set_errno with another kind. */
int error_set_kind_errno(struct error *err, enum error_kind kind, const char *format, ...)
	ATTR_PRINTF(3, 4);
/* Puts "<text>: " before the message; kind and errno stay. */
int error_wrap(struct error *err, const char *format, ...) ATTR_PRINTF(2, 3);

/* strerror for any thread; never NULL. */
const char *error_errno_text(int errno_value);
