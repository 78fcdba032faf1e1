/* SPDX-License-Identifier: MIT */
#include "backend/native/image_walk.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct level {
	DIR *stream;
	char name[NAME_MAX + 1]; /* in the level above */
};

struct walk {
	struct level levels[LIMIT_TREE_DEPTH];
	size_t depth; /* levels in use */
};

static int push(struct walk *walk, int directory_fd, const char *name, struct error *err)
{
	struct level *level = &walk->levels[walk->depth];

	level->stream = fdopendir(directory_fd);
	if (!level->stream) {
		error_set_errno(err, "listing %s", name);
		(void)close(directory_fd);
		return -1;
	}
	(void)snprintf(level->name, sizeof(level->name), "%s", name);
	walk->depth++;
	return 0;
}

struct walk *walk_create(int directory_fd, struct error *err)
{
	struct walk *walk = alloc_zeroed(sizeof(*walk));

	if (push(walk, directory_fd, ".", err) == 0)
		return walk;
	free(walk);
	return NULL;
}

void walk_destroy(struct walk *walk)
{
	if (!walk)
		return;
	while (walk->depth > 0)
		(void)closedir(walk->levels[--walk->depth].stream);
	free(walk);
}

static unsigned char type_of(int parent_fd, const struct dirent *found)
{
	struct stat status;

	if (found->d_type == DT_UNKNOWN &&
	    fstatat(parent_fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		return (unsigned char)IFTODT(status.st_mode);
	return found->d_type;
}

static int leave(struct walk *walk, struct walk_entry *entry)
{
	struct level *level = &walk->levels[walk->depth - 1];

	if (walk->depth == 1)
		return WALK_FINISH;
	(void)closedir(level->stream);
	walk->depth--;
	entry->parent_fd = dirfd(walk->levels[walk->depth - 1].stream);
	entry->is_directory = true;
	entry->is_link = false;
	(void)snprintf(entry->name, sizeof(entry->name), "%s", level->name);
	return WALK_LEAVE;
}

int walk_next(struct walk *walk, struct walk_entry *entry, struct error *err)
{
	struct level *level = &walk->levels[walk->depth - 1];
	struct dirent *found;
	unsigned char type;

	do {
		errno = 0;
		/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		found = readdir(level->stream);
		if (!found && errno != 0)
			return error_set_errno(err, "listing %s", level->name);
		if (!found)
			return leave(walk, entry);
	} while (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0);
	entry->parent_fd = dirfd(level->stream);
	type = type_of(entry->parent_fd, found);
	entry->is_directory = type == DT_DIR;
	entry->is_link = type == DT_LNK;
	(void)snprintf(entry->name, sizeof(entry->name), "%s", found->d_name);
	return WALK_ENTRY;
}

int walk_enter(struct walk *walk, const struct walk_entry *entry, struct error *err)
{
	int fd;

	if (walk->depth == LIMIT_TREE_DEPTH)
		return error_set(err, ERROR_CONFIG, "%s is more than %d directories deep",
				 entry->name, LIMIT_TREE_DEPTH);
	fd = openat(entry->parent_fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "opening %s", entry->name);
	return push(walk, fd, entry->name, err);
}

static int remove_contents(struct walk *walk, struct error *err)
{
	struct walk_entry entry = { .parent_fd = -1 };
	int event;

	while ((event = walk_next(walk, &entry, err)) != WALK_FINISH) {
		if (event < 0)
			return -1;
		if (event == WALK_ENTRY && entry.is_directory) {
			if (walk_enter(walk, &entry, err) < 0)
				return -1;
			continue;
		}
		if (unlinkat(entry.parent_fd, entry.name, event == WALK_LEAVE ? AT_REMOVEDIR : 0) <
		    0)
			return error_set_errno(err, "removing %s", entry.name);
	}
	return 0;
}

int walk_remove(int parent_fd, const char *name, struct error *err)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct walk *walk;
	int result;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set_errno(err, "opening %s", name);
	walk = walk_create(fd, err);
	if (!walk)
		return -1;
	result = remove_contents(walk, err);
	walk_destroy(walk);
	if (result == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0)
		return error_set_errno(err, "removing %s", name);
	return result;
}
