/* SPDX-License-Identifier: MIT */
#include "backend/native/image_build.h"
#include "backend/native/image_mounts.h"
#include "backend/native/image_walk.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Programs in /usr find settings in /etc, often through links such as
 * /usr/bin/java -> /etc/alternatives/java. Only what is named here is copied, and
 * of that only what everyone may read. What an administrator may have put a
 * password, token or proxy into is not here: gitconfig, npmrc, pip.conf, wgetrc,
 * environment, profile, apt, maven/settings.xml. Nor is the local time: UTC.
 */
struct allowed {
	const char *pattern; /* names in /etc, as fnmatch takes them */
	const char *below;   /* only this in it (slashes allowed); NULL: all of it */
};

static const struct allowed allowed[] = {
	{ "ImageMagick-*", NULL },
	{ "R", NULL },
	{ "X11", "rgb.txt" },
	{ "alpine-release", NULL },
	{ "alternatives", NULL },
	{ "ca-certificates", "extracted" },
	{ "ca-certificates.conf", NULL },
	{ "crypto-policies", NULL },
	{ "debian_version", NULL },
	{ "deluser.conf", NULL },
	{ "adduser.conf", NULL },
	{ "dpkg", "origins" },
	{ "ethertypes", NULL },
	{ "fedora-release", NULL },
	{ "fonts", NULL },
	{ "gai.conf", NULL },
	{ "groff", NULL },
	{ "host.conf", NULL },
	{ "inputrc", NULL },
	{ "issue", NULL },
	{ "java", NULL },
	{ "java-*", NULL },
	{ "ld-musl-*.path", NULL },
	{ "ld.so.cache", NULL },
	{ "ld.so.conf", NULL },
	{ "ld.so.conf.d", NULL },
	{ "locale.alias", NULL },
	{ "locale.conf", NULL },
	{ "login.defs", NULL },
	{ "lsb-release", NULL },
	{ "magic", NULL },
	{ "magic.mime", NULL },
	{ "manpath.config", NULL },
	{ "maven", "logging" },
	{ "maven", "m2.conf" },
	{ "mime.types", NULL },
	{ "networks", NULL },
	{ "os-release", NULL },
	{ "perl", NULL },
	{ "pki", "ca-trust/extracted" },
	{ "pki", "tls/cert.pem" },
	{ "pki", "tls/certs" },
	{ "pki", "tls/openssl.cnf" },
	{ "protocols", NULL },
	{ "python", NULL },
	{ "python3", NULL },
	{ "python3.[0-9]*", NULL },
	{ "redhat-release", NULL },
	{ "rpc", NULL },
	{ "services", NULL },
	{ "sgml", NULL },
	{ "shells", NULL },
	{ "ssl", "cert.pem" },
	{ "ssl", "certs" },
	{ "ssl", "openssl.cnf" },
	{ "system-release", NULL },
	{ "terminfo", NULL },
	{ "vim", NULL },
	{ "xattr.conf", NULL },
	{ "xdg", "user-dirs.defaults" },
	{ "xml", NULL },
};

/* Keys, and what an editor or a package manager left behind of an older file. */
static const char *const never[] = { "private", "*.key", "*.dpkg-*", "*.rpm*", "*~", ".git*" };

/*
 * A directory with many entries (alternatives, certificates) takes milliseconds
 * to copy; as an overlay, like /usr, it costs every sandbox a tenth of one. So a
 * few large ones become overlays, but only as long as nothing in them is what the
 * copier would have left out.
 */
#define LARGE_ENTRIES 32
#define LARGE_BYTES (64 * KIB)

struct copier {
	struct buf *plan;
	const struct image_mounts *mounts; /* below "/" */
	bool has_foreign;		   /* one of them below /etc is not local */
	size_t entries;
	size_t overlays;
	bool is_cut;
	char path[LIMIT_PATH_BYTES]; /* of what is being copied, in the sandbox */
};

/* A tree that is being copied. */
struct tree {
	size_t path_length;
	/* As they were when it began. */
	size_t entries;
	size_t plan_bytes;
};

static bool is_never(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(never); i++) {
		if (fnmatch(never[i], name, 0) == 0)
			return true;
	}
	return false;
}

