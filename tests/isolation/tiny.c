/* SPDX-License-Identifier: MIT */

/*
 * Holds as much memory as it can get, in files without a name, and is itself
 * smaller than anything else in its sandbox: a dozen pages, no C library around
 * it. To the kernel, which looks for the largest process when memory runs out, PID 1
 * is larger.
 */

#include <sys/syscall.h>
#include <unistd.h>

#define FILE_BYTES (64L << 20)
#define PIECE_BYTES (1L << 20)

void _start(void);

void _start(void)
{
	for (;;) {
		long fd = syscall(SYS_memfd_create, "tiny", 0);

		for (long offset = 0; offset < FILE_BYTES; offset += PIECE_BYTES)
			(void)syscall(SYS_fallocate, fd, 0, offset, PIECE_BYTES);
	}
}
