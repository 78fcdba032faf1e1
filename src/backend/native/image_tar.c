/* SPDX-License-Identifier: MIT */
#include "backend/native/image_tar.h"

#include "backend/native/image_build.h"
#include "backend/native/image_cache.h"
#include "backend/native/image_unpack.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/limits.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES (64 * KIB)
#define REPORT_EVERY_BYTES (32 * MIB)

/* The file that is read: through libarchive, whose callback this is, or just hashed. */
struct source {
	const struct image_request *request;
	const char *doing; /* "Unpacking", for progress */
	int fd;
	uint64_t total_bytes;
	uint64_t read_bytes;
	struct hash *hash;
	bool is_cancelled;
	char block[READ_BYTES];
};

static void report(const struct source *source)
{
	const struct backend_progress *progress = source->request->progress;
	char message[256];

	if (!progress || source->read_bytes % REPORT_EVERY_BYTES >= READ_BYTES)
		return;
	(void)snprintf(message, sizeof(message), "%s %.100s: %llu of %llu MB", source->doing,
		       source->request->name, source->read_bytes / MIB, source->total_bytes / MIB);
	progress->report(progress->context, message);
}

/* The next bytes of the file in source->block: how many, 0 at its end, -1. */
static ssize_t read_block(struct source *source)
{
	ssize_t got;

	if (cancel_is_raised(source->request->cancel)) {
		source->is_cancelled = true;
		errno = ECANCELED;
		return -1;
	}
	do
		got = read(source->fd, source->block, sizeof(source->block));
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		hash_update(source->hash, source->block, (size_t)got);
		source->read_bytes += (uint64_t)got;
		report(source);
	}
	return got;
}

static ssize_t on_read(struct archive *archive, void *context, const void **block)
{
	struct source *source = context;
	ssize_t got = read_block(source);

	*block = source->block;
	if (got < 0)
		archive_set_error(archive, errno, "reading the file failed");
	return got;
}

static int read_failed(const struct source *source, struct error *err)
{
	if (source->is_cancelled)
		return error_set(err, ERROR_CANCELLED, "reading --image %.200s",
				 source->request->name);
	return error_set_kind_errno(err, ERROR_CONFIG, "reading --image %.200s",
				    source->request->name);
}

/* Reads on to the end and gives the digest of all; frees the hash. */
static int finish_hash(struct source *source, char digest[HASH_HEX_BYTES], struct error *err)
{
	unsigned char binary[HASH_BYTES];
	ssize_t got;

	while ((got = read_block(source)) > 0)
		;
	hash_finish(TAKE_PTR(source->hash), binary);
	if (got < 0)
		return read_failed(source, err);
	hex_encode(digest, binary, sizeof(binary));
	return 0;
}

static struct source *open_source(const struct image_request *request, struct stat *status,
				  struct error *err)
{
	int fd = open(request->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct source *source;

	if (fd < 0 || fstat(fd, status) < 0 || !S_ISREG(status->st_mode)) {
		error_set_kind_errno(err, ERROR_CONFIG, "opening --image %.200s", request->name);
		cleanup_fd(&fd);
		return NULL;
	}
	source = alloc_zeroed(sizeof(*source));
	source->request = request;
	source->fd = fd;
	source->total_bytes = (uint64_t)status->st_size;
	source->hash = hash_create();
	return source;
}

static void close_source(struct source *source)
{
	cleanup_fd(&source->fd);
	if (source->hash)
		hash_finish(source->hash, NULL);
	free(source);
}

static int archive_failed(struct archive *archive, const struct source *source, struct error *err)
{
	CLEANUP(buf_finish) struct buf why = BUF_INIT(LIMIT_LOG_FIELD_BYTES);
	const char *text = archive_error_string(archive);

	if (source->is_cancelled)
		return read_failed(source, err);
	text = text ? text : "unknown reason";
	/* It may quote the archive. */
	(void)escape_append(&why, text, strlen(text), 160, ESCAPE_TEXT);
	return error_set(err, ERROR_CONFIG,
			 "--image %.150s cannot be read as a tar (plain, gzip or zstd): %.*s",
			 source->request->name, (int)why.length, why.length ? why.data : "");
}

/* Only these: what libarchive can read otherwise is not needed, and was its weak side. */
static int set_formats(struct archive *archive)
{
	/* Not OK, but a warning, where libarchive would run a program instead. */
	if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(archive) != ARCHIVE_OK)
		return -1;
	return archive_read_support_format_tar(archive) == ARCHIVE_OK ? 0 : -1;
}

static enum unpack_kind kind_of(struct archive_entry *entry)
{
	static const struct {
		__LA_MODE_T type;
		enum unpack_kind kind;
	} kinds[] = {
		{ AE_IFREG, UNPACK_FILE },
		{ AE_IFDIR, UNPACK_DIRECTORY },
		{ AE_IFLNK, UNPACK_SYMLINK },
	};

	if (archive_entry_hardlink(entry))
		return UNPACK_HARD_LINK;
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (archive_entry_filetype(entry) == kinds[i].type)
			return kinds[i].kind;
	}
	return UNPACK_OTHER;
}

/* What `docker save` and OCI tools write holds layers, not files. */
static int refuse_layers(const char *name, const struct source *source, struct error *err)
{
	static const char layer[] = "/layer.tar";
	size_t length;
	bool is_layers;

	name += strncmp(name, "./", 2) == 0 ? 2 : 0;
	length = strlen(name);
	is_layers = strcmp(name, "oci-layout") == 0 || strncmp(name, "blobs/sha256/", 13) == 0 ||
		    (length == 64 + strlen(layer) && strcmp(name + 64, layer) == 0);
	if (!is_layers)
		return 0;
	return error_set(err, ERROR_CONFIG,
			 "--image %.150s is an image archive (docker save, OCI), not a root file "
			 "system. Make one: docker create --name x IMAGE && docker export x > "
			 "root.tar",
			 source->request->name);
}

