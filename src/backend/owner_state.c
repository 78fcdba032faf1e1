/* SPDX-License-Identifier: MIT */
#include "backend/owner_state.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE "key"

static char *state_path(struct error *err)
{
	/* Nothing in this program changes the environment. NOLINTBEGIN(concurrency-mt-unsafe) */
	const char *base = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	/* NOLINTEND(concurrency-mt-unsafe) */

	if (base && base[0] == '/')
		return alloc_printf("%s/kilntainers", base);
	if (geteuid() == 0)
		return alloc_string("/var/lib/kilntainers");
	if (home && home[0] == '/')
		return alloc_printf("%s/.local/state/kilntainers", home);
	(void)error_set(err, ERROR_CONFIG,
			"there is no place for the lock files of servers: neither XDG_STATE_HOME "
			"nor HOME is set to an absolute path");
	return NULL;
}

/* -1 with errno ENOENT if it is not there. */
static int open_own(int parent_fd, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd)
	int fd = openat(parent_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "opening %.200s", path);
	if (status.st_uid == geteuid() && (status.st_mode & 022) == 0)
		return take_fd(&fd);
	(void)error_set(err, ERROR_CONFIG,
			"others may write into %.200s, which holds the lock files of servers; run: "
			"chown %u and chmod 700 on it",
			path, (unsigned)geteuid());
	errno = EACCES;
	return -1;
}

int owner_state_open_file(int directory_fd, const char *name, int flags, struct stat *status)
{
	CLEANUP(cleanup_fd)
	int fd = openat(directory_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, status) < 0 || !S_ISREG(status->st_mode) ||
	    status->st_uid != geteuid() || status->st_nlink != 1)
		return -1;
	return take_fd(&fd);
}

static int read_key(struct owner_state *state, int directory_fd, struct error *err)
{
	unsigned char key[OWNER_KEY_BYTES + 1];
	struct stat status = { 0 };
	CLEANUP(cleanup_fd)
	int fd = owner_state_open_file(directory_fd, KEY_FILE, O_RDONLY, &status);

	if (fd < 0 && errno == ENOENT)
		return error_set_kind_errno(err, ERROR_CONFIG, "opening %.200s/" KEY_FILE,
					    state->path);
	if (fd < 0 || (status.st_mode & 077) != 0 ||
	    fd_read_full(fd, key, sizeof(key), NULL) != OWNER_KEY_BYTES) {
		(void)error_set(err, ERROR_CONFIG,
				"%.200s/" KEY_FILE " is not a file of %d bytes that only its owner "
				"may read; remove it, and a new one will be made",
				state->path, OWNER_KEY_BYTES);
		errno = EACCES;
		return -1;
	}
	memcpy(state->key, key, sizeof(state->key));
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* It gets its name when it is whole, and never replaces another. */
static int make_key(int directory_fd, struct error *err)
{
	unsigned char key[OWNER_KEY_BYTES];
	char name[sizeof(KEY_FILE) + 2 * OWNER_KEY_BYTES];
	char random[17];
	CLEANUP(cleanup_fd) int fd = -1;
	int result;

	random_hex(random, 8);
	(void)snprintf(name, sizeof(name), KEY_FILE ".%s", random);
	fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "making a key");
	random_fill(key, sizeof(key));
	result = fd_write_all(fd, key, sizeof(key), err);
	explicit_bzero(key, sizeof(key));
	/* A key that a crash takes back would leave things behind that nobody knows. */
	if (result == 0 && fsync(fd) < 0)
		result = error_set_kind_errno(err, ERROR_CONFIG, "writing a key");
	if (result == 0 && linkat(directory_fd, name, directory_fd, KEY_FILE, 0) < 0 &&
	    errno != EEXIST)
		result = error_set_kind_errno(err, ERROR_CONFIG, "naming a key");
	(void)unlinkat(directory_fd, name, 0);
	return result;
}

static int open_state(struct owner_state *state, int directory_fd, struct error *err)
{
	if (read_key(state, directory_fd, err) < 0)
		return -1;
	state->owners_fd = open_own(directory_fd, OWNERS_DIRECTORY, err);
	return state->owners_fd < 0 ? -1 : 0;
}

static int make_state(struct owner_state *state, struct error *err)
{
	CLEANUP(cleanup_fd) int directory_fd = -1;

	if (path_make_directories(state->path) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "making the directory %.200s",
					    state->path);
	directory_fd = open_own(AT_FDCWD, state->path, err);
	if (directory_fd < 0)
		return -1;
	if (faccessat(directory_fd, KEY_FILE, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    make_key(directory_fd, err) < 0)
		return error_wrap(err, "in %.200s", state->path);
	if (mkdirat(directory_fd, OWNERS_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return error_set_kind_errno(err, ERROR_CONFIG, "making %.200s/" OWNERS_DIRECTORY,
					    state->path);
	return open_state(state, directory_fd, err);
}

static int begin(struct owner_state *state, struct error *err)
{
	*state = (struct owner_state){ .owners_fd = -1 };
	state->path = state_path(err);
	return state->path ? 0 : -1;
}

int owner_state_make(struct owner_state *state, struct error *err)
{
	if (begin(state, err) == 0 && make_state(state, err) == 0)
		return 0;
	owner_state_finish(state);
	return -1;
}

int owner_state_find(struct owner_state *state, struct error *err)
{
	struct error failure = ERROR_INIT;
	CLEANUP(cleanup_fd) int directory_fd = -1;

	if (begin(state, NULL) < 0)
		return 0;
	directory_fd = open_own(AT_FDCWD, state->path, &failure);
	if (directory_fd >= 0 && open_state(state, directory_fd, &failure) == 0)
		return 1;
	owner_state_finish(state);
	if (failure.errno_value == ENOENT)
		return 0;
	if (err)
		*err = failure;
	return -1;
}

void owner_state_pretend(struct owner_state *state)
{
	*state = (struct owner_state){ .owners_fd = -1 };
	random_fill(state->key, sizeof(state->key));
}

void owner_state_finish(struct owner_state *state)
{
	cleanup_fd(&state->owners_fd);
	cleanup_free(&state->path);
	explicit_bzero(state->key, sizeof(state->key));
}