/* Appends "/name" to the path; false if it gets too long. */
static bool path_descend(struct copier *copier, const char *name)
{
	size_t length = strlen(copier->path);
	size_t room = sizeof(copier->path) - length;
	int added = snprintf(copier->path + length, room, "/%s", name);

	if ((size_t)added < room)
		return true;
	copier->path[length] = '\0';
	return false;
}

static void path_ascend(struct copier *copier)
{
	*strrchr(copier->path, '/') = '\0';
}

static bool is_full(struct copier *copier)
{
	if (copier->entries < LIMIT_HOST_ETC_ENTRIES && copier->plan->length < LIMIT_HOST_ETC_BYTES)
		return false;
	copier->is_cut = true;
	return true;
}

/* The server of another machine that does not answer would hang whoever looks at what
 * copier->path names. */
static bool is_foreign(struct copier *copier)
{
	const struct image_mount *mount;
	char path[sizeof(copier->path) + 1];

	if (!copier->has_foreign)
		return false;
	(void)snprintf(path, sizeof(path), "/%s", copier->path);
	mount = image_mounts_on(copier->mounts, path);
	if (!mount || mount->is_local)
		return false;
	copier->is_cut = true;
	return true;
}

static bool is_open_directory(int parent_fd, const char *name)
{
	const mode_t everyone = S_IROTH | S_IXOTH;
	struct stat status;

	return fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode) && (status.st_mode & everyone) == everyone;
}

/* What is named by copier->path, which the caller ascends from again. */
static int copy_leaf(struct copier *copier, int parent_fd, const char *name, struct error *err)
{
	copier->entries++;
	return image_add_copy_or_link(copier->plan, copier->path, parent_fd, name, err) < 0 ? -1
											    : 0;
}

static int copy_entry(struct copier *copier, struct walk *walk, const struct walk_entry *entry,
		      struct error *err)
{
	int result;

	if (is_never(entry->name) || is_full(copier) || !path_descend(copier, entry->name))
		return 0;
	if (is_foreign(copier)) {
		path_ascend(copier);
		return 0;
	}
	if (entry->is_directory && is_open_directory(entry->parent_fd, entry->name)) {
		copier->entries++;
		if (image_add_directory(copier->plan, copier->path, 0755, err) < 0)
			return -1;
		/* WALK_LEAVE ascends. */
		return walk_enter(walk, entry, err);
	}
	result = entry->is_directory ? 0 : copy_leaf(copier, entry->parent_fd, entry->name, err);
	path_ascend(copier);
	return result;
}

static bool is_for_everyone(const struct walk_entry *entry)
{
	struct stat status;

	if (entry->is_link)
		return true;
	if (entry->is_directory)
		return is_open_directory(entry->parent_fd, entry->name);
	return fstatat(entry->parent_fd, entry->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
}

/* Is everything in the directory `fd` (taken) for everyone to see, and nothing of it by name what
 * is never shown? */
static bool is_public(int fd)
{
	struct walk *walk = walk_create(fd, NULL);
	bool is_all_public = walk != NULL;
	struct walk_entry entry;
	int event;

	while (is_all_public && (event = walk_next(walk, &entry, NULL)) != WALK_FINISH) {
		if (event == WALK_LEAVE)
			continue;
		is_all_public = event == WALK_ENTRY && !is_never(entry.name) &&
				is_for_everyone(&entry) &&
				(!entry.is_directory || walk_enter(walk, &entry, NULL) == 0);
	}
	walk_destroy(walk);
	return is_all_public;
}

static bool is_large(const struct copier *copier, const struct tree *tree)
{
	return copier->entries - tree->entries >= LARGE_ENTRIES ||
	       copier->plan->length - tree->plan_bytes >= LARGE_BYTES;
}

/* 1 if the tree, of which some is copied already, became an overlay instead. */
static int show_instead(struct copier *copier, const struct tree *tree, struct error *err)
{
	char source[LIMIT_PATH_BYTES + 1];
	int fd;

	(void)snprintf(source, sizeof(source), "/%.*s", (int)tree->path_length, copier->path);
	if (copier->overlays == IMAGE_ETC_OVERLAYS ||
	    image_mounts_touch(copier->mounts, "/etc", source))
		return 0;
	fd = open(source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !is_public(fd))
		return 0;
	copier->path[tree->path_length] = '\0';
	copier->overlays++;
	copier->entries = tree->entries;
	copier->plan->length = tree->plan_bytes;
	return image_add_overlay(copier->plan, copier->path, source, err) < 0 ? -1 : 1;
}

static int copy_walk(struct copier *copier, struct walk *walk, const struct tree *tree,
		     struct error *err)
{
	bool is_tried = false;
	struct walk_entry entry;
	int event;

	while ((event = walk_next(walk, &entry, err)) != WALK_FINISH) {
		if (event < 0)
			return -1;
		if (!is_tried && is_large(copier, tree)) {
			int shown = show_instead(copier, tree, err);

			if (shown != 0)
				return shown < 0 ? -1 : 0;
			is_tried = true;
		}
		if (event == WALK_LEAVE)
			path_ascend(copier);
		else if (copy_entry(copier, walk, &entry, err) < 0)
			return -1;
	}
	return 0;
}

/* Everything below the directory that copier->path names. */
static int copy_tree(struct copier *copier, int parent_fd, const char *name, struct error *err)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct tree tree = { strlen(copier->path), copier->entries, copier->plan->length };
	struct walk *walk;
	int result;

	if (fd < 0)
		return 0;
	copier->entries++;
	if (image_add_directory(copier->plan, copier->path, 0755, err) < 0) {
		(void)close(fd);
		return -1;
	}
	walk = walk_create(fd, err);
	if (!walk)
		return -1;
	result = copy_walk(copier, walk, &tree, err);
	walk_destroy(walk);
	return result;
}