static int add_entry(struct unpack *unpack, struct archive_entry *found,
		     const struct source *source, struct error *err)
{
	struct unpack_entry entry = {
		.kind = kind_of(found),
		.name = archive_entry_pathname(found),
		.mode = archive_entry_perm(found),
		.uid = archive_entry_uid(found),
		.gid = archive_entry_gid(found),
		.bytes = archive_entry_size(found),
		.modified = { archive_entry_mtime(found), archive_entry_mtime_nsec(found) },
	};

	if (entry.kind == UNPACK_HARD_LINK)
		entry.target = archive_entry_hardlink(found);
	if (entry.kind == UNPACK_SYMLINK)
		entry.target = archive_entry_symlink(found);
	if (!entry.name)
		return error_set(err, ERROR_CONFIG,
				 "--image %.150s has an entry whose name is not valid UTF-8",
				 source->request->name);
	if (refuse_layers(entry.name, source, err) < 0)
		return -1;
	return unpack_add(unpack, &entry, err);
}

static int write_data(struct archive *archive, struct unpack *unpack, const struct source *source,
		      struct error *err)
{
	for (;;) {
		const void *block;
		size_t bytes;
		la_int64_t offset;
		int result = archive_read_data_block(archive, &block, &bytes, &offset);

		if (result == ARCHIVE_EOF)
			return 0;
		if (result < ARCHIVE_WARN)
			return archive_failed(archive, source, err);
		if (bytes > 0 && unpack_write(unpack, block, bytes, offset, err) < 0)
			return -1;
	}
}

static int read_entries(struct archive *archive, struct unpack *unpack, const struct source *source,
			struct error *err)
{
	struct archive_entry *entry;
	int result;

	while ((result = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		if (result < ARCHIVE_WARN)
			return archive_failed(archive, source, err);
		if (add_entry(unpack, entry, source, err) < 0 ||
		    write_data(archive, unpack, source, err) < 0)
			return -1;
	}
	return unpack_finish(unpack, err);
}

static int unpack_source(struct source *source, int target_fd, struct error *err)
{
	const struct unpack_limits limits = { LIMIT_IMAGE_ENTRIES, LIMIT_IMAGE_BYTES };
	struct unpack *unpack = unpack_create(target_fd, &limits);
	struct archive *archive = archive_read_new();
	int result = -1;

	if (!archive || set_formats(archive) < 0)
		(void)error_set(err, ERROR_UNAVAILABLE,
				"libarchive on this machine reads no gzip or zstd");
	else if (archive_read_open(archive, source, NULL, on_read, NULL) != ARCHIVE_OK)
		(void)archive_failed(archive, source, err);
	else
		result = read_entries(archive, unpack, source, err);
	(void)archive_read_free(archive);
	unpack_destroy(unpack);
	return result;
}

/* What a thread in the C locale gets for a name outside ASCII depends on libarchive's version. */
static int unpack_in_utf8(struct source *source, int target_fd, struct error *err)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	int result = unpack_source(source, target_fd, err);

	if (utf8) {
		(void)uselocale(before);
		freelocale(utf8);
	}
	return result;
}

static int fill_cache(struct image_cache *cache, const struct image_request *request,
		      const char *digest, struct error *err)
{
	char unpacked[HASH_HEX_BYTES];
	CLEANUP(cleanup_fd) int target_fd = image_cache_begin(cache, err);
	struct source *source;
	struct stat status;
	int result;

	if (target_fd < 0)
		return -1;
	source = open_source(request, &status, err);
	if (!source)
		return -1;
	source->doing = "Unpacking";
	result = unpack_in_utf8(source, target_fd, err);
	if (result == 0)
		result = finish_hash(source, unpacked, err);
	close_source(source);
	if (result == 0 && strcmp(unpacked, digest) != 0)
		result = error_set(err, ERROR_CONFIG,
				   "--image %.200s changed while it was being unpacked; try again",
				   request->name);
	if (result < 0 || image_check_root(target_fd, request->name, err) < 0)
		return -1;
	return image_cache_commit(cache, err);
}

static int find_digest(struct image_cache *cache, const struct image_request *request,
		       char digest[HASH_HEX_BYTES], struct error *err)
{
	struct stat status;
	struct source *source = open_source(request, &status, err);
	int result = 0;

	if (!source)
		return -1;
	source->doing = "Reading";
	if (!image_cache_recall(cache, &status, digest)) {
		result = finish_hash(source, digest, err);
		if (result == 0)
			image_cache_remember(cache, &status, digest);
	}
	close_source(source);
	return result;
}

int image_tar_unpack(const struct image_request *request, char **directory, struct error *err)
{
	struct image_cache *cache = image_cache_create(err);
	char digest[HASH_HEX_BYTES];
	int result;

	if (!cache)
		return -1;
	result = find_digest(cache, request, digest, err);
	if (result == 0)
		result = image_cache_lock(cache, digest, request->cancel, err);
	if (result == 0) {
		result = fill_cache(cache, request, digest, err);
		if (result < 0)
			image_cache_abandon(cache);
	}
	if (result >= 0)
		*directory = image_cache_path(cache);
	image_cache_destroy(cache);
	return result < 0 ? -1 : 0;
}
