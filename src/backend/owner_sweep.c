/* SPDX-License-Identifier: MIT */
#include "backend/owner.h"
#include "backend/owner_records.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

struct sweeping {
	const struct owner_state *state;
	const struct owner_remover *remover;
	const char *id;
	struct error failure; /* the first */
};

static bool is_plain(const char *path)
{
	const char *at;

	if (path[0] != '/')
		return false;
	for (at = path; at; at = strchr(at + 1, '/')) {
		size_t length = strcspn(at + 1, "/");

		if (length == 0 || strncmp(at + 1, ".", length) == 0 ||
		    (length == 2 && strncmp(at + 1, "..", 2) == 0))
			return false;
	}
	return true;
}

static bool is_named_after(const struct sweeping *sweeping, const char *path)
{
	char id[OWNER_ID_BYTES];

	return owner_parse_name(sweeping->state, strrchr(path, '/') + 1, id) == OWNER_CLAIM_OURS &&
	       strcmp(id, sweeping->id) == 0;
}

/* 1 if it had to stay. */
static int remove_recorded(void *context, enum owner_kind kind, const char *path)
{
	struct sweeping *sweeping = context;
	struct error err = ERROR_INIT;

	if (!is_plain(path) || !is_named_after(sweeping, path))
		(void)error_set(&err, ERROR_CONFIG, "%.200s does not carry its label", path);
	else if (sweeping->remover->remove(sweeping->remover->context, kind, path, &err) == 0)
		return 0;
	if (sweeping->failure.kind == ERROR_NONE)
		sweeping->failure = err;
	return 1;
}

/* The name may have gone to another file since this one was opened. */
static bool is_still_named(const struct owner_state *state, const char *name,
			   const struct stat *opened)
{
	struct stat status;

	return fstatat(state->owners_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       status.st_dev == opened->st_dev && status.st_ino == opened->st_ino;
}

static void sweep_owner(const struct owner_state *state, const struct owner_remover *remover,
			const char *name)
{
	struct sweeping sweeping = { .state = state, .remover = remover, .failure = ERROR_INIT };
	char id[OWNER_ID_BYTES];
	struct stat status;
	CLEANUP(cleanup_fd) int fd = -1;
	int left;

	if (!owner_lock_id(name, id))
		return;
	fd = owner_state_open_file(state->owners_fd, name, O_RDWR, &status);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_still_named(state, name, &status))
		return;
	sweeping.id = id;
	left = owner_records_each(fd, remove_recorded, &sweeping, &sweeping.failure);
	if (left != 0)
		remover->kept(remover->context, id, sweeping.failure.message);
	else
		(void)unlinkat(state->owners_fd, name, 0);
}

void owner_sweep(const struct owner_state *state, const struct owner_remover *remover)
{
	int fd = openat(state->owners_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *owners = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int seen = 0;

	if (!owners) {
		cleanup_fd(&fd);
		return;
	}
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (seen++ < LIMIT_OWNERS_SWEPT && (entry = readdir(owners)))
		sweep_owner(state, remover, entry->d_name);
	(void)closedir(owners);
}
