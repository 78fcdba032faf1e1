/* SPDX-License-Identifier: MIT */
#include "backend/native/image_cache.h"

#include "backend/native/image_walk.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define LOCK_RETRY_MS 50
/* A file that changed this shortly before it was hashed might change again within the same
 * tick of its file system's clock, and look the same. */
#define SETTLED_SECONDS 3

#define SUFFIX_BYTES 16
#define PARTIAL_SUFFIX ".partial"
#define LOCK_SUFFIX ".lock"

struct image_cache {
	char *path;
	int directory_fd;
	int lock_fd;
	char digest[HASH_HEX_BYTES];
};

static char *cache_path(struct error *err)
{
	/* Nothing in this program changes the environment. NOLINTBEGIN(concurrency-mt-unsafe) */
	const char *base = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	/* NOLINTEND(concurrency-mt-unsafe) */

	if (base && base[0] == '/')
		return alloc_printf("%s/kilntainers/images", base);
	if (geteuid() == 0)
		return alloc_string("/var/cache/kilntainers/images");
	if (home && home[0] == '/')
		return alloc_printf("%s/.cache/kilntainers/images", home);
	error_set(err, ERROR_CONFIG,
		  "there is no place to unpack an image into: neither XDG_CACHE_HOME nor HOME is "
		  "set to an absolute path");
	return NULL;
}

static int make_directories(const char *path, struct error *err)
{
	if (path_make_directories(path) == 0)
		return 0;
	return error_set_kind_errno(err, ERROR_CONFIG,
				    "making the directory %.200s for unpacked images "
				    "(XDG_CACHE_HOME may name another place)",
				    path);
}

static int open_private(const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "opening %.200s", path);
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return error_set(
			err, ERROR_CONFIG,
			"others may enter %.200s, where images are unpacked; run: chown %u "
			"and chmod 700 on it",
			path, geteuid());
	return take_fd(&fd);
}

/* Takes `path`. */
static struct image_cache *open_cache(char *path, struct error *err)
{
	int fd = open_private(path, err);
	struct image_cache *cache;

	if (fd < 0) {
		free(path);
		return NULL;
	}
	cache = alloc_zeroed(sizeof(*cache));
	cache->path = path;
	cache->directory_fd = fd;
	cache->lock_fd = -1;
	return cache;
}

struct image_cache *image_cache_create(struct error *err)
{
	char *path = cache_path(err);

	if (!path || make_directories(path, err) < 0) {
		free(path);
		return NULL;
	}
	return open_cache(path, err);
}

struct image_cache *image_cache_find(void)
{
	char *path = cache_path(NULL);

	return path ? open_cache(path, NULL) : NULL;
}

void image_cache_destroy(struct image_cache *cache)
{
	if (!cache)
		return;
	cleanup_fd(&cache->lock_fd);
	cleanup_fd(&cache->directory_fd);
	free(cache->path);
	free(cache);
}

static void seen_name(const struct stat *file, char name[sizeof("seen-") + HASH_HEX_BYTES])
{
	char hash[HASH_HEX_BYTES];
	const int64_t facts[] = {
		(int64_t)file->st_dev, (int64_t)file->st_ino, file->st_size,
		file->st_mtim.tv_sec,  file->st_mtim.tv_nsec, file->st_ctim.tv_sec,
		file->st_ctim.tv_nsec,
	};

	hash_hex(hash, facts, sizeof(facts));
	(void)snprintf(name, sizeof("seen-") + HASH_HEX_BYTES, "seen-%s", hash);
}

static bool is_digest(const char *text)
{
	return strspn(text, "0123456789abcdef") == HASH_HEX_BYTES - 1 &&
	       text[HASH_HEX_BYTES - 1] == '\0';
}

