/* SPDX-License-Identifier: MIT */
#include "backend/native/image_unpack.h"

#include "backend/native/image_walk.h"
#include "base/limits.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char path[64];
	int fd;
	struct unpack *unpack;
};

static void open_place_with(struct place *place, const struct unpack_limits *limits)
{
	(void)snprintf(place->path, sizeof(place->path), "/tmp/kilntainers-unpack-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->fd >= 0);
	place->unpack = unpack_create(place->fd, limits);
}

static void open_place(struct place *place)
{
	const struct unpack_limits limits = { 1000, 1 << 20 };

	open_place_with(place, &limits);
}

static void close_place(struct place *place)
{
	unpack_destroy(place->unpack);
	(void)close(place->fd);
	assert_int_equal(walk_remove(AT_FDCWD, place->path, NULL), 0);
}

static int add(struct place *place, enum unpack_kind kind, const char *name, const char *target)
{
	struct unpack_entry entry = {
		.kind = kind,
		.name = name,
		.target = target,
		.mode = 0755,
		.uid = geteuid(),
		.gid = getegid(),
	};

	return unpack_add(place->unpack, &entry, NULL);
}

static int add_text(struct place *place, const char *name, const char *text)
{
	struct unpack_entry entry = {
		.kind = UNPACK_FILE, .name = name, .mode = 0644, .bytes = (int64_t)strlen(text)
	};

	if (unpack_add(place->unpack, &entry, NULL) < 0 ||
	    unpack_write(place->unpack, text, strlen(text), 0, NULL) < 0)
		return -1;
	return unpack_finish(place->unpack, NULL);
}

static void assert_text(const struct place *place, const char *name, const char *text)
{
	char found[64] = "";
	int fd = openat(place->fd, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, found, sizeof(found) - 1) >= 0);
	(void)close(fd);
	assert_string_equal(found, text);
}

static struct stat status_of(const struct place *place, const char *name)
{
	struct stat status;

	assert_int_equal(fstatat(place->fd, name, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status;
}

static bool is_there(const struct place *place, const char *name)
{
	struct stat status;

	return fstatat(place->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static void files_directories_and_links_are_made(void **state)
{
	struct place place;

	(void)state;
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "./", NULL), 0);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "./usr/", NULL), 0);
	assert_int_equal(add_text(&place, "./usr//./bin/tool", "tool"), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "bin", "usr/bin"), 0);
	assert_int_equal(add(&place, UNPACK_HARD_LINK, "usr/bin/same", "./usr/bin/tool"), 0);
	assert_text(&place, "usr/bin/tool", "tool");
	assert_text(&place, "bin/same", "tool");
	assert_int_equal(status_of(&place, "usr/bin/same").st_nlink, 2);
	close_place(&place);
}

static void names_that_lead_out_are_refused(void **state)
{
	static const char *const names[] = {
		"../x", "..", "/x", "/", "a/../../x", "a/..", "./../x", "./a/..", "", "//x",
	};
	struct place place;

	(void)state;
	open_place(&place);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		struct unpack_entry entry = { .kind = UNPACK_FILE, .name = names[i], .mode = 0644 };
		struct error err = ERROR_INIT;

		for (int kind = UNPACK_FILE; kind <= UNPACK_OTHER; kind++) {
			entry.kind = (enum unpack_kind)kind;
			entry.target = "t";
			assert_int_equal(unpack_add(place.unpack, &entry, &err), -1);
			assert_int_equal(err.kind, ERROR_CONFIG);
		}
	}
	assert_false(is_there(&place, "a"));
	close_place(&place);
	assert_int_equal(access("/tmp/x", F_OK), -1);
}

static void nothing_is_written_through_a_link(void **state)
{
	char outside[] = "/tmp/kilntainers-outside-XXXXXX";
	static const char *const names[] = { "out/x", "out/a/b", "relative/x", "dangling/x" };
	struct place place;

	(void)state;
	assert_non_null(mkdtemp(outside));
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "real", NULL), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "out", outside), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "relative", "real"), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "dangling", "nowhere"), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		assert_int_equal(add_text(&place, names[i], "x"), -1);
		assert_int_equal(add(&place, UNPACK_DIRECTORY, names[i], NULL), -1);
		assert_int_equal(add(&place, UNPACK_SYMLINK, names[i], "y"), -1);
	}
	assert_int_equal(rmdir(outside), 0);
	assert_false(is_there(&place, "real/x"));
	assert_false(is_there(&place, "nowhere"));
	close_place(&place);
}

