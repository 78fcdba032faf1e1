/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One command: what is asked (request), where its output goes (sink), how it
 * ended (result). Shared by every backend, by sessions and by the command line.
 */

#include "exec/cancel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exactly one of command and args is set. Everything is borrowed for the call. */
struct exec_request {
	const char *command;	       /* run by the sandbox's shell with -c */
	const char *const *args;       /* program and arguments, NULL-terminated; no shell */
	const char *working_directory; /* absolute; NULL: the sandbox's default */
	const void *stdin_data;	       /* written by the backend, then end-of-file */
	size_t stdin_bytes;	       /* 0: stdin is empty (end-of-file at once) */
	int stdin_fd;		       /* >= 0: copied from here until its end instead; else -1 */
	uint64_t timeout_ms;	       /* from the moment the command is sent; 0: none */
	const struct cancel *cancel;   /* NULL: cannot be cancelled */
};

#define EXEC_REQUEST_INIT { .stdin_fd = -1 }

enum exec_stream { EXEC_STDOUT, EXEC_STDERR };

/*
 * Where output goes. The sink counts; the backend only obeys: on_output returns
 * 0 to go on, or -1 for "enough": the command is then killed and the result says
 * EXEC_END_OUTPUT_LIMIT. Called on the thread that runs the call, never
 * concurrently. Embedded by its implementation (CONTAINER_OF).
 */
struct exec_sink {
	int (*on_output)(struct exec_sink *sink, enum exec_stream stream, const void *data,
			 size_t bytes);
};

/* What a command printed, byte by byte; by enum exec_stream. Borrowed. */
struct exec_output {
	const char *data[2];
	size_t bytes[2];
};

#define EXEC_SAVED_PATH_BYTES 256

#define EXEC_SAVED_REASON_BYTES 512

/* Where in its sandbox it is kept; by enum exec_stream. */
struct exec_saved {
	char paths[2][EXEC_SAVED_PATH_BYTES]; /* empty: it is not */
	size_t bytes[2];
	/* Why it is not, as a phrase; empty: nobody need know. Filled in by who asked for it. */
	char reason[EXEC_SAVED_REASON_BYTES];
};

enum exec_end {
	EXEC_END_EXIT,	       /* `code` is its exit code */
	EXEC_END_SIGNAL,       /* `code` is the signal's number */
	EXEC_END_TIMEOUT,      /* killed: request->timeout_ms passed */
	EXEC_END_OUTPUT_LIMIT, /* killed: the sink had enough */
	EXEC_END_CANCELLED,    /* killed: request->cancel was raised */
	EXEC_END_NOT_STARTED,  /* `start_step` failed with errno `code`; nothing ran */
};

/* What failed before the program's first instruction. */
enum exec_start_step {
	EXEC_START_DIRECTORY, /* the working directory */
	EXEC_START_PROGRAM,   /* execve */
	EXEC_START_PROCESS,   /* fork, limits: the sandbox is out of something */
};

/* Limits of its sandbox that a command ran into; bits. */
enum exec_limit {
	EXEC_LIMIT_MEMORY = 1,	  /* a process was killed for want of memory */
	EXEC_LIMIT_PIDS = 2,	  /* a new process was refused */
	EXEC_LIMIT_DISK = 4,	  /* the disk was full at its end ... */
	EXEC_LIMIT_FILES = 8,	  /* ... or could not hold one more file, however small */
	EXEC_LIMIT_MACHINE = 16,  /* as MEMORY, but not the sandbox's own limit was reached: the
				     machine, or all sandboxes together, ran out of it */
	EXEC_LIMIT_ALL_PIDS = 32, /* as PIDS, but all sandboxes together had too many */
};

/* What a sandbox may use; 0: not limited, or not known. */
struct exec_limits {
	uint64_t memory_bytes;
	uint64_t pids;
	uint64_t disk_bytes;
	bool disk_is_memory; /* its files count as memory too */
};

struct exec_result {
	enum exec_end end;
	int code;
	enum exec_start_step start_step;
	/* Of enum exec_limit; none for a command that exited with 0. They are the sandbox's:
	 * another command that ran at the same time may be the one that hit them. */
	unsigned limits_hit;
	struct exec_limits limits;
	/* Not started for want of processes, but the next few will be: to end some. */
	bool has_reserve;
	/* The command could not be killed in time, so its whole sandbox was; `end` still says why.
	 */
	bool was_reset;
	uint64_t duration_us; /* wall time from the program's start to its end */
};

/* 128+n for a signal; 127 missing program; 126 not executable, bad working
 * directory or no process to be had; 124 timeout or cancel; 1 output limit. */
int exec_result_exit_code(const struct exec_result *result);
/* Why it ended, in one word for results and the log: exit (also when it could not be started),
 * signal, timeout, output_limit, cancelled; memory: SIGKILL while the kernel killed for memory;
 * pids: not started because the limit of processes was reached; reset: the whole sandbox had to be
 * killed. */
const char *exec_result_ended_by(const struct exec_result *result);

#define EXEC_LIMIT_TEXT_BYTES 96
/* "the memory limit of 1 GiB", or without the value if it is not known. One bit. */
void exec_limit_describe(char text[EXEC_LIMIT_TEXT_BYTES], enum exec_limit limit,
			 const struct exec_limits *limits);
