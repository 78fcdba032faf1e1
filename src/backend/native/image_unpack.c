/* SPDX-License-Identifier: MIT */
#include "backend/native/image_unpack.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* What a sandbox maps is 0 to 65535; this is its "nobody". */
#define UNPACK_MAX_ID 65535
#define UNPACK_NOBODY 65534

struct unpack {
	int root_fd;
	bool keeps_owners;
	struct unpack_limits left;
	/* The directory that the last entry went into: most follow each other in one. */
	int parent_fd;
	char parent[LIMIT_IMAGE_PATH_BYTES];
	/* The file that is being written. */
	int file_fd;
	struct unpack_entry file; /* its name and target are not kept */
};

/* A name in an archive, checked and taken apart. */
struct inner_name {
	char parent[LIMIT_IMAGE_PATH_BYTES]; /* "usr/lib"; "" for the top */
	char last[LIMIT_NAME_BYTES + 1];     /* "libc.so"; "" for the top itself */
};

static int bad_name(const char *name, const char *why, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = BUF_INIT(LIMIT_LOG_FIELD_BYTES);

	(void)escape_append(&text, name, strlen(name), 120, ESCAPE_TEXT);
	return error_set(err, ERROR_CONFIG, "the archive's entry \"%.*s\" %s", (int)text.length,
			 text.length ? text.data : "", why);
}

/* No name that is appended to gets longer than the entry's own. */
static void append_component(struct inner_name *inner, const char *name)
{
	size_t length = strlen(inner->parent);

	if (inner->last[0] != '\0')
		(void)snprintf(inner->parent + length, sizeof(inner->parent) - length, "%s%s",
			       length > 0 ? "/" : "", inner->last);
	(void)snprintf(inner->last, sizeof(inner->last), "%s", name);
}

/* "./usr//lib/" is usr/lib; there is no way up and no way out. */
static int parse_name(const char *name, struct inner_name *inner, struct error *err)
{
	const char *at = name;
	int depth = 0;

	inner->parent[0] = '\0';
	inner->last[0] = '\0';
	if (name[0] == '\0')
		return bad_name(name, "has no name", err);
	if (name[0] == '/')
		return bad_name(name, "has an absolute name", err);
	if (strlen(name) >= LIMIT_IMAGE_PATH_BYTES)
		return bad_name(name, "has too long a name", err);
	while (*at != '\0') {
		char component[LIMIT_NAME_BYTES + 1];
		size_t length = strcspn(at, "/");

		if (length > LIMIT_NAME_BYTES)
			return bad_name(name, "has too long a name", err);
		(void)snprintf(component, sizeof(component), "%.*s", (int)length, at);
		at += length + (at[length] == '/');
		if (length == 0 || strcmp(component, ".") == 0)
			continue;
		if (strcmp(component, "..") == 0)
			return bad_name(name, "has \"..\" in its name", err);
		if (++depth >= LIMIT_TREE_DEPTH)
			return bad_name(name, "has too long a name", err);
		append_component(inner, component);
	}
	return 0;
}

struct unpack *unpack_create(int directory_fd, const struct unpack_limits *limits)
{
	struct unpack *unpack = alloc_zeroed(sizeof(*unpack));

	unpack->root_fd = directory_fd;
	unpack->keeps_owners = geteuid() == 0;
	unpack->left = *limits;
	unpack->parent_fd = -1;
	unpack->file_fd = -1;
	return unpack;
}

void unpack_destroy(struct unpack *unpack)
{
	if (!unpack)
		return;
	cleanup_fd(&unpack->file_fd);
	cleanup_fd(&unpack->parent_fd);
	free(unpack);
}

/* Opens one directory below `fd`, made if it is missing. ELOOP or ENOTDIR: it is a link. */
static int step_into(int fd, const char *component)
{
	int inner_fd = path_open_beneath(fd, component, O_PATH | O_DIRECTORY, 0);

	if (inner_fd >= 0 || errno != ENOENT)
		return inner_fd;
	/* The mode again, because of the umask. */
	if (mkdirat(fd, component, 0755) < 0 || fchmodat(fd, component, 0755, 0) < 0)
		return -1;
	return path_open_beneath(fd, component, O_PATH | O_DIRECTORY, 0);
}

static int make_parents(int root_fd, const char *parent)
{
	int fd = path_open_beneath(root_fd, ".", O_PATH | O_DIRECTORY, 0);

	while (fd >= 0 && *parent != '\0') {
		char component[LIMIT_NAME_BYTES + 1];
		size_t length = strcspn(parent, "/");
		int inner_fd;

		(void)snprintf(component, sizeof(component), "%.*s", (int)length, parent);
		parent += length + (parent[length] == '/');
		inner_fd = step_into(fd, component);
		cleanup_fd(&fd);
		fd = inner_fd;
	}
	return fd;
}

