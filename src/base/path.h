/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Opening names that someone else chose. The kernel does the checking while it
 * walks (openat2), so nothing can be swapped in between. Both return a
 * close-on-exec descriptor or -1 with errno. And making the directories of a
 * name of our own. Any thread.
 */

#include <sys/types.h>

/* Below `root_fd`, without following any symbolic link and without "..". */
int path_open_beneath(int root_fd, const char *path, int flags, mode_t mode);
/* As a process that had `root_fd` as its root would see it: links and ".." stay inside. */
int path_open_in_root(int root_fd, const char *path, int flags);

/* Makes the directory, and those above it that are missing, for their owner alone. 0 also if it is
 * there; -1 with errno. */
int path_make_directories(const char *path);
