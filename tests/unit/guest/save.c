/* SPDX-License-Identifier: MIT */
#include "guest/save.h"

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* A directory of this test's own; the working directory meanwhile. */
static char top[] = "/tmp/kilntainers-test-save-XXXXXX";
static char place[sizeof(top) + 4];

int __real_fstatvfs64(int fd, struct statvfs *status);
int __wrap_fstatvfs64(int fd, struct statvfs *status);

/* What the next file system says is free; 0: as it is. */
static fsblkcnt_t free_bytes;

int __wrap_fstatvfs64(int fd, struct statvfs *status)
{
	int result = __real_fstatvfs64(fd, status);

	if (free_bytes > 0) {
		status->f_frsize = 1;
		status->f_blocks = 1000000;
		status->f_bavail = free_bytes;
	}
	return result;
}

static int make_top(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/kilntainers-test-save-XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("tmp", 0755), 0);
	(void)snprintf(place, sizeof(place), "%s/tmp", top);
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int remove_top(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Saves "out" and "errs", of which `held` bytes really come. */
static int save_some(struct guest_wire_save *save, size_t held, struct guest_wire_failed *failed)
{
	int pair[2];
	int result;

	save->stdout_bytes = 3;
	save->stderr_bytes = 4;
	*failed = (struct guest_wire_failed){ 0 };
	assert_int_equal(fd_open_pipe(pair, NULL), 0);
	assert_int_equal(write(pair[1], "outerrs", held), held);
	(void)close(pair[1]);
	result = save_output(place, save, pair[0], failed);
	(void)close(pair[0]);
	return result;
}

static int save_number(uint32_t number, struct guest_wire_failed *failed)
{
	struct guest_wire_save save = { .number = number };

	return save_some(&save, 7, failed);
}

static void expect_failure(uint32_t number, enum guest_wire_step step, int errno_value)
{
	struct guest_wire_failed failed;

	assert_int_equal(save_number(number, &failed), -1);
	assert_int_equal(failed.step, step);
	assert_int_equal(failed.errno_value, errno_value);
}

static void expect_file(const char *path, const char *text)
{
	char data[64];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got;

	assert_true(fd >= 0);
	got = read(fd, data, sizeof(data));
	(void)close(fd);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(data, text, (size_t)got);
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static void both_streams_are_kept_for_their_owner_alone(void **state)
{
	struct guest_wire_failed failed;
	struct stat status;

	(void)state;
	assert_int_equal(save_number(3, &failed), 0);
	expect_file("tmp/.kilntainers/3.stdout", "out");
	expect_file("tmp/.kilntainers/3.stderr", "errs");
	assert_int_equal(stat("tmp/.kilntainers/3.stdout", &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(stat("tmp/.kilntainers", &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 0700);
	/* The directory may be there already. */
	assert_int_equal(save_number(4, &failed), 0);
	expect_file("tmp/.kilntainers/4.stderr", "errs");
}

static void earlier_pairs_go_and_the_others_stay(void **state)
{
	struct guest_wire_save save = { .number = 5, .removed = { 1, 0, 3 } };
	struct guest_wire_failed failed;

	(void)state;
	for (uint32_t number = 1; number <= 4; number++)
		assert_int_equal(save_number(number, &failed), 0);
	assert_int_equal(unlink("tmp/.kilntainers/3.stdout"), 0);
	assert_int_equal(save_some(&save, 7, &failed), 0);
	assert_false(exists("tmp/.kilntainers/1.stdout"));
	assert_false(exists("tmp/.kilntainers/1.stderr"));
	assert_false(exists("tmp/.kilntainers/3.stderr"));
	expect_file("tmp/.kilntainers/2.stdout", "out");
	expect_file("tmp/.kilntainers/4.stdout", "out");
	expect_file("tmp/.kilntainers/5.stdout", "out");
}

static void a_link_in_place_of_the_directory_is_not_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir("elsewhere", 0755), 0);
	assert_int_equal(symlink("../elsewhere", "tmp/.kilntainers"), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOTDIR);
	assert_int_equal(rmdir("elsewhere"), 0);
}

static void a_link_to_nowhere_makes_nothing_there(void **state)
{
	(void)state;
	assert_int_equal(symlink("../elsewhere", "tmp/.kilntainers"), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOTDIR);
	assert_false(exists("elsewhere"));
}

static void a_link_above_the_directory_is_not_followed(void **state)
{
	(void)state;
	assert_int_equal(rename("tmp", "real"), 0);
	assert_int_equal(symlink("real", "tmp"), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOTDIR);
	assert_false(exists("real/.kilntainers"));
}

static void what_is_no_directory_is_left_alone(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(mkfifo("tmp/.kilntainers", 0644), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOTDIR);
	assert_int_equal(lstat("tmp/.kilntainers", &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	assert_int_equal(unlink("tmp/.kilntainers"), 0);
	make_file("tmp/.kilntainers", "mine");
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOTDIR);
	expect_file("tmp/.kilntainers", "mine");
}

static void without_the_place_there_is_nothing_to_save_in(void **state)
{
	(void)state;
	assert_int_equal(rmdir("tmp"), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_DIRECTORY, ENOENT);
}

/* In a child: its mounts are nobody else's, and go with it. */
static int save_read_only(void)
{
	struct guest_wire_failed failed;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", place, "tmpfs", MS_RDONLY, NULL) < 0)
		return 2;
	return save_number(1, &failed) == -1 && failed.step == GUEST_WIRE_STEP_SAVE_DIRECTORY &&
			       failed.errno_value == EROFS
		       ? 0
		       : 1;
}

static void a_read_only_place_is_a_reason(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(save_read_only());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) {
		print_message("# SKIP only root can mount here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_name_that_cannot_be_is_refused(void **state)
{
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 1 };
	struct guest_wire_failed failed;
	char path[300] = "";

	(void)state;
	memset(path, 'x', LIMIT_NAME_BYTES + 2);
	path[0] = '/';
	assert_int_equal(save_output(path, &save, -1, &failed), -1);
	assert_int_equal(failed.step, GUEST_WIRE_STEP_SAVE_DIRECTORY);
	assert_int_equal(failed.errno_value, ENAMETOOLONG);
}

static void nothing_that_is_there_is_written_to(void **state)
{
	(void)state;
	assert_int_equal(mkdir("tmp/.kilntainers", 0700), 0);
	make_file("victim", "precious");
	assert_int_equal(symlink("../../victim", "tmp/.kilntainers/1.stdout"), 0);
	assert_int_equal(symlink("../../nobody", "tmp/.kilntainers/2.stdout"), 0);
	assert_int_equal(link("victim", "tmp/.kilntainers/3.stdout"), 0);
	assert_int_equal(mkfifo("tmp/.kilntainers/4.stdout", 0644), 0);
	for (uint32_t number = 1; number <= 4; number++)
		expect_failure(number, GUEST_WIRE_STEP_SAVE_FILE, EEXIST);
	expect_file("victim", "precious");
	assert_false(exists("nobody"));
	/* Nor taken away. */
	assert_true(exists("tmp/.kilntainers/1.stdout"));
	assert_true(exists("tmp/.kilntainers/4.stdout"));
}

static void half_a_pair_is_removed_again(void **state)
{
	(void)state;
	assert_int_equal(mkdir("tmp/.kilntainers", 0700), 0);
	assert_int_equal(mkdir("tmp/.kilntainers/1.stderr", 0700), 0);
	expect_failure(1, GUEST_WIRE_STEP_SAVE_FILE, EEXIST);
	assert_false(exists("tmp/.kilntainers/1.stdout"));
	assert_true(exists("tmp/.kilntainers/1.stderr"));
}

static void half_an_output_is_not_kept(void **state)
{
	struct guest_wire_save save = { .number = 1 };
	struct guest_wire_failed failed;

	(void)state;
	for (size_t held = 0; held < 7; held++) {
		assert_int_equal(save_some(&save, held, &failed), -1);
		assert_int_equal(failed.step, GUEST_WIRE_STEP_SAVE_FILE);
		assert_int_equal(failed.errno_value, EPIPE);
		assert_false(exists("tmp/.kilntainers/1.stdout"));
		assert_false(exists("tmp/.kilntainers/1.stderr"));
	}
}

static void as_much_again_must_stay_free(void **state)
{
	struct guest_wire_failed failed;

	(void)state;
	free_bytes = 13;
	expect_failure(1, GUEST_WIRE_STEP_SAVE_SPACE, ENOSPC);
	assert_false(exists("tmp/.kilntainers/1.stdout"));
	free_bytes = 14;
	assert_int_equal(save_number(1, &failed), 0);
	free_bytes = 0;
}

/* A limit on the size of files would end the process by a signal. */
static void a_file_that_cannot_grow_is_an_error_and_leaves_nothing(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit three = { 3, 3 };
		struct guest_wire_failed failed;

		(void)setrlimit(RLIMIT_FSIZE, &three);
		_exit(save_number(1, &failed) == -1 && failed.errno_value == EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(exists("tmp/.kilntainers/1.stdout"));
	assert_false(exists("tmp/.kilntainers/1.stderr"));
}

#define SAVE_TEST(test) cmocka_unit_test_setup_teardown(test, make_top, remove_top)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAVE_TEST(both_streams_are_kept_for_their_owner_alone),
		SAVE_TEST(earlier_pairs_go_and_the_others_stay),
		SAVE_TEST(a_link_in_place_of_the_directory_is_not_followed),
		SAVE_TEST(a_link_to_nowhere_makes_nothing_there),
		SAVE_TEST(a_link_above_the_directory_is_not_followed),
		SAVE_TEST(what_is_no_directory_is_left_alone),
		SAVE_TEST(without_the_place_there_is_nothing_to_save_in),
		SAVE_TEST(a_read_only_place_is_a_reason),
		SAVE_TEST(a_name_that_cannot_be_is_refused),
		SAVE_TEST(nothing_that_is_there_is_written_to),
		SAVE_TEST(half_a_pair_is_removed_again),
		SAVE_TEST(half_an_output_is_not_kept),
		SAVE_TEST(as_much_again_must_stay_free),
		SAVE_TEST(a_file_that_cannot_grow_is_an_error_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
