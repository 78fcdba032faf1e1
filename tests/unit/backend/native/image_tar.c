/* SPDX-License-Identifier: MIT */

/* Directories and tars as images, from what the user names to the plan. */

#include "backend/native/image.h"
#include "backend/native/image_cache.h"
#include "backend/native/image_walk.h"
#include "base/hash.h"
#include "plan_check.h"

#include "tests/unit/unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char place[64];
static char tar_path[96];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(place, sizeof(place), "/tmp/kilntainers-tar-XXXXXX");
	if (!mkdtemp(place))
		return -1;
	(void)snprintf(tar_path, sizeof(tar_path), "%s/image.tar", place);
	return setenv("XDG_CACHE_HOME", place, 1);
}

static int tear_down(void **state)
{
	(void)state;
	return walk_remove(AT_FDCWD, place, NULL);
}

static struct archive *begin_tar(int (*add_filter)(struct archive *))
{
	struct archive *tar = archive_write_new();

	assert_non_null(tar);
	assert_int_equal(archive_write_set_format_pax_restricted(tar), ARCHIVE_OK);
	assert_int_equal(add_filter(tar), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(tar, tar_path), ARCHIVE_OK);
	return tar;
}

static void end_tar(struct archive *tar)
{
	assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
	assert_int_equal(archive_write_free(tar), ARCHIVE_OK);
}

static void add_entry(struct archive *tar, const char *name, unsigned type, const char *text)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_mtime(entry, 1000000000, 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(entry, text);
	else
		archive_entry_set_size(entry, (la_int64_t)strlen(text));
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	if (type == AE_IFREG)
		assert_int_equal(archive_write_data(tar, text, strlen(text)), strlen(text));
	archive_entry_free(entry);
}

static void add_hard_link(struct archive *tar, const char *name, const char *target)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_hardlink(entry, target);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	archive_entry_free(entry);
}

static void add_root(struct archive *tar)
{
	add_entry(tar, "./bin/busybox", AE_IFREG, "#!");
	add_entry(tar, "./bin/sh", AE_IFLNK, "busybox");
	add_entry(tar, "./etc/os-release", AE_IFREG, "NAME=Busy\n");
}

static void write_root(int (*add_filter)(struct archive *), const char *mark)
{
	struct archive *tar = begin_tar(add_filter);

	add_root(tar);
	add_entry(tar, "mark", AE_IFREG, mark);
	end_tar(tar);
}

static int prepare(const char *name, struct image *image, struct error *err)
{
	struct image_request request = { .name = name };

	return image_prepare(&request, image, err);
}

static char *root_of(const struct image *image)
{
	struct plan_reader reader;
	struct plan_step step;

	assert_int_equal(plan_open(&reader, image->plan.data, image->plan.length, NULL), 0);
	assert_int_equal(plan_next(&reader, &step, NULL), 1);
	assert_int_equal(step.op, PLAN_ROOT);
	return strdup(step.source);
}

static void assert_text(const char *directory, const char *name, const char *text)
{
	char path[512];
	char found[64] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, found, sizeof(found) - 1) >= 0);
	(void)close(fd);
	assert_string_equal(found, text);
}

/* Names in the cache that begin with a digit of a digest and end like this. */
static int count_cached(const char *suffix)
{
	char path[128];
	struct dirent *entry;
	int count = 0;
	DIR *cache;

	(void)snprintf(path, sizeof(path), "%s/kilntainers/images", place);
	cache = opendir(path);
	if (!cache)
		return 0;
	while ((entry = readdir(cache))) {
		size_t length = strspn(entry->d_name, "0123456789abcdef");

		count +=
			length == HASH_HEX_BYTES - 1 && strcmp(entry->d_name + length, suffix) == 0;
	}
	(void)closedir(cache);
	return count;
}

