/* SPDX-License-Identifier: MIT */
#include "backend/native/image_mounts.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <string.h>

/* Others (nfs, 9p, fuse, autofs ...) may hang, ask a network, or show one user's files. */
static const char *const local_types[] = { "bcachefs", "btrfs", "erofs", "ext2",  "ext3",
					   "ext4",     "f2fs",	"jfs",	 "ramfs", "squashfs",
					   "tmpfs",    "xfs",	"zfs" };

static bool is_local_type(const char *type, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(local_types); i++) {
		if (strlen(local_types[i]) == length && memcmp(local_types[i], type, length) == 0)
			return true;
	}
	return false;
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return path[0] == '/' && path[1] != '\0';
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* The kernel writes space, tab, newline and backslash as \ooo. In place. */
static void decode_octal(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		unsigned value = 0;
		int digits = 0;

		if (*from == '\\') {
			while (digits < 3 && from[digits + 1] >= '0' && from[digits + 1] <= '7')
				value = value * 8 + (unsigned)(from[++digits] - '0');
		}
		*to = digits == 3 ? (char)value : *from;
		from += digits == 3 ? 4 : 1;
	}
	*to = '\0';
}

/* `*field` is moved past the next word of [*field, end); NULL if there is none. */
static const char *next_word(const char **field, const char *end, size_t *length)
{
	const char *start = *field;

	while (start < end && *start == ' ')
		start++;
	*field = start;
	while (*field < end && **field != ' ')
		(*field)++;
	*length = (size_t)(*field - start);
	return *length > 0 ? start : NULL;
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw" */
static int parse_line(const char *line, const char *end, struct image_mount *mount)
{
	enum { WORD_MOUNT_POINT = 4 };
	const char *word;
	size_t length;

	mount->path = NULL;
	for (int index = 0; (word = next_word(&line, end, &length)); index++) {
		if (index == WORD_MOUNT_POINT) {
			mount->path = alloc_printf("%.*s", (int)length, word);
			decode_octal(mount->path);
		}
		if (index > WORD_MOUNT_POINT && length == 1 && *word == '-')
			break;
	}
	word = next_word(&line, end, &length);
	if (!mount->path || !word) {
		free(mount->path);
		return -1;
	}
	mount->is_local = is_local_type(word, length);
	return 0;
}

int image_mounts_parse(const char *text, size_t bytes, const char *directory,
		       struct image_mounts *mounts, struct error *err)
{
	const char *end = text + bytes;

	*mounts = (struct image_mounts){ NULL, 0 };
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;
		struct image_mount mount;

		if (line_end - text > (ptrdiff_t)LIMIT_MOUNT_LINE_BYTES ||
		    parse_line(text, line_end, &mount) < 0) {
			image_mounts_finish(mounts);
			return error_set(err, ERROR_UNAVAILABLE,
					 "/proc/self/mountinfo has a line that is not understood");
		}
		if (is_below(mount.path, directory)) {
			mounts->list = alloc_resize(mounts->list, mounts->count + 1,
						    sizeof(*mounts->list));
			mounts->list[mounts->count++] = mount;
		} else {
			free(mount.path);
		}
		text = newline ? newline + 1 : end;
	}
	return 0;
}

int image_mounts_below(const char *directory, struct image_mounts *mounts, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = BUF_INIT(LIMIT_MOUNTS_BYTES);

	if (fd_read_file("/proc/self/mountinfo", &text, err) < 0)
		return -1;
	return image_mounts_parse(text.data, text.length, directory, mounts, err);
}

void image_mounts_finish(struct image_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		free(mounts->list[i].path);
	free(mounts->list);
	*mounts = (struct image_mounts){ NULL, 0 };
}

const struct image_mount *image_mounts_on(const struct image_mounts *mounts, const char *path)
{
	for (size_t i = mounts->count; i > 0; i--) {
		if (strcmp(mounts->list[i - 1].path, path) == 0)
			return &mounts->list[i - 1];
	}
	return NULL;
}

bool image_mounts_within(const struct image_mounts *mounts, const char *path)
{
	for (size_t i = 0; i < mounts->count; i++) {
		if (is_below(mounts->list[i].path, path))
			return true;
	}
	return false;
}

static bool is_same_or_below(const char *path, const char *directory)
{
	return strcmp(path, directory) == 0 || is_below(path, directory);
}

bool image_mounts_touch(const struct image_mounts *mounts, const char *top, const char *path)
{
	for (size_t i = 0; i < mounts->count; i++) {
		const char *mounted = mounts->list[i].path;

		if (is_same_or_below(mounted, path) ||
		    (is_same_or_below(mounted, top) && is_below(path, mounted)))
			return true;
	}
	return false;
}