bool image_cache_recall(struct image_cache *cache, const struct stat *file,
			char digest[HASH_HEX_BYTES])
{
	char name[sizeof("seen-") + HASH_HEX_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;

	seen_name(file, name);
	fd = openat(cache->directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fd_read_full(fd, digest, HASH_HEX_BYTES - 1, NULL) != HASH_HEX_BYTES - 1)
		return false;
	digest[HASH_HEX_BYTES - 1] = '\0';
	return is_digest(digest);
}

void image_cache_remember(struct image_cache *cache, const struct stat *file,
			  const char digest[HASH_HEX_BYTES])
{
	char name[sizeof("seen-") + HASH_HEX_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (file->st_ctim.tv_sec + SETTLED_SECONDS > now.tv_sec)
		return;
	seen_name(file, name);
	/* A short write is a wrong length, which recall ignores. */
	fd = openat(cache->directory_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)fd_write_all(fd, digest, HASH_HEX_BYTES - 1, NULL);
}

static int wait_for_lock(int fd, const struct cancel *cancel, struct error *err)
{
	struct pollfd waiting = { .fd = cancel ? cancel->fd : -1, .events = POLLIN };

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set_errno(err, "locking an image that is being unpacked");
		(void)poll(&waiting, 1, LOCK_RETRY_MS);
		if (cancel_is_raised(cancel))
			return error_set(err, ERROR_CANCELLED,
					 "waiting for another server that unpacks the image");
	}
	return 0;
}

static void name_with(const struct image_cache *cache, const char *suffix,
		      char name[HASH_HEX_BYTES + SUFFIX_BYTES])
{
	(void)snprintf(name, HASH_HEX_BYTES + SUFFIX_BYTES, "%s%s", cache->digest, suffix);
}

static int open_lock(const struct image_cache *cache, const char *name)
{
	return openat(cache->directory_fd, name,
		      O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

int image_cache_lock(struct image_cache *cache, const char *digest, const struct cancel *cancel,
		     struct error *err)
{
	char name[HASH_HEX_BYTES + SUFFIX_BYTES];
	struct stat status;

	(void)snprintf(cache->digest, sizeof(cache->digest), "%s", digest);
	name_with(cache, LOCK_SUFFIX, name);
	cleanup_fd(&cache->lock_fd);
	cache->lock_fd = open_lock(cache, name);
	if (cache->lock_fd < 0)
		return error_set_errno(err, "opening %s in %.200s", name, cache->path);
	if (wait_for_lock(cache->lock_fd, cancel, err) < 0)
		return -1;
	return fstatat(cache->directory_fd, digest, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

/* --- what the dead left ------------------------------------------------------------ */

static bool is_partial(const char *name)
{
	return strspn(name, "0123456789abcdef") == HASH_HEX_BYTES - 1 &&
	       strcmp(name + HASH_HEX_BYTES - 1, PARTIAL_SUFFIX) == 0;
}

static void sweep_partial(const struct image_cache *cache, const char *name,
			  const struct image_cache_visitor *visitor)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s/%s", cache->path, name);
	char lock[HASH_HEX_BYTES + SUFFIX_BYTES];
	CLEANUP(cleanup_fd) int lock_fd = -1;
	struct error err = ERROR_INIT;
	bool is_in_use;

	(void)snprintf(lock, sizeof(lock), "%.*s" LOCK_SUFFIX, HASH_HEX_BYTES - 1, name);
	lock_fd = open_lock(cache, lock);
	is_in_use = lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) < 0;
	if (visitor->found(visitor->context, path, is_in_use) && !is_in_use)
		(void)walk_remove(cache->directory_fd, name, &err);
	if (!is_in_use)
		visitor->removed(visitor->context, path, &err);
}

void image_cache_sweep(struct image_cache *cache, const struct image_cache_visitor *visitor)
{
	int fd = openat(cache->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!stream) {
		cleanup_fd(&fd);
		return;
	}
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((entry = readdir(stream))) {
		if (is_partial(entry->d_name))
			sweep_partial(cache, entry->d_name, visitor);
	}
	(void)closedir(stream);
}

static bool may_go(void *context, const char *path, bool is_in_use)
{
	(void)context;
	(void)path;
	return !is_in_use;
}

static void log_removal(void *context, const char *path, const struct error *err)
{
	(void)context;
	if (err->kind == ERROR_NONE)
		log_event(LOG_INFO, "leftover_removed", LOG_STRING("what", path),
			  LOG_STRING("reason", "whoever unpacked it is dead"));
}

/* --- unpacking ------------------------------------------------------------------------ */

int image_cache_begin(struct image_cache *cache, struct error *err)
{
	static const struct image_cache_visitor visitor = { may_go, log_removal, NULL };
	char name[HASH_HEX_BYTES + SUFFIX_BYTES];
	int fd;

	/* Its space may be needed now. */
	image_cache_sweep(cache, &visitor);
	name_with(cache, PARTIAL_SUFFIX, name);
	if (walk_remove(cache->directory_fd, name, err) < 0)
		return error_wrap(err, "removing the half of an image in %.200s", cache->path);
	if (mkdirat(cache->directory_fd, name, 0755) < 0)
		return error_set_errno(err, "making %s in %.200s", name, cache->path);
	fd = openat(cache->directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever the umask: the sandbox's users walk through it. */
	if (fd < 0 || fchmod(fd, 0755) < 0) {
		error_set_errno(err, "opening %s in %.200s", name, cache->path);
		cleanup_fd(&fd);
		return -1;
	}
	return fd;
}

int image_cache_commit(struct image_cache *cache, struct error *err)
{
	char name[HASH_HEX_BYTES + SUFFIX_BYTES];

	/* Before the name says that it is whole, its bytes are on the disk. */
	if (syncfs(cache->directory_fd) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "writing the image to disk");
	name_with(cache, PARTIAL_SUFFIX, name);
	if (renameat(cache->directory_fd, name, cache->directory_fd, cache->digest) < 0)
		return error_set_errno(err, "renaming %s in %.200s", name, cache->path);
	return 0;
}

void image_cache_abandon(struct image_cache *cache)
{
	char name[HASH_HEX_BYTES + SUFFIX_BYTES];

	name_with(cache, PARTIAL_SUFFIX, name);
	(void)walk_remove(cache->directory_fd, name, NULL);
}

char *image_cache_path(const struct image_cache *cache)
{
	return alloc_printf("%s/%s", cache->path, cache->digest);
}
