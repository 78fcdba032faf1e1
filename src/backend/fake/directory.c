/* SPDX-License-Identifier: MIT */
#include "backend/fake/directory.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_PREFIX "kilntainers-fake-"

/* Directories that are open at once while a tree is walked. */
#define OPEN_MAX_DIRECTORIES 16

static const char *parent_directory(void)
{
	const char *path = getenv("TMPDIR");

	return path ? path : "/tmp";
}

/* Whoever makes a directory holds a lock on it, so that one without is known to be nobody's. Opened
 * without waiting, and never through a link. */
static int lock_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

char *directory_make(int *lock_fd, struct error *err)
{
	char *path = alloc_printf("%s/" NAME_PREFIX "XXXXXX", parent_directory());

	if (!mkdtemp(path)) {
		(void)error_set_kind_errno(err, ERROR_UNAVAILABLE,
					   "creating a directory like %s (set TMPDIR to a place "
					   "that can be written to)",
					   path);
		free(path);
		return NULL;
	}
	*lock_fd = lock_directory(path);
	if (*lock_fd < 0) {
		(void)error_set_errno(err, "locking the directory %s", path);
		(void)rmdir(path);
		free(path);
		return NULL;
	}
	return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	/* Never through a symbolic link, never onto another file system. */
	(void)nftw(path, remove_entry, OPEN_MAX_DIRECTORIES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void directory_remove(char *path)
{
	if (!path)
		return;
	remove_tree(path);
	free(path);
}

static bool may_be_abandoned(const char *path, time_t before)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
	       status.st_ctime < before;
}

void directory_sweep(time_t before)
{
	DIR *parent = opendir(parent_directory());
	const struct dirent *entry;

	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (parent && (entry = readdir(parent))) {
		CLEANUP(cleanup_free) char *path = NULL;
		CLEANUP(cleanup_fd) int lock_fd = -1;

		if (strncmp(entry->d_name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1) != 0)
			continue;
		path = alloc_printf("%s/%s", parent_directory(), entry->d_name);
		if (may_be_abandoned(path, before))
			lock_fd = lock_directory(path);
		if (lock_fd >= 0)
			remove_tree(path);
	}
	if (parent)
		(void)closedir(parent);
}
