/* SPDX-License-Identifier: MIT */
#include "backend/native/image_build.h"
#include "backend/native/image_hidden.h"
#include "backend/native/image_mounts.h"
#include "backend/native/image_walk.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "zygote/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The host's program trees as lowers of overlays. An overlay shows no socket of
 * its lower and none of the file systems mounted in it. The kernel refuses, to
 * whoever may not unmount them, a lower that has something mounted in it; such a
 * tree is split: its directory is made, and each part beside the mount becomes an
 * overlay of its own.
 */

/* Besides /usr. A link on merged systems, a directory on others, or not there. */
static const char *const program_trees[] = { "bin", "lib", "lib32", "lib64", "libx32", "sbin" };

/* Where somebody may have cloned something, and in how many levels of directories below it a
 * .git is looked for. All of /usr would be some ten thousand directories: seconds, if the machine
 * has not looked at them yet. */
static const struct clone_place {
	const char *path;
	size_t levels;
} clone_places[] = {
	{ "usr", 1 },		{ "usr/lib", 1 },	  { "usr/local", 2 },
	{ "usr/local/lib", 2 }, { "usr/local/share", 2 }, { "usr/share", 1 },
};

struct trees {
	const struct image_request *request;
	struct buf *plan;
	const struct image_hidden *hidden;
	const struct image_mounts *mounts; /* below "/" */
	/* Directories that are still to be split. */
	char *todo[PLAN_MAX_OVERLAYS];
	size_t todo_count;
	size_t overlays;
	size_t first_bytes; /* of the plan before anything was split */
};

#define HOST_PATH_BYTES (LIMIT_PATH_BYTES + 1)

/* A path in the sandbox is the host's without the "/" before it. */
static const char *host_path(const char *path, char text[HOST_PATH_BYTES])
{
	(void)snprintf(text, HOST_PATH_BYTES, "/%.*s", LIMIT_PATH_BYTES - 1, path);
	return text;
}

static bool is_hidden(const struct trees *trees, const char *path)
{
	return image_hidden_covers(trees->hidden, path);
}

/* Every directory above `path` but the first, which is a tree and there already. */
static int add_parents(struct trees *trees, const char *path, struct error *err)
{
	const char *slash = strchr(path, '/');
	char parent[LIMIT_PATH_BYTES];

	while (slash && (slash = strchr(slash + 1, '/'))) {
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (image_add_directory(trees->plan, parent, 0755, err) < 0)
			return -1;
	}
	return 0;
}

/* Is something mounted there that may not even be looked at (image_hidden_add_foreign)? */
static bool is_foreign(const struct trees *trees, const char *path)
{
	char source[HOST_PATH_BYTES];
	const struct image_mount *mount = image_mounts_on(trees->mounts, host_path(path, source));

	return mount && !mount->is_local;
}

/* What is mounted in a tree becomes an overlay of its own, over the tree's. */
static int add_mounted(struct trees *trees, const char *tree, struct error *err)
{
	for (size_t i = 0; i < trees->mounts->count; i++) {
		const struct image_mount *mount = &trees->mounts->list[i];
		const char *path = mount->path + 1;
		struct stat status;

		if (!image_hidden_is_within(path, tree) || strcmp(path, tree) == 0 ||
		    is_hidden(trees, path) || image_mounts_on(trees->mounts, mount->path) != mount)
			continue;
		if (lstat(mount->path, &status) < 0 || !S_ISDIR(status.st_mode))
			continue;
		if (add_parents(trees, path, err) < 0 ||
		    image_add_overlay(trees->plan, path, mount->path, err) < 0)
			return -1;
	}
	return 0;
}

static int split_refused(const char *path, struct error *err)
{
	return error_set(err, ERROR_CONFIG,
			 "/%.200s cannot be shown to sandboxes: something is mounted below it, "
			 "and there is too much beside that. Unmount it (findmnt lists what is "
			 "mounted), run as root, or use --image DIRECTORY",
			 path);
}

