/* SPDX-License-Identifier: MIT */
#include "backend/fake/directory.h"

#include "tests/unit/unit.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char parent[] = "/tmp/kilntainers-directories-XXXXXX";

static int enter_parent(void **state)
{
	(void)state;
	return mkdtemp(parent) && setenv("TMPDIR", parent, 1) == 0 ? 0 : -1;
}

/* rmdir says whether anything is left. */
static int leave_parent(void **state)
{
	(void)state;
	return rmdir(parent);
}

static char *make_with_file(int *lock_fd)
{
	char *path = directory_make(lock_fd, NULL);
	char file[512];
	int fd;

	assert_non_null(path);
	(void)snprintf(file, sizeof(file), "%s/file", path);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	return path;
}

static void what_nobody_holds_is_swept_up(void **state)
{
	struct stat status;
	int lock_fd = -1;
	CLEANUP(cleanup_free) char *path = make_with_file(&lock_fd);

	(void)state;
	cleanup_fd(&lock_fd);
	directory_sweep(time(NULL) + 10);
	assert_int_equal(lstat(path, &status), -1);
}

static void what_is_in_use_or_new_stays(void **state)
{
	struct stat status;
	int lock_fd = -1;
	char *path = make_with_file(&lock_fd);

	(void)state;
	directory_sweep(time(NULL) + 10);
	assert_int_equal(lstat(path, &status), 0);
	cleanup_fd(&lock_fd);
	directory_sweep(time(NULL) - 10);
	assert_int_equal(lstat(path, &status), 0);
	directory_remove(path);
}

static void a_link_of_that_name_is_not_followed(void **state)
{
	CLEANUP(cleanup_free) char *target = strdup("/tmp/kilntainers-target-XXXXXX");
	char link[512];
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(target));
	(void)snprintf(link, sizeof(link), "%s/kilntainers-fake-link", parent);
	assert_int_equal(symlink(target, link), 0);
	directory_sweep(time(NULL) + 10);
	assert_int_equal(lstat(target, &status), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(target), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_holds_is_swept_up),
		cmocka_unit_test(what_is_in_use_or_new_stays),
		cmocka_unit_test(a_link_of_that_name_is_not_followed),
	};

	return cmocka_run_group_tests(tests, enter_parent, leave_parent);
}
