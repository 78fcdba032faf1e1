/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Starting a program without forking the server.
 *
 * 1. Fill in a struct spawn_request (SPAWN_REQUEST_INIT first).
 * 2. spawn_start. The child exists and execve succeeded, or it fails with the
 *    reason and nothing is left behind.
 * 3. spawn_wait, once, until it has reported an end; it reaps. spawn_kill before
 *    that to make it end.
 * 4. spawn_finish closes the pidfd. A child that was not reaped by then is
 *    killed and reaped first.
 *
 * What the child gets: its own session (a Ctrl-C on the server's terminal is
 * not for it), every signal at its default and none blocked, the soft
 * RLIMIT_NOFILE that it is asked to have, the environment that was given and
 * nothing else, and exactly these descriptors: 0, 1 and 2 (/dev/null where -1
 * was given, so never the server's own stdin and stdout) and those of `fds`.
 *
 * Descriptors in the request are borrowed: spawn_start duplicates them into the
 * child and leaves the caller's open. Every other descriptor of this process is
 * marked close-on-exec.
 *
 * To die with the server, a child sets PR_SET_PDEATHSIG itself. The kernel then
 * ties it to the *thread* that called spawn_start, so what is to live as long as
 * the server is started by the main thread.
 *
 * Any thread. SIGCHLD must not be ignored.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn_fd {
	int source; /* ours */
	int target; /* the child's, >= 3 */
};

struct spawn_request {
	const char *path;	 /* absolute, or a name looked up in our own PATH */
	int executable_fd;	 /* >= 0: run this file (a sealed memfd) instead; then `path` only
				    names it in errors */
	const char *const *args; /* NULL-terminated, args[0] included */
	const char *const *env;	 /* NULL-terminated; spawn_environment() for foreign programs */
	const char *directory;	 /* NULL: ours */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
	const struct spawn_fd *fds;
	size_t fd_count; /* at most SPAWN_MAX_FDS */
	/* Soft RLIMIT_NOFILE; 0: as ours. Set within microseconds after execve, because no other
	 * way exists that does not change ours: a program that must have it from its first
	 * instruction on sets it itself. */
	unsigned long nofile_soft;
};

#define SPAWN_MAX_FDS 8
#define SPAWN_REQUEST_INIT { .executable_fd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 }

struct spawn_child {
	pid_t pid;
	int pidfd; /* readable once it ended; for poll(2); owned */
	bool is_reaped;
};

#define SPAWN_CHILD_INIT { 0, -1, true }

/* ERROR_UNAVAILABLE if the program cannot be run, ERROR_BUSY if there are no processes left. */
int spawn_start(struct spawn_child *child, const struct spawn_request *request, struct error *err);
/* 1 and *status (as of waitpid) once it has ended, 0 if deadline_ms (clock_now_ms() time, or
 * CLOCK_NEVER) passed or cancel_fd (-1: none) became readable first. */
int spawn_wait(struct spawn_child *child, uint64_t deadline_ms, int cancel_fd, int *status);
/* Harmless after its end. */
void spawn_kill(struct spawn_child *child, int signal_number);
void spawn_finish(struct spawn_child *child);

/*
 * The part of our environment that a foreign program (an engine's CLI) may see:
 * where things are and how the engine is reached, never a token. NULL-terminated;
 * the array is the caller's (free), its strings are borrowed from environ.
 */
const char **spawn_environment(void);
