/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Scope-bound release: CLEANUP(cleanup_x) on a local, TAKE_PTR and take_fd to
 * hand ownership on. A function uses either this or `goto out`, never both.
 * Cleanup functions take the address of the local, accept an empty one (NULL,
 * or -1 for a descriptor) and keep errno, so an error can be reported after.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void cleanup_free(void *pointer_to_pointer)
{
	void **pointer = pointer_to_pointer;
	int saved = errno;

	free(*pointer);
	*pointer = NULL;
	errno = saved;
}

/* Closes and forgets *fd if it is open. Keeps errno. */
static inline void cleanup_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void cleanup_file(FILE **file)
{
	int saved = errno;

	if (*file)
		(void)fclose(*file);
	*file = NULL;
	errno = saved;
}

/* Hands the descriptor on: the variable forgets it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})