static void a_file_takes_the_place_of_a_link_and_not_of_its_target(void **state)
{
	char outside[] = "/tmp/kilntainers-outside-XXXXXX";
	char found[8] = "";
	struct place place;
	int fd = mkostemp(outside, O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "safe", 4), 4);
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "passwd", outside), 0);
	assert_int_equal(add_text(&place, "passwd", "evil"), 0);
	assert_text(&place, "passwd", "evil");
	assert_int_equal(add(&place, UNPACK_SYMLINK, "dev", "/dev"), 0);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "dev", NULL), 0);
	assert_true(S_ISDIR(status_of(&place, "dev").st_mode));
	assert_int_equal(pread(fd, found, sizeof(found), 0), 4);
	assert_string_equal(found, "safe");
	(void)close(fd);
	assert_int_equal(unlink(outside), 0);
	close_place(&place);
}

static void hard_links_reach_only_what_the_archive_brought(void **state)
{
	static const char *const targets[] = { "/etc/passwd", "../x", "missing", "directory",
					       "out/passwd",  "",     "." };
	struct place place;

	(void)state;
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "directory", NULL), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "out", "/etc"), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(targets); i++)
		assert_int_equal(add(&place, UNPACK_HARD_LINK, "link", targets[i]), -1);
	assert_int_equal(add(&place, UNPACK_HARD_LINK, "link", NULL), -1);
	assert_false(is_there(&place, "link"));
	/* A link to a link is to the link itself, never to what it names. */
	assert_int_equal(add(&place, UNPACK_HARD_LINK, "again", "out"), 0);
	assert_true(S_ISLNK(status_of(&place, "again").st_mode));
	assert_int_equal(add_text(&place, "file", "x"), 0);
	assert_int_equal(add(&place, UNPACK_HARD_LINK, "file", "file"), 0);
	assert_text(&place, "file", "x");
	close_place(&place);
}

static void an_earlier_entry_gives_way_except_a_full_directory(void **state)
{
	struct place place;

	(void)state;
	open_place(&place);
	assert_int_equal(add_text(&place, "a", "first"), 0);
	assert_int_equal(add_text(&place, "a", "second"), 0);
	assert_text(&place, "a", "second");
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "a", NULL), 0);
	assert_int_equal(add_text(&place, "a", "third"), 0);
	assert_text(&place, "a", "third");
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "full/inner", NULL), 0);
	assert_int_equal(add_text(&place, "full", "x"), -1);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "full", "x"), -1);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "full", NULL), 0);
	assert_true(is_there(&place, "full/inner"));
	close_place(&place);
}

/* The directory that the last file went into is replaced by a link before the next one. */
static void a_parent_that_becomes_a_link_is_not_written_into(void **state)
{
	char outside[] = "/tmp/kilntainers-outside-XXXXXX";
	struct place place;

	(void)state;
	assert_non_null(mkdtemp(outside));
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "d/e", NULL), 0);
	assert_int_equal(add_text(&place, "d/e/x", "1"), 0);
	assert_int_equal(add(&place, UNPACK_DIRECTORY, "d/f", NULL), 0);
	assert_int_equal(add(&place, UNPACK_SYMLINK, "d/f", outside), 0);
	assert_int_equal(add_text(&place, "d/f/x", "1"), -1);
	assert_int_equal(rmdir(outside), 0);
	close_place(&place);
}

static void devices_and_pipes_are_skipped(void **state)
{
	struct place place;

	(void)state;
	open_place(&place);
	assert_int_equal(add(&place, UNPACK_OTHER, "dev/null", NULL), 0);
	assert_int_equal(unpack_write(place.unpack, "x", 1, 0, NULL), 0);
	assert_false(is_there(&place, "dev"));
	close_place(&place);
}

static void modes_lose_what_has_no_business_in_a_cache(void **state)
{
	struct unpack_entry entry = { .kind = UNPACK_FILE, .name = "su", .mode = 06755 };
	struct place place;

	(void)state;
	open_place(&place);
	(void)umask(077);
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	entry.kind = UNPACK_DIRECTORY;
	entry.name = "closed/inner";
	entry.mode = 03000;
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	(void)umask(022);
	assert_int_equal(status_of(&place, "su").st_mode & 07777, 0755);
	assert_int_equal(status_of(&place, "closed").st_mode & 07777, 0755);
	assert_int_equal(status_of(&place, "closed/inner").st_mode & 07777, 01700);
	close_place(&place);
}

static void root_keeps_owners_that_a_sandbox_has(void **state)
{
	struct unpack_entry entry = { .kind = UNPACK_FILE, .name = "a", .uid = 33, .gid = 1000 };
	struct place place;

	(void)state;
	if (geteuid() != 0) {
		print_message("# SKIP only root may give files away\n");
		skip();
	}
	open_place(&place);
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	entry.kind = UNPACK_SYMLINK;
	entry.name = "b";
	entry.target = "/etc/passwd";
	entry.uid = 70000;
	entry.gid = -1;
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	assert_int_equal(status_of(&place, "a").st_uid, 33);
	assert_int_equal(status_of(&place, "a").st_gid, 1000);
	assert_int_equal(status_of(&place, "b").st_uid, 65534);
	assert_int_equal(status_of(&place, "b").st_gid, 65534);
	close_place(&place);
}