static int open_existing(const struct unpack *unpack, const struct inner_name *inner)
{
	return path_open_beneath(unpack->root_fd, inner->parent[0] ? inner->parent : ".",
				 O_PATH | O_DIRECTORY, 0);
}

/* The directory that `inner` goes into, borrowed until the next call. */
static int open_parent(struct unpack *unpack, const struct inner_name *inner, const char *name,
		       struct error *err)
{
	if (unpack->parent_fd >= 0 && strcmp(unpack->parent, inner->parent) == 0)
		return unpack->parent_fd;
	cleanup_fd(&unpack->parent_fd);
	unpack->parent_fd = open_existing(unpack, inner);
	if (unpack->parent_fd < 0 && errno == ENOENT)
		unpack->parent_fd = make_parents(unpack->root_fd, inner->parent);
	if (unpack->parent_fd < 0 && (errno == ELOOP || errno == ENOTDIR || errno == EXDEV))
		return bad_name(name, "goes through something that is not a directory", err);
	if (unpack->parent_fd < 0)
		return error_set_errno(err, "unpacking below %s", inner->parent);
	(void)snprintf(unpack->parent, sizeof(unpack->parent), "%s", inner->parent);
	return unpack->parent_fd;
}

/* An earlier entry of this name gives way. */
static int remove_existing(int parent_fd, const struct inner_name *inner, const char *name,
			   struct error *err)
{
	if (unlinkat(parent_fd, inner->last, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR && unlinkat(parent_fd, inner->last, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == ENOTEMPTY)
		return bad_name(name, "would replace a directory that is not empty", err);
	return error_set_errno(err, "replacing %s", inner->last);
}

static uint32_t owner_id(int64_t id)
{
	return id < 0 || id > UNPACK_MAX_ID ? UNPACK_NOBODY : (uint32_t)id;
}

static int set_owner(const struct unpack *unpack, int fd, const char *name,
		     const struct unpack_entry *entry, struct error *err)
{
	int flags = name[0] == '\0' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;

	if (!unpack->keeps_owners)
		return 0;
	/* EINVAL: root of a user namespace that has no such id. */
	if (fchownat(fd, name, owner_id(entry->uid), owner_id(entry->gid), flags) < 0 &&
	    errno != EINVAL)
		return error_set_errno(err, "setting the owner of an unpacked file");
	return 0;
}

static int add_directory(struct unpack *unpack, int parent_fd, const struct inner_name *inner,
			 const struct unpack_entry *entry, struct error *err)
{
	mode_t mode = (entry->mode & 01777) | S_IRWXU;
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat status;

	if (fstatat(parent_fd, inner->last, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(status.st_mode) && remove_existing(parent_fd, inner, entry->name, err) < 0)
		return -1;
	if (mkdirat(parent_fd, inner->last, S_IRWXU) < 0 && errno != EEXIST)
		return error_set_errno(err, "making the directory %s", inner->last);
	fd = openat(parent_fd, inner->last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "opening the directory %s", inner->last);
	if (set_owner(unpack, fd, "", entry, err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return error_set_errno(err, "setting the mode of %s", inner->last);
	return 0;
}

static int add_symlink(struct unpack *unpack, int parent_fd, const struct inner_name *inner,
		       const struct unpack_entry *entry, struct error *err)
{
	struct timespec times[2] = { entry->modified, entry->modified };

	if (!entry->target || entry->target[0] == '\0' || strlen(entry->target) >= LIMIT_PATH_BYTES)
		return bad_name(entry->name, "is a link without a usable target", err);
	if (symlinkat(entry->target, parent_fd, inner->last) < 0)
		return error_set_errno(err, "making the link %s", inner->last);
	(void)utimensat(parent_fd, inner->last, times, AT_SYMLINK_NOFOLLOW);
	return set_owner(unpack, parent_fd, inner->last, entry, err);
}

/* Only to a file that this archive brought: everything below the root is its own. */
static int add_hard_link(struct unpack *unpack, const struct inner_name *inner,
			 const struct unpack_entry *entry, struct error *err)
{
	CLEANUP(cleanup_fd) int target_fd = -1;
	struct inner_name target;
	struct stat status, existing;
	int parent_fd;

	if (!entry->target || parse_name(entry->target, &target, err) < 0)
		return bad_name(entry->name, "is a hard link to a name that it may not have", err);
	target_fd = open_existing(unpack, &target);
	if (target_fd < 0 || fstatat(target_fd, target.last, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !(S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)))
		return bad_name(entry->name,
				"is a hard link to something that is not a file of "
				"the archive before it",
				err);
	parent_fd = open_parent(unpack, inner, entry->name, err);
	if (parent_fd < 0)
		return -1;
	if (fstatat(parent_fd, inner->last, &existing, AT_SYMLINK_NOFOLLOW) == 0) {
		if (existing.st_ino == status.st_ino && existing.st_dev == status.st_dev)
			return 0;
		if (remove_existing(parent_fd, inner, entry->name, err) < 0)
			return -1;
	}
	if (linkat(target_fd, target.last, parent_fd, inner->last, 0) < 0)
		return error_set_errno(err, "making the hard link %s", inner->last);
	return 0;
}

static int add_file(struct unpack *unpack, int parent_fd, const struct inner_name *inner,
		    const struct unpack_entry *entry, struct error *err)
{
	if (entry->bytes < 0 || (uint64_t)entry->bytes > unpack->left.bytes)
		return error_set(err, ERROR_CONFIG,
				 "the archive holds more bytes than an image may have");
	unpack->left.bytes -= (uint64_t)entry->bytes;
	unpack->file_fd = openat(parent_fd, inner->last,
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (unpack->file_fd < 0)
		return error_set_errno(err, "making the file %s", inner->last);
	unpack->file = *entry;
	unpack->file.name = NULL;
	unpack->file.target = NULL;
	return 0;
}

/* Links and files: what was there before gives way. */
static int add_leaf(struct unpack *unpack, const struct inner_name *inner,
		    const struct unpack_entry *entry, struct error *err)
{
	int parent_fd = open_parent(unpack, inner, entry->name, err);

	if (parent_fd < 0 || remove_existing(parent_fd, inner, entry->name, err) < 0)
		return -1;
	if (entry->kind == UNPACK_SYMLINK)
		return add_symlink(unpack, parent_fd, inner, entry, err);
	return add_file(unpack, parent_fd, inner, entry, err);
}

int unpack_add(struct unpack *unpack, const struct unpack_entry *entry, struct error *err)
{
	struct inner_name inner;
	int parent_fd;

	if (unpack_finish(unpack, err) < 0 || parse_name(entry->name, &inner, err) < 0)
		return -1;
	if (unpack->left.entries-- == 0) {
		unpack->left.entries = 0;
		return error_set(err, ERROR_CONFIG,
				 "the archive holds more entries than an image may have");
	}
	/* The top is there already, whatever the archive says of it. */
	if (inner.last[0] == '\0' || entry->kind == UNPACK_OTHER)
		return 0;
	switch (entry->kind) {
	case UNPACK_DIRECTORY:
		parent_fd = open_parent(unpack, &inner, entry->name, err);
		return parent_fd < 0 ? -1 : add_directory(unpack, parent_fd, &inner, entry, err);
	case UNPACK_HARD_LINK:
		return add_hard_link(unpack, &inner, entry, err);
	case UNPACK_FILE:
	case UNPACK_SYMLINK:
	case UNPACK_OTHER:
		break;
	}
	return add_leaf(unpack, &inner, entry, err);
}

int unpack_write(struct unpack *unpack, const void *data, size_t bytes, int64_t offset,
		 struct error *err)
{
	const char *at = data;

	if (unpack->file_fd < 0)
		return 0;
	if (offset < 0 || offset > unpack->file.bytes ||
	    bytes > (uint64_t)(unpack->file.bytes - offset))
		return error_set(err, ERROR_CONFIG,
				 "the archive has more data for a file than the file is long");
	while (bytes > 0) {
		ssize_t written = pwrite(unpack->file_fd, at, bytes, offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return error_set_kind_errno(err, ERROR_UNAVAILABLE,
						    "writing an unpacked file");
		at += written;
		bytes -= (size_t)written;
		offset += written;
	}
	return 0;
}

int unpack_finish(struct unpack *unpack, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = take_fd(&unpack->file_fd);
	struct timespec times[2] = { unpack->file.modified, unpack->file.modified };

	if (fd < 0)
		return 0;
	/* The last hole of a sparse file has no data to write. */
	if (ftruncate(fd, unpack->file.bytes) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "sizing an unpacked file");
	if (set_owner(unpack, fd, "", &unpack->file, err) < 0)
		return -1;
	if (fchmod(fd, unpack->file.mode & 0777) < 0)
		return error_set_errno(err, "setting the mode of an unpacked file");
	/* Python checks its compiled modules against it. A time that the file system cannot
	 * hold is not worth failing for. */
	(void)futimens(fd, times);
	return 0;
}
