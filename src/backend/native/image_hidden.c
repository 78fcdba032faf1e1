/* SPDX-License-Identifier: MIT */
#include "backend/native/image_hidden.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

/* What may be in a tree and is no program: sources, keys, site data, another system's files. */
const char *const image_hidden_defaults[] = {
	"lib/modules",
	"usr/etc",
	"usr/lib/debug",
	"usr/lib/modules",
	"usr/lib/wsl",
	"usr/local/etc",
	"usr/local/share/ca-certificates",
	"usr/local/src",
	"usr/local/var",
	"usr/share/phpmyadmin",
	"usr/share/polkit-1",
	"usr/share/webapps",
	"usr/src",
	NULL,
};

static const char clone_name[] = "/.git";

bool image_hidden_is_within(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

static void add(char ***list, size_t *count, const char *path)
{
	*list = alloc_resize(*list, *count + 1, sizeof(**list));
	(*list)[(*count)++] = alloc_string(path);
}

static void remove_within(struct image_hidden *hidden, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < hidden->count; i++) {
		if (image_hidden_is_within(hidden->paths[i], path))
			free(hidden->paths[i]);
		else
			hidden->paths[kept++] = hidden->paths[i];
	}
	hidden->count = kept;
}

static bool is_default(const char *path)
{
	for (size_t i = 0; image_hidden_defaults[i]; i++) {
		if (strcmp(path, image_hidden_defaults[i]) == 0)
			return true;
	}
	return false;
}

static bool is_clone(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && strcmp(slash, clone_name) == 0;
}

/* 1 with the absolute path that `given` leads to (free()), 0 if nothing is there that we, and so a
 * sandbox, could reach. */
static int resolve(const char *option, const char *given, char **path, struct error *err)
{
	*path = realpath(given, NULL);
	if (!*path && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (!*path)
		return error_set_kind_errno(err, ERROR_CONFIG, "%s %.200s", option, given);
	if (strncmp(*path, "/usr/", strlen("/usr/")) == 0)
		return 1;
	return error_set(err, ERROR_CONFIG,
			 "%s %.200s leads to %.200s, which is not below /usr; nothing else can be "
			 "excluded or included",
			 option, given, *path);
}

/* False if it is hidden already. */
static bool hide(struct image_hidden *hidden, const char *path)
{
	if (image_hidden_is_listed(hidden, path))
		return false;
	remove_within(hidden, path);
	add(&hidden->paths, &hidden->count, path);
	return true;
}

static int exclude(struct image_hidden *hidden, const char *given, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int found = resolve("--host-exclude", given, &path, err);

	if (found <= 0)
		return found;
	(void)hide(hidden, path + 1);
	return 0;
}

static int include(struct image_hidden *hidden, const char *given, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int found = resolve("--host-include", given, &path, err);

	if (found <= 0)
		return found;
	if (is_clone(path)) {
		add(&hidden->clones, &hidden->clone_count, path + 1);
		return 0;
	}
	if (is_default(path + 1)) {
		remove_within(hidden, path + 1);
		return 0;
	}
	return error_set(err, ERROR_CONFIG,
			 "--host-include %.200s is not left out by default, so there is nothing to "
			 "include. It takes a .git, or one of the folders that docs/images.md "
			 "lists, such as /usr/src",
			 given);
}

int image_hidden_collect(struct image_hidden *hidden, const char *const *excluded,
			 const char *const *included, struct error *err)
{
	int result = 0;

	*hidden = (struct image_hidden){ NULL, 0, NULL, 0 };
	for (size_t i = 0; image_hidden_defaults[i]; i++)
		add(&hidden->paths, &hidden->count, image_hidden_defaults[i]);
	for (; result == 0 && included && *included; included++)
		result = include(hidden, *included, err);
	for (; result == 0 && excluded && *excluded; excluded++)
		result = exclude(hidden, *excluded, err);
	if (result < 0)
		image_hidden_finish(hidden);
	return result;
}

static bool is_in_tree(const char *path)
{
	static const char *const trees[] = {
		"usr", "bin", "lib", "lib32", "lib64", "libx32", "sbin"
	};

	for (size_t i = 0; i < ARRAY_LENGTH(trees); i++) {
		if (image_hidden_is_within(path, trees[i]) && strcmp(path, trees[i]) != 0)
			return true;
	}
	return false;
}

static const char more[] = ", and more";

/* "Left out: /a, /b"; false if there is no room for it, and it says so. */
static bool append_name(char *sentence, size_t bytes, const char *path)
{
	size_t used = strlen(sentence);
	size_t room = bytes - used - sizeof(more);
	int length;

	length = snprintf(
		sentence + used, room, "%s%s",
		used > 0 ? ", " : "Left out, for these file systems are not local: ", path);
	if ((size_t)length < room)
		return true;
	(void)snprintf(sentence + used, sizeof(more), "%s", used > 0 ? more : "");
	return false;
}

void image_hidden_add_foreign(struct image_hidden *hidden, const struct image_mounts *mounts,
			      char *left_out, size_t left_out_bytes)
{
	bool has_room = true;
	size_t used;

	left_out[0] = '\0';
	for (size_t i = 0; i < mounts->count; i++) {
		const struct image_mount *mount = &mounts->list[i];
		const char *path = mount->path + 1;

		if (mount->is_local || image_mounts_on(mounts, mount->path) != mount ||
		    !is_in_tree(path) || !hide(hidden, path))
			continue;
		/* One byte is for the full stop. */
		if (has_room)
			has_room = append_name(left_out, left_out_bytes - 1, mount->path);
	}
	used = strlen(left_out);
	(void)snprintf(left_out + used, left_out_bytes - used, "%s", used > 0 ? "." : "");
}

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void image_hidden_finish(struct image_hidden *hidden)
{
	free_list(hidden->paths, hidden->count);
	free_list(hidden->clones, hidden->clone_count);
	*hidden = (struct image_hidden){ NULL, 0, NULL, 0 };
}

bool image_hidden_is_listed(const struct image_hidden *hidden, const char *path)
{
	for (size_t i = 0; i < hidden->count; i++) {
		if (image_hidden_is_within(path, hidden->paths[i]))
			return true;
	}
	return false;
}

static bool is_shown(const struct image_hidden *hidden, const char *path, size_t length)
{
	for (size_t i = 0; i < hidden->clone_count; i++) {
		if (strlen(hidden->clones[i]) == length &&
		    memcmp(hidden->clones[i], path, length) == 0)
			return true;
	}
	return false;
}

bool image_hidden_covers(const struct image_hidden *hidden, const char *path)
{
	const char *found = path;

	while ((found = strstr(found, clone_name))) {
		found += strlen(clone_name);
		if ((*found == '/' || *found == '\0') &&
		    !is_shown(hidden, path, (size_t)(found - path)))
			return true;
	}
	return image_hidden_is_listed(hidden, path);
}