static void holes_stay_holes_and_count_in_full(void **state)
{
	const struct unpack_limits limits = { 100, 11ULL << 30 };
	struct unpack_entry entry = {
		.kind = UNPACK_FILE, .name = "sparse", .mode = 0644, .bytes = 10LL << 30
	};
	struct error err = ERROR_INIT;
	struct place place;

	(void)state;
	open_place_with(&place, &limits);
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	assert_int_equal(unpack_write(place.unpack, "x", 1, 5LL << 30, NULL), 0);
	assert_int_equal(unpack_finish(place.unpack, NULL), 0);
	assert_true(status_of(&place, "sparse").st_size == 10LL << 30);
	assert_true(status_of(&place, "sparse").st_blocks < 1000);
	entry.name = "more";
	assert_int_equal(unpack_add(place.unpack, &entry, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	entry.bytes = -1;
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), -1);
	assert_false(is_there(&place, "more"));
	close_place(&place);
}

static void data_past_a_files_size_is_refused(void **state)
{
	struct unpack_entry entry = { .kind = UNPACK_FILE, .name = "a", .mode = 0644, .bytes = 4 };
	struct place place;

	(void)state;
	open_place(&place);
	assert_int_equal(unpack_add(place.unpack, &entry, NULL), 0);
	assert_int_equal(unpack_write(place.unpack, "abcd", 4, 0, NULL), 0);
	assert_int_equal(unpack_write(place.unpack, "e", 1, 4, NULL), -1);
	assert_int_equal(unpack_write(place.unpack, "ef", 2, 3, NULL), -1);
	assert_int_equal(unpack_write(place.unpack, "e", 1, -1, NULL), -1);
	assert_int_equal(unpack_write(place.unpack, "e", 1, INT64_MAX, NULL), -1);
	assert_int_equal(unpack_finish(place.unpack, NULL), 0);
	assert_text(&place, "a", "abcd");
	close_place(&place);
}

static void entries_are_counted(void **state)
{
	const struct unpack_limits limits = { 2, 100 };
	struct place place;

	(void)state;
	open_place_with(&place, &limits);
	assert_int_equal(add_text(&place, "a", "1"), 0);
	assert_int_equal(add_text(&place, "b", "2"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add_text(&place, "c", "3"), -1);
	assert_false(is_there(&place, "c"));
	close_place(&place);
}

static void long_and_deep_names_are_refused(void **state)
{
	char name[8192];
	struct place place;

	(void)state;
	open_place(&place);
	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	assert_int_equal(add_text(&place, name, ""), 0);
	name[255] = 'x';
	name[256] = '\0';
	assert_int_equal(add_text(&place, name, ""), -1);
	for (size_t i = 200; i < sizeof(name); i += 200)
		name[i] = '/';
	name[256] = 'x';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(add_text(&place, name, ""), -1);
	for (size_t i = 0; i < 2 * LIMIT_TREE_DEPTH; i++)
		name[i] = i % 2 ? '/' : 'd';
	name[2 * LIMIT_TREE_DEPTH] = '\0';
	assert_int_equal(add(&place, UNPACK_DIRECTORY, name, NULL), -1);
	/* As deep as it goes is still removed again. */
	name[2 * LIMIT_TREE_DEPTH - 2] = '\0';
	assert_int_equal(add(&place, UNPACK_DIRECTORY, name, NULL), 0);
	close_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_directories_and_links_are_made),
		cmocka_unit_test(names_that_lead_out_are_refused),
		cmocka_unit_test(nothing_is_written_through_a_link),
		cmocka_unit_test(a_file_takes_the_place_of_a_link_and_not_of_its_target),
		cmocka_unit_test(hard_links_reach_only_what_the_archive_brought),
		cmocka_unit_test(an_earlier_entry_gives_way_except_a_full_directory),
		cmocka_unit_test(a_parent_that_becomes_a_link_is_not_written_into),
		cmocka_unit_test(devices_and_pipes_are_skipped),
		cmocka_unit_test(modes_lose_what_has_no_business_in_a_cache),
		cmocka_unit_test(root_keeps_owners_that_a_sandbox_has),
		cmocka_unit_test(holes_stay_holes_and_count_in_full),
		cmocka_unit_test(data_past_a_files_size_is_refused),
		cmocka_unit_test(entries_are_counted),
		cmocka_unit_test(long_and_deep_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