static void a_tar_of_any_compression_is_unpacked_once(void **state)
{
	static int (*const filters[])(struct archive *) = {
		archive_write_add_filter_none,
		archive_write_add_filter_gzip,
		archive_write_add_filter_zstd,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
		struct error err = ERROR_INIT;
		struct image image;
		struct stat status;
		char *first, *second;

		write_root(filters[i], "a");
		assert_int_equal(prepare(tar_path, &image, &err), 0);
		assert_string_equal(image.shell, "/bin/sh");
		assert_string_equal(image.system, "Busy userland");
		assert_null(plan_check_rules(&image.plan));
		first = root_of(&image);
		image_finish(&image);
		assert_text(first, "mark", "a");
		assert_int_equal(stat(first, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0755);
		/* Would be gone if it were unpacked again. */
		assert_int_equal(chdir(first), 0);
		assert_int_equal(symlink("x", "still-here"), 0);
		assert_int_equal(prepare(tar_path, &image, &err), 0);
		second = root_of(&image);
		image_finish(&image);
		assert_string_equal(first, second);
		assert_int_equal(access("still-here", F_OK), -1);
		assert_int_equal(unlink("still-here"), 0);
		assert_int_equal(chdir("/"), 0);
		free(first);
		free(second);
	}
	assert_int_equal(count_cached(""), 3);
	assert_int_equal(count_cached(".partial"), 0);
}

static void times_and_names_survive(void **state)
{
	struct archive *tar;
	struct image image;
	struct stat status;
	char path[512];
	char *root;

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	tar = begin_tar(archive_write_add_filter_none);
	add_root(tar);
	add_entry(tar, "\xc3\xa4/\xe2\x82\xac", AE_IFREG, "euro");
	end_tar(tar);
	/* The server has the C locale. */
	(void)setlocale(LC_CTYPE, "C");
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	root = root_of(&image);
	image_finish(&image);
	assert_text(root, "\xc3\xa4/\xe2\x82\xac", "euro");
	(void)snprintf(path, sizeof(path), "%s/bin/busybox", root);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mtime, 1000000000);
	free(root);
}

