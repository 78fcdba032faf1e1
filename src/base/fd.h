/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Descriptors: whole reads and writes, sealed memory files, limits. Any thread.
 * Everything made here is close-on-exec.
 */

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

/* Writes all bytes to a blocking descriptor, or fails. Survives EINTR and short writes. */
int fd_write_all(int fd, const void *data, size_t bytes, struct error *err);
/* Writes what can be written without waiting for a reader; -1 if that was not all. A signal handler
 * may call it. */
int fd_write_ready(int fd, const void *data, size_t bytes);
/* Reads until end-of-file or `bytes` have come; returns how many, or -1. */
ssize_t fd_read_full(int fd, void *data, size_t bytes, struct error *err);
/* Appends all of a file (of /proc, say, whose size is not known before) to `out`, within its
 * maximum. */
int fd_read_file(const char *path, struct buf *out, struct error *err);
int fd_set_nonblocking(int fd, struct error *err);

/* A memory file with these contents, sealed against every change (write, grow,
 * shrink, further seals), positioned at 0. `name` is for /proc. -1 on failure. */
int fd_sealed_memory(const char *name, const void *data, size_t bytes, struct error *err);

/* A SOCK_SEQPACKET pair (AF_UNIX). */
int fd_packet_pair(int pair[2], struct error *err);
/* A pipe that anyone who holds it may re-open by name (`> /dev/stderr`): mode 0666. */
int fd_open_pipe(int pair[2], struct error *err);

/* Raises the soft RLIMIT_NOFILE to the hard one; returns the limit now in
 * force. *original gets the soft limit as it was, for children. */
unsigned long fd_raise_limit(unsigned long *original);
