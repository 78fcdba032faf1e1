/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The stdin of one command, on its way into the command's pipe: from memory, or
 * copied from a descriptor. Never blocks; whoever polls calls feed_advance when
 * something is ready. A reader that went away ends it silently. One thread.
 */

#include "exec/exec.h"

#include <poll.h>

#define FEED_POLL_FDS 2

struct feed {
	int pipe_fd;	  /* owned; -1 once stdin is closed */
	int source_fd;	  /* borrowed; -1: none, or at its end */
	char *buffer;	  /* for copying from source_fd; NULL without one */
	const char *next; /* what is to be written next */
	size_t left;
};

/* Takes pipe_fd (non-blocking, or -1); borrows the request's data. Writes what fits at once. */
void feed_init(struct feed *feed, const struct exec_request *request, int pipe_fd);
/* What to wait for; entries without use have fd -1. */
void feed_prepare_poll(const struct feed *feed, struct pollfd fds[FEED_POLL_FDS]);
void feed_advance(struct feed *feed, const struct pollfd fds[FEED_POLL_FDS]);
/* Closes the pipe: the command reads end-of-file. */
void feed_finish(struct feed *feed);