static void assert_refused(const char *name, const char *why)
{
	struct error err = ERROR_INIT;
	struct image image;

	assert_int_equal(prepare(name, &image, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	if (!strstr(err.message, why))
		fail_msg("\"%s\" is not in: %s", why, err.message);
	assert_int_equal(count_cached(""), 0);
	assert_int_equal(count_cached(".partial"), 0);
}

static void a_hostile_tar_leaves_nothing_behind(void **state)
{
	static const struct {
		const char *name;
		unsigned type;
		const char *text;
		const char *why;
	} entries[] = {
		{ "../../escaped", AE_IFREG, "x", "\"..\"" },
		{ "/tmp/kilntainers-escaped", AE_IFREG, "x", "absolute" },
		{ "bin/sh/x", AE_IFREG, "x", "not a directory" },
		{ "bin", AE_IFREG, "x", "not empty" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(entries); i++) {
		struct archive *tar = begin_tar(archive_write_add_filter_none);

		add_root(tar);
		add_entry(tar, entries[i].name, entries[i].type, entries[i].text);
		end_tar(tar);
		assert_refused(tar_path, entries[i].why);
	}
	assert_int_equal(access("/tmp/kilntainers-escaped", F_OK), -1);
}

static void links_out_of_a_tar_are_no_way_out(void **state)
{
	struct archive *tar = begin_tar(archive_write_add_filter_none);

	(void)state;
	add_root(tar);
	add_entry(tar, "out", AE_IFLNK, place);
	add_entry(tar, "out/x", AE_IFREG, "x");
	end_tar(tar);
	assert_refused(tar_path, "not a directory");

	tar = begin_tar(archive_write_add_filter_none);
	add_root(tar);
	add_hard_link(tar, "x", "/etc/passwd");
	end_tar(tar);
	assert_refused(tar_path, "hard link");

	tar = begin_tar(archive_write_add_filter_none);
	add_root(tar);
	add_hard_link(tar, "x", "../../../../../../etc/passwd");
	end_tar(tar);
	assert_refused(tar_path, "hard link");
}

static void a_very_long_name_is_refused(void **state)
{
	struct archive *tar = begin_tar(archive_write_add_filter_none);
	char name[3001];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	for (size_t i = 100; i < sizeof(name) - 1; i += 100)
		name[i] = '/';
	name[sizeof(name) - 1] = '\0';
	add_root(tar);
	add_entry(tar, name, AE_IFREG, "x");
	end_tar(tar);
	assert_refused(tar_path, "too long");
}

static void devices_in_a_tar_are_skipped_and_order_does_not_matter(void **state)
{
	struct archive *tar = begin_tar(archive_write_add_filter_none);
	struct image image;
	struct stat status;
	char path[512];
	char *root;

	(void)state;
	add_entry(tar, "dev", AE_IFLNK, "/dev");
	add_entry(tar, "proc", AE_IFLNK, "/proc");
	add_entry(tar, "usr/share/doc/x", AE_IFREG, "first");
	add_entry(tar, "null", AE_IFCHR, "");
	add_entry(tar, "fifo", AE_IFIFO, "");
	add_entry(tar, "usr/share/doc/x", AE_IFREG, "second");
	add_entry(tar, "usr", AE_IFDIR, "");
	add_root(tar);
	end_tar(tar);
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	root = root_of(&image);
	image_finish(&image);
	assert_text(root, "usr/share/doc/x", "second");
	(void)snprintf(path, sizeof(path), "%s/null", root);
	assert_int_equal(lstat(path, &status), -1);
	(void)snprintf(path, sizeof(path), "%s/fifo", root);
	assert_int_equal(lstat(path, &status), -1);
	free(root);
}

static void archives_of_layers_are_refused_by_name(void **state)
{
	static const char *const names[] = {
		"oci-layout",
		"./oci-layout",
		"blobs/sha256/00",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/layer.tar",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		struct archive *tar = begin_tar(archive_write_add_filter_none);

		add_entry(tar, names[i], AE_IFREG, "x");
		add_root(tar);
		end_tar(tar);
		assert_refused(tar_path, "docker export");
	}
}

static void write_file(const char *text, size_t bytes)
{
	FILE *file = fopen(tar_path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
}

static void what_is_no_tar_is_refused(void **state)
{
	struct archive *tar;
	struct stat status;

	(void)state;
	write_file("", 0);
	assert_refused(tar_path, "image");
	write_file("#!/bin/sh\n", 10);
	assert_refused(tar_path, "cannot be read as a tar");
	write_file("PK\003\004", 4);
	assert_refused(tar_path, "cannot be read as a tar");

	tar = begin_tar(archive_write_add_filter_gzip);
	add_root(tar);
	end_tar(tar);
	assert_int_equal(stat(tar_path, &status), 0);
	assert_int_equal(truncate(tar_path, status.st_size / 2), 0);
	assert_refused(tar_path, "cannot be read as a tar");
}

static void a_tar_without_programs_is_no_image(void **state)
{
	struct archive *tar = begin_tar(archive_write_add_filter_none);

	(void)state;
	add_entry(tar, "etc/hosts", AE_IFREG, "x");
	end_tar(tar);
	assert_refused(tar_path, "not a root file system");
}

static void a_half_unpacked_image_is_begun_again(void **state)
{
	struct image image;
	char path[512];
	char *root;

	(void)state;
	write_root(archive_write_add_filter_none, "whole");
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	root = root_of(&image);
	image_finish(&image);
	/* As a server killed meanwhile would have left it. */
	(void)snprintf(path, sizeof(path), "%s.partial", root);
	assert_int_equal(rename(root, path), 0);
	(void)snprintf(path, sizeof(path), "%s.partial/left-over", root);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	image_finish(&image);
	(void)snprintf(path, sizeof(path), "%s/left-over", root);
	assert_int_equal(access(path, F_OK), -1);
	assert_text(root, "mark", "whole");
	assert_int_equal(count_cached(".partial"), 0);
	free(root);
}

static void a_changed_tar_is_another_image(void **state)
{
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	struct image image;
	char *first, *second;

	(void)state;
	write_root(archive_write_add_filter_none, "one");
	assert_int_equal(utimensat(AT_FDCWD, tar_path, old, 0), 0);
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	first = root_of(&image);
	image_finish(&image);
	/* Same size, same times. */
	write_root(archive_write_add_filter_none, "two");
	assert_int_equal(utimensat(AT_FDCWD, tar_path, old, 0), 0);
	assert_int_equal(prepare(tar_path, &image, NULL), 0);
	second = root_of(&image);
	image_finish(&image);
	assert_string_not_equal(first, second);
	assert_text(second, "mark", "two");
	free(first);
	free(second);
}

static void a_digest_is_remembered_for_a_file_that_has_settled(void **state)
{
	struct stat file = { .st_ino = 5, .st_size = 7, .st_ctim = { 1000000000, 1 } };
	struct image_cache *cache = image_cache_create(NULL);
	char digest[HASH_HEX_BYTES], found[HASH_HEX_BYTES];

	(void)state;
	assert_non_null(cache);
	hash_hex(digest, "x", 1);
	assert_false(image_cache_recall(cache, &file, found));
	image_cache_remember(cache, &file, digest);
	assert_true(image_cache_recall(cache, &file, found));
	assert_string_equal(found, digest);
	file.st_size = 8;
	assert_false(image_cache_recall(cache, &file, found));
	/* It could change once more without its times showing that. */
	(void)clock_gettime(CLOCK_REALTIME, &file.st_ctim);
	image_cache_remember(cache, &file, digest);
	assert_false(image_cache_recall(cache, &file, found));
	image_cache_destroy(cache);
}

static void *prepare_concurrently(void *context)
{
	return prepare(tar_path, context, NULL) == 0 ? context : NULL;
}

static void two_at_once_unpack_once(void **state)
{
	struct image images[4];
	pthread_t threads[4];

	(void)state;
	write_root(archive_write_add_filter_zstd, "x");
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, prepare_concurrently, &images[i]), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
		image_finish(&images[i]);
	}
	assert_int_equal(count_cached(""), 1);
	assert_int_equal(count_cached(".partial"), 0);
}

static void a_cancelled_unpacking_ends_and_leaves_nothing(void **state)
{
	struct image_request request = { .name = tar_path };
	struct error err = ERROR_INIT;
	struct cancel cancel;
	struct image image;

	(void)state;
	write_root(archive_write_add_filter_none, "x");
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	cancel_raise(&cancel);
	request.cancel = &cancel;
	assert_int_equal(image_prepare(&request, &image, &err), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_int_equal(count_cached(""), 0);
	assert_int_equal(count_cached(".partial"), 0);
	cancel_finish(&cancel);
}

static void a_cache_that_others_may_enter_is_refused(void **state)
{
	char path[128];

	(void)state;
	write_root(archive_write_add_filter_none, "x");
	(void)snprintf(path, sizeof(path), "%s/kilntainers", place);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/kilntainers/images", place);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_refused(tar_path, "chmod 700");
}

static void make_file(const char *name, mode_t mode)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", place, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	(void)close(fd);
}

static void make_directory(const char *name, mode_t mode)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", place, name);
	assert_int_equal(mkdir(path, mode), 0);
}

static void a_directory_is_an_image_by_any_path_to_it(void **state)
{
	struct plan_step step;
	struct image image;
	char *root;

	(void)state;
	make_directory("root", 0755);
	make_directory("root/bin", 0755);
	make_directory("root/root", 0750);
	make_file("root/bin/bash", 0755);
	make_file("root/bin/git", 0755);
	assert_int_equal(chdir(place), 0);
	assert_int_equal(prepare("./bin/../root", &image, NULL), -1);
	assert_int_equal(prepare("./root/bin/..", &image, NULL), 0);
	assert_int_equal(chdir("/"), 0);
	assert_null(plan_check_rules(&image.plan));
	root = root_of(&image);
	assert_int_equal(strncmp(root, place, strlen(place)), 0);
	assert_string_equal(root + strlen(place), "/root");
	assert_string_equal(image.shell, "/bin/bash");
	assert_string_equal(image.programs, "git");
	assert_string_equal(image.system, "");
	/* What is there keeps its mode. */
	assert_true(plan_check_find(&image.plan, PLAN_DIRECTORY, "root", &step));
	assert_int_equal(step.mode, 0750);
	assert_true(plan_check_find(&image.plan, PLAN_DIRECTORY, "tmp", &step));
	assert_int_equal(step.mode, 01777);
	assert_true(plan_check_find(&image.plan, PLAN_FILE, "etc/resolv.conf", &step));
	free(root);
	image_finish(&image);
}

static void what_is_no_root_file_system_is_refused_with_a_hint(void **state)
{
	char path[128];

	(void)state;
	assert_refused("/nonexistent/image", "No such file");
	assert_refused("/", "--image host");
	assert_refused("/usr", "--image host");
	assert_refused("/dev/null", "neither a directory nor a file");
	assert_refused("debian:12", "begins with");
	assert_refused(place, "not a root file system");
	make_directory("bin", 0755);
	make_file("bin/sh", 0755);
	make_file("etc", 0644);
	assert_refused(place, "/etc in it is not a directory");
	(void)snprintf(path, sizeof(path), "%s/etc", place);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc", path), 0);
	assert_refused(place, "/etc in it is not a directory");
}

static void names_of_paths_are_told_from_names_of_images(void **state)
{
	(void)state;
	assert_true(image_is_path("/x"));
	assert_true(image_is_path("./x"));
	assert_true(image_is_path("../x"));
	assert_true(image_is_path("."));
	assert_false(image_is_path("host"));
	assert_false(image_is_path("debian:12"));
	assert_false(image_is_path(".x"));
	assert_false(image_is_archive("/"));
	assert_false(image_is_archive("/nonexistent"));
	make_file("image.tar", 0644);
	assert_true(image_is_archive(tar_path));
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_PLACE(a_tar_of_any_compression_is_unpacked_once),
		IN_PLACE(times_and_names_survive),
		IN_PLACE(a_hostile_tar_leaves_nothing_behind),
		IN_PLACE(links_out_of_a_tar_are_no_way_out),
		IN_PLACE(a_very_long_name_is_refused),
		IN_PLACE(devices_in_a_tar_are_skipped_and_order_does_not_matter),
		IN_PLACE(archives_of_layers_are_refused_by_name),
		IN_PLACE(what_is_no_tar_is_refused),
		IN_PLACE(a_tar_without_programs_is_no_image),
		IN_PLACE(a_half_unpacked_image_is_begun_again),
		IN_PLACE(a_changed_tar_is_another_image),
		IN_PLACE(a_digest_is_remembered_for_a_file_that_has_settled),
		IN_PLACE(two_at_once_unpack_once),
		IN_PLACE(a_cancelled_unpacking_ends_and_leaves_nothing),
		IN_PLACE(a_cache_that_others_may_enter_is_refused),
		IN_PLACE(a_directory_is_an_image_by_any_path_to_it),
		IN_PLACE(what_is_no_root_file_system_is_refused_with_a_hint),
		IN_PLACE(names_of_paths_are_told_from_names_of_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
