/* SPDX-License-Identifier: MIT */
#include "transport/http/listener.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LOCK_RETRY_MS 10

static void wait_a_moment(void)
{
	struct timespec moment = { 0, LOCK_RETRY_MS * 1000000L };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
}

/* Two servers that start at once must not both find the other's socket dead and remove it: whoever
 * holds the directory looks, removes and makes. Leaves no file behind. */
static int lock_directory(const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *copy = alloc_string(path);
	const char *directory = dirname(copy);
	CLEANUP(cleanup_fd) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t until_ms = clock_now_ms() + LIMIT_HTTP_UNIX_LOCK_MS;

	if (fd < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "opening %.200s, for the socket",
					    directory);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_set_kind_errno(err, ERROR_CONFIG, "locking %.200s", directory);
		if (clock_now_ms() >= until_ms)
			return error_set(err, ERROR_CONFIG,
					 "another process keeps %.200s locked; use a directory of "
					 "your own for the socket",
					 directory);
		wait_a_moment();
	}
	return take_fd(&fd);
}

/* 0: there is nothing, or nothing any more. */
static int remove_dead(const struct sockaddr_un *address, struct error *err)
{
	CLEANUP(cleanup_fd)
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = address->sun_path;
	struct stat status;

	if (lstat(path, &status) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_set_kind_errno(err, ERROR_CONFIG, "looking at %.200s", path);
	}
	if (!S_ISSOCK(status.st_mode))
		return error_set(
			err, ERROR_CONFIG,
			"%.200s is there and is no socket. Remove it, or name another path", path);
	if (probe < 0)
		return error_set_errno(err, "making a socket");
	if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno == EAGAIN)
		return error_set(err, ERROR_CONFIG,
				 "another server listens on %.200s. Stop it, or name another path",
				 path);
	if (errno != ECONNREFUSED)
		return error_set_kind_errno(err, ERROR_CONFIG,
					    "asking whether a server listens on %.200s", path);
	if (unlink(path) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "removing the dead socket %.200s",
					    path);
	return 0;
}

/* The mode that a socket's own inode has when it is bound becomes that of the file: there is no
 * moment in which others could connect, and the umask of other threads is left alone. */
static int bind_private(int fd, const struct sockaddr_un *address, struct stat *status,
			struct error *err)
{
	const char *path = address->sun_path;

	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "making the socket %.200s", path);
	if (lstat(path, status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "looking at %.200s", path);
	if ((status->st_mode & 07777 & ~0600) == 0)
		return 0;
	(void)unlink(path);
	return error_set(err, ERROR_CONFIG,
			 "%.200s: this file system lets others use sockets made there", path);
}

int http_unix_listen(struct http_listener *listener, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_fd) int lock = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_CONFIG,
				 "the path of a unix socket has at most %zu bytes: %.200s",
				 sizeof(address.sun_path) - 1, path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set_errno(err, "making a socket");
	lock = lock_directory(path, err);
	if (lock < 0 || remove_dead(&address, err) < 0 ||
	    bind_private(fd, &address, &status, err) < 0)
		return -1;
	listener->path = alloc_string(path);
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	listener->fd = take_fd(&fd);
	if (listen(listener->fd, LIMIT_HTTP_BACKLOG) < 0)
		return error_set_errno(err, "listening on %.200s", path);
	return 0;
}

void http_unix_remove(struct http_listener *listener)
{
	struct stat status;

	if (!listener->path)
		return;
	if (lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
	    status.st_ino == listener->inode)
		(void)unlink(listener->path);
	free(TAKE_PTR(listener->path));
}
