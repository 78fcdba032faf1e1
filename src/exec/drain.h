/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Output pipes that outlive their call. A background process that logs to the
 * stdout of the command that started it would die of EPIPE if the read end were
 * closed, and stop if nobody read it. So the read end comes here: everything is
 * read and thrown away until end-of-file, or until the sandbox goes.
 *
 * One drainer per sandbox, of at most LIMIT_DRAINED_PIPES pipes; past that the
 * oldest is closed. One small thread, started with the first pipe, serves all
 * drainers of the process; it empties each pipe about once a millisecond, so a
 * writer is never blocked for longer and a flood costs little.
 */

struct drainer;

struct drainer *drainer_create(void);
/* Takes `fd`, the non-blocking read end of a pipe. Any thread. */
void drainer_add(struct drainer *drainer, int fd);
/* How many pipes are still open. Any thread. */
unsigned drainer_pipes(struct drainer *drainer);
/* Closes all its pipes. Takes NULL. */
void drainer_destroy(struct drainer *drainer);
