/* SPDX-License-Identifier: MIT */

/*
 * Unpacks the input as a tar below a directory of its own, next to a canary that
 * no archive may touch.
 */

#include "fuzz.h"

#include "backend/native/image_tar.h"
#include "backend/native/image_walk.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[64];

static void remove_place(void)
{
	(void)walk_remove(AT_FDCWD, place, NULL);
}

static void write_file(const char *path, const void *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0);
	assert(write(fd, data, bytes) == (ssize_t)bytes);
	assert(close(fd) == 0);
}

/* On a tmpfs if there is one: nothing of this is to reach a disk. */
static void make_place(void)
{
	const struct rlimit file_limit = { 64 << 20, 64 << 20 };
	const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(place, sizeof(place), "%s/kilntainers-fuzz-XXXXXX", parent);
	assert(mkdtemp(place));
	assert(atexit(remove_place) == 0);
	assert(setenv("XDG_CACHE_HOME", place, 1) == 0);
	/* Four kilobytes of zstd can stand for a great many. */
	assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert(setrlimit(RLIMIT_FSIZE, &file_limit) == 0);
}

static int count_entries(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk *walk = fd >= 0 ? walk_create(fd, NULL) : NULL;
	struct walk_entry entry;
	int count = 0;

	while (walk && walk_next(walk, &entry, NULL) == WALK_ENTRY)
		count++;
	walk_destroy(walk);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char archive[96], cache[96];
	struct image_request request = { .name = archive };
	char *directory = NULL;
	struct error err = ERROR_INIT;
	struct stat status;

	if (place[0] == '\0')
		make_place();
	(void)snprintf(archive, sizeof(archive), "%s/archive", place);
	(void)snprintf(cache, sizeof(cache), "%s/kilntainers", place);
	write_file(archive, data, size);
	if (image_tar_unpack(&request, &directory, &err) == 0) {
		assert(strncmp(directory, cache, strlen(cache)) == 0);
		assert(stat(directory, &status) == 0);
		assert(S_ISDIR(status.st_mode));
		free(directory);
	} else {
		assert(err.kind == ERROR_CONFIG || err.kind == ERROR_UNAVAILABLE ||
		       err.kind == ERROR_INTERNAL);
		assert(err.message[0] != '\0');
	}
	assert(stat(archive, &status) == 0);
	assert(status.st_size == (off_t)size);
	/* The archive and the cache, and nothing beside them. */
	assert(count_entries(place) == 2);
	assert(walk_remove(AT_FDCWD, cache, NULL) == 0);
	return 0;
}