/* A directory that stands beside something mounted, or is such a mount. */
static int add_split_directory(struct trees *trees, const char *path, struct error *err)
{
	char source[HOST_PATH_BYTES];

	if (is_hidden(trees, path))
		return image_add_directory(trees->plan, path, 0755, err);
	if (!image_mounts_within(trees->mounts, host_path(path, source))) {
		if (++trees->overlays > PLAN_MAX_OVERLAYS - IMAGE_ETC_OVERLAYS)
			return split_refused(path, err);
		return image_add_overlay(trees->plan, path, source, err);
	}
	if (trees->todo_count == ARRAY_LENGTH(trees->todo))
		return split_refused(path, err);
	trees->todo[trees->todo_count++] = alloc_string(path);
	return 0;
}

static int add_split_entry(struct trees *trees, const char *directory, int directory_fd,
			   const char *name, struct error *err)
{
	const mode_t everyone = S_IROTH | S_IXOTH;
	char path[LIMIT_PATH_BYTES];
	struct stat status;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return 0;
	if (is_foreign(trees, path))
		return image_add_directory(trees->plan, path, 0755, err);
	if (fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	/* Listed by us, it would show what only this user may list. */
	if (S_ISDIR(status.st_mode) && (status.st_mode & everyone) != everyone)
		return image_add_directory(trees->plan, path, 0755, err);
	if (S_ISDIR(status.st_mode))
		return add_split_directory(trees, path, err);
	if (is_hidden(trees, path))
		return 0;
	if (image_add_copy_or_link(trees->plan, path, directory_fd, name, err) < 0)
		return -1;
	if (trees->plan->length - trees->first_bytes > LIMIT_HOST_ETC_BYTES)
		return split_refused(directory, err);
	return 0;
}

static int split_directory(struct trees *trees, const char *directory, struct error *err)
{
	char source[HOST_PATH_BYTES];
	DIR *stream = opendir(host_path(directory, source));
	struct dirent *found;
	int result;

	if (!stream)
		return error_set_kind_errno(err, ERROR_CONFIG, "listing %s", source);
	result = image_add_directory(trees->plan, directory, 0755, err);
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (result == 0 && (found = readdir(stream))) {
		if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
			result = add_split_entry(trees, directory, dirfd(stream), found->d_name,
						 err);
	}
	(void)closedir(stream);
	return result;
}

static int split_tree(struct trees *trees, const char *tree, struct error *err)
{
	int result = 0;

	trees->first_bytes = trees->plan->length;
	trees->todo[trees->todo_count++] = alloc_string(tree);
	while (trees->todo_count > 0) {
		char *directory = trees->todo[--trees->todo_count];

		if (result == 0)
			result = split_directory(trees, directory, err);
		free(directory);
	}
	return result;
}

/* A directory that looks empty. */
static int hide(struct trees *trees, const char *path, struct error *err)
{
	if (add_parents(trees, path, err) < 0)
		return -1;
	return image_add_empty(trees->plan, path, 0755, err);
}

static int hide_file(struct trees *trees, const char *path, struct error *err)
{
	if (add_parents(trees, path, err) < 0)
		return -1;
	return image_add_text(trees->plan, path, 0644, "", err);
}

static int hide_listed(struct trees *trees, const char *tree, struct error *err)
{
	for (size_t i = 0; i < trees->hidden->count; i++) {
		const char *path = trees->hidden->paths[i];
		char source[HOST_PATH_BYTES];
		bool is_folder = is_foreign(trees, path);
		struct stat status;

		if (!image_hidden_is_within(path, tree))
			continue;
		if (!is_folder) {
			if (lstat(host_path(path, source), &status) < 0)
				continue;
			/* A link can only be one of ours, which are folders. */
			is_folder = S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode);
		}
		if ((is_folder ? hide(trees, path, err) : hide_file(trees, path, err)) < 0)
			return -1;
	}
	return 0;
}

static int add_whole(struct trees *trees, const char *tree, const char *source, struct error *err)
{
	trees->overlays++;
	if (image_add_overlay(trees->plan, tree, source, err) < 0)
		return -1;
	return add_mounted(trees, tree, err);
}

static int add_tree(struct trees *trees, const char *tree, struct error *err)
{
	char source[HOST_PATH_BYTES];
	int result;

	(void)host_path(tree, source);
	if (image_mounts_within(trees->mounts, source) && !trees->request->owns_mounts)
		result = split_tree(trees, tree, err);
	else
		result = add_whole(trees, tree, source, err);
	return result < 0 ? -1 : hide_listed(trees, tree, err);
}