/* `name` in the directory that copier->path names: a tree, a link or a file. */
static int copy_named(struct copier *copier, int parent_fd, const char *name, struct error *err)
{
	int result;

	if (is_never(name) || is_full(copier) || !path_descend(copier, name))
		return 0;
	if (is_foreign(copier))
		result = 0;
	else if (is_open_directory(parent_fd, name))
		result = copy_tree(copier, parent_fd, name, err);
	else
		result = copy_leaf(copier, parent_fd, name, err);
	path_ascend(copier);
	return result;
}

/* `name` in the directory that copier->path names, and in that `below`, which may have a
 * slash. The directories on the way are made; one may be made twice. */
static int copy_below(struct copier *copier, int parent_fd, const char *name, const char *below,
		      struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char next[LIMIT_NAME_BYTES + 1];

	for (;;) {
		size_t length = strcspn(below, "/");
		int inner_fd;

		if (!path_descend(copier, name) || is_foreign(copier))
			return 0;
		inner_fd = openat(fd < 0 ? parent_fd : fd, name,
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		cleanup_fd(&fd);
		if (inner_fd < 0)
			return 0;
		fd = inner_fd;
		if (image_add_directory(copier->plan, copier->path, 0755, err) < 0)
			return -1;
		(void)snprintf(next, sizeof(next), "%.*s", (int)length, below);
		if (below[length] == '\0')
			return copy_named(copier, fd, next, err);
		name = next;
		below += length + 1;
	}
}

static int copy_allowed(struct copier *copier, int etc_fd, const char *name, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++) {
		const struct allowed *row = &allowed[i];
		int result;

		/* None begins with a wildcard. */
		if (row->pattern[0] != name[0] || fnmatch(row->pattern, name, 0) != 0)
			continue;
		(void)snprintf(copier->path, sizeof(copier->path), "etc");
		if (row->below)
			result = copy_below(copier, etc_fd, name, row->below, err);
		else
			result = copy_named(copier, etc_fd, name, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static bool has_foreign(const struct image_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		if (!mounts->list[i].is_local &&
		    (strcmp(mounts->list[i].path, "/etc") == 0 ||
		     strncmp(mounts->list[i].path, "/etc/", strlen("/etc/")) == 0))
			return true;
	}
	return false;
}

int image_etc(struct buf *plan, const struct image_mounts *mounts, bool *is_cut, struct error *err)
{
	struct copier copier = {
		.plan = plan, .mounts = mounts, .has_foreign = has_foreign(mounts), .path = "etc"
	};
	struct dirent *found;
	int result = 0;
	DIR *etc;

	*is_cut = is_foreign(&copier);
	if (*is_cut)
		return 0;
	etc = opendir("/etc");
	if (!etc && errno == ENOENT)
		return 0;
	if (!etc)
		return error_set_errno(err, "listing /etc");
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (result == 0 && (found = readdir(etc)))
		result = copy_allowed(&copier, dirfd(etc), found->d_name, err);
	(void)closedir(etc);
	*is_cut = copier.is_cut;
	return result;
}
