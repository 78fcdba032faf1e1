/* SPDX-License-Identifier: MIT */
#include "guest/save.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* As much as a pipe holds. */
#define BUFFER_BYTES 65536

enum { PAIR_FILES = 2 };
/* A number of ten digits, and the longer suffix. */
#define NAME_BYTES 20

static int fail(struct guest_wire_failed *failed, enum guest_wire_step step)
{
	*failed = (struct guest_wire_failed){ step, (uint32_t)errno };
	return -1;
}

/* The next part of a path, without slashes; false if there is none. -1 with errno if it is too
 * long to be a name. */
static int next_name(const char **path, char name[LIMIT_NAME_BYTES + 1])
{
	size_t length;

	*path += strspn(*path, "/");
	length = strcspn(*path, "/");
	if (length > LIMIT_NAME_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, *path, length);
	name[length] = '\0';
	*path += length;
	return length > 0;
}

/* Name by name, each a directory and no link: what openat2(2) does with RESOLVE_NO_SYMLINKS and
 * RESOLVE_BENEATH, also where a kernel or a filter lacks it. */
static int open_without_links(const char *path)
{
	CLEANUP(cleanup_fd) int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[LIMIT_NAME_BYTES + 1];
	int found;

	while (fd >= 0 && (found = next_name(&path, name)) != 0) {
		int next =
			found < 0 ? -1
				  : openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		(void)close(fd);
		fd = next;
	}
	return take_fd(&fd);
}

static int open_save_directory(const char *directory)
{
	CLEANUP(cleanup_fd) int above_fd = open_without_links(directory);

	if (above_fd < 0)
		return -1;
	if (mkdirat(above_fd, GUEST_WIRE_SAVE_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(above_fd, GUEST_WIRE_SAVE_DIRECTORY,
		      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* `file`: 0 for stdout, 1 for stderr. */
static void set_name(char name[NAME_BYTES], uint32_t number, int file)
{
	(void)snprintf(name, NAME_BYTES, "%u.%s", number, file == 0 ? "stdout" : "stderr");
}

static void remove_files(int directory_fd, uint32_t number, int count)
{
	char name[NAME_BYTES];

	for (int file = 0; file < count; file++) {
		set_name(name, number, file);
		(void)unlinkat(directory_fd, name, 0);
	}
}

static void remove_earlier(int directory_fd, const struct guest_wire_save *save)
{
	for (size_t i = 0; i < LIMIT_SAVED_PAIRS; i++) {
		if (save->removed[i] > 0)
			remove_files(directory_fd, save->removed[i], PAIR_FILES);
	}
}

/* A command that printed much must still have room to work in afterwards. */
static int check_space(int directory_fd, const struct guest_wire_save *save)
{
	uint64_t wanted = 2 * ((uint64_t)save->stdout_bytes + save->stderr_bytes);
	struct statvfs status;

	if (fstatvfs(directory_fd, &status) < 0)
		return -1;
	/* Without any blocks it is a tmpfs without a limit. */
	if (status.f_blocks == 0 || (uint64_t)status.f_bavail * status.f_frsize >= wanted)
		return 0;
	errno = ENOSPC;
	return -1;
}

/* A new file that only we have: nothing that a command has put there. */
static int make_file(int directory_fd, const char *name)
{
	int fd = openat(
		directory_fd, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1)
		return fd;
	(void)unlinkat(directory_fd, name, 0);
	(void)close(fd);
	errno = EEXIST;
	return -1;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = write(fd, data, bytes);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		data += written;
		bytes -= (size_t)written;
	}
	return 0;
}

static int copy(int data_fd, int file_fd, uint32_t bytes)
{
	static char buffer[BUFFER_BYTES];

	while (bytes > 0) {
		ssize_t got =
			read(data_fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer));

		if (got < 0 && errno == EINTR)
			continue;
		/* Who asked has gone: half an output would look like a whole one. */
		if (got == 0)
			errno = EPIPE;
		if (got <= 0 || write_all(file_fd, buffer, (size_t)got) < 0)
			return -1;
		bytes -= (uint32_t)got;
	}
	return 0;
}

/* Makes and fills both; *made counts what has to be removed on failure. */
static int write_files(int directory_fd, const struct guest_wire_save *save, int data_fd, int *made)
{
	const uint32_t bytes[PAIR_FILES] = { save->stdout_bytes, save->stderr_bytes };
	char name[NAME_BYTES];

	for (*made = 0; *made < PAIR_FILES;) {
		CLEANUP(cleanup_fd) int fd = -1;

		set_name(name, save->number, *made);
		fd = make_file(directory_fd, name);
		if (fd < 0)
			return -1;
		if (copy(data_fd, fd, bytes[(*made)++]) < 0)
			return -1;
	}
	return 0;
}

int save_output(const char *directory, const struct guest_wire_save *save, int data_fd,
		struct guest_wire_failed *failed)
{
	CLEANUP(cleanup_fd) int directory_fd = -1;
	int made = 0;

	/* Whoever started the guest may have a mask that would shut ourselves out, and a limit on
	 * file sizes, if there is one, is to be an error and not our death. */
	(void)umask(0077);
	(void)signal(SIGXFSZ, SIG_IGN);
	directory_fd = open_save_directory(directory);
	if (directory_fd < 0)
		return fail(failed, GUEST_WIRE_STEP_SAVE_DIRECTORY);
	remove_earlier(directory_fd, save);
	if (check_space(directory_fd, save) < 0)
		return fail(failed, GUEST_WIRE_STEP_SAVE_SPACE);
	if (write_files(directory_fd, save, data_fd, &made) < 0) {
		(void)fail(failed, GUEST_WIRE_STEP_SAVE_FILE);
		remove_files(directory_fd, save->number, made);
		return -1;
	}
	return 0;
}
