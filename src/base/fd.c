/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t bytes, struct error *err)
{
	const char *at = data;

	while (bytes > 0) {
		ssize_t written = write(fd, at, bytes);

		if (written < 0) {
			if (errno == EINTR)
				continue;
			return error_set_errno(err, "writing %zu bytes", bytes);
		}
		at += written;
		bytes -= (size_t)written;
	}
	return 0;
}

int fd_write_ready(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes > 0) {
		struct pollfd ready = { fd, POLLOUT, 0 };
		/* So much goes into a pipe that poll(2) calls writable. */
		size_t piece = bytes < PIPE_BUF ? bytes : PIPE_BUF;
		ssize_t written = poll(&ready, 1, 0) == 1 ? write(fd, at, piece) : -1;

		if (written < 0)
			return -1;
		at += written;
		bytes -= (size_t)written;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t bytes, struct error *err)
{
	char *at = data;
	size_t have = 0;

	while (have < bytes) {
		ssize_t got = read(fd, at + have, bytes - have);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return error_set_errno(err, "reading %zu bytes", bytes - have);
		}
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

int fd_read_file(const char *path, struct buf *out, struct error *err)
{
	enum { PIECE_BYTES = 16384 };
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "opening %s", path);
	for (;;) {
		char *room = buf_reserve(out, PIECE_BYTES);
		ssize_t got;

		if (!room)
			return error_set(err, ERROR_UNAVAILABLE, "%s is longer than %zu bytes",
					 path, out->max);
		got = read(fd, room, PIECE_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(err, "reading %s", path);
		if (got == 0)
			return 0;
		buf_commit(out, (size_t)got);
	}
}

int fd_set_nonblocking(int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set_errno(err, "making a descriptor non-blocking");
	return 0;
}

int fd_sealed_memory(const char *name, const void *data, size_t bytes, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return error_set_errno(err, "creating the memory file %s", name);
	if (fd_write_all(fd, data, bytes, err) < 0)
		return error_wrap(err, "filling the memory file %s", name);
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return error_set_errno(err, "sealing the memory file %s", name);
	return take_fd(&fd);
}

int fd_packet_pair(int pair[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "creating a socket pair");
	return 0;
}

int fd_open_pipe(int pair[2], struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "creating a pipe");
	/* Both ends are one inode: a command that runs as another uid re-opens its own
	 * stderr by name. Nobody without the descriptor can name it, so 0666 widens nothing. */
	if (fchmod(ends[0], 0666) < 0) {
		int failed = error_set_errno(err, "opening up a pipe's mode");

		(void)close(ends[0]);
		(void)close(ends[1]);
		return failed;
	}
	pair[0] = ends[0];
	pair[1] = ends[1];
	return 0;
}

unsigned long fd_raise_limit(unsigned long *original)
{
	struct rlimit limit = { 1024, 1024 };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	*original = limit.rlim_cur;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = *original;
	}
	return limit.rlim_cur;
}