/* The .git in `directory`, unless it is to be shown, or excluded and so hidden already. */
static int hide_clone(struct trees *trees, const char *directory, struct error *err)
{
	char path[LIMIT_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/.git", directory);
	if (!is_hidden(trees, path) || image_hidden_is_listed(trees->hidden, path))
		return 0;
	return hide(trees, path, err);
}

/* Below a place that may hold clones; `path` is what the walk is in. */
struct search {
	struct trees *trees;
	size_t levels;
	size_t level;
	char path[LIMIT_PATH_BYTES];
};

static int search_entry(struct search *search, struct walk *walk, const struct walk_entry *entry,
			struct error *err)
{
	char inside[NAME_MAX + sizeof("/.git")];
	size_t length = strlen(search->path);
	struct stat status;
	int result = 0;

	if (!entry->is_directory ||
	    length + strlen(entry->name) + sizeof("//.git") > sizeof(search->path))
		return 0;
	(void)snprintf(search->path + length, sizeof(search->path) - length, "/%s", entry->name);
	if (!is_hidden(search->trees, search->path)) {
		(void)snprintf(inside, sizeof(inside), "%s/.git", entry->name);
		if (fstatat(entry->parent_fd, inside, &status, AT_SYMLINK_NOFOLLOW) == 0)
			result = hide_clone(search->trees, search->path, err);
		/* A directory that may not be listed has nothing that the sandbox could see. */
		if (result == 0 && search->level + 1 < search->levels &&
		    walk_enter(walk, entry, NULL) == 0) {
			search->level++;
			return 0;
		}
	}
	search->path[length] = '\0';
	return result;
}

static int search_walk(struct search *search, struct walk *walk, struct error *err)
{
	struct walk_entry entry;
	int event;

	while ((event = walk_next(walk, &entry, err)) != WALK_FINISH) {
		if (event < 0)
			return -1;
		if (event == WALK_LEAVE) {
			search->level--;
			*strrchr(search->path, '/') = '\0';
		} else if (search_entry(search, walk, &entry, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int hide_clones(struct trees *trees, const struct clone_place *place, struct error *err)
{
	struct search search = { .trees = trees, .levels = place->levels };
	char source[HOST_PATH_BYTES];
	int fd = open(host_path(place->path, source),
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct walk *walk;
	int result;

	if (fd < 0)
		return 0;
	(void)snprintf(search.path, sizeof(search.path), "%s", place->path);
	walk = walk_create(fd, err);
	if (!walk)
		return -1;
	result = search_walk(&search, walk, err);
	walk_destroy(walk);
	return result;
}

static int add_unmerged(struct trees *trees, const char *tree, struct error *err)
{
	char source[HOST_PATH_BYTES];
	char target[LIMIT_PATH_BYTES];
	struct stat status;
	ssize_t length;

	if (lstat(host_path(tree, source), &status) < 0)
		return 0;
	if (S_ISDIR(status.st_mode))
		return add_tree(trees, tree, err);
	length = readlink(source, target, sizeof(target) - 1);
	if (length <= 0)
		return 0;
	target[length] = '\0';
	return image_add_link(trees->plan, tree, target, err);
}

static int add_trees(struct trees *trees, struct error *err)
{
	struct stat status;

	if (lstat("/usr/bin", &status) < 0)
		return error_set(err, ERROR_CONFIG,
				 "this machine has no /usr/bin to make the host image of (NixOS "
				 "keeps programs elsewhere); use --image DIRECTORY or a tar of a "
				 "root file system");
	if (add_tree(trees, "usr", err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LENGTH(program_trees); i++) {
		if (add_unmerged(trees, program_trees[i], err) < 0)
			return -1;
	}
	if (lstat("/usr/.git", &status) == 0 && hide_clone(trees, "usr", err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LENGTH(clone_places); i++) {
		if (hide_clones(trees, &clone_places[i], err) < 0)
			return -1;
	}
	return 0;
}

int image_trees(const struct image_request *request, const struct image_hidden *hidden,
		const struct image_mounts *mounts, struct buf *plan, struct error *err)
{
	struct trees *trees = alloc_zeroed(sizeof(*trees));
	int result;

	trees->request = request;
	trees->hidden = hidden;
	trees->mounts = mounts;
	trees->plan = plan;
	result = add_trees(trees, err);
	free(trees);
	return result;
}
