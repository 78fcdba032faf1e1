/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/clock.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_sealed_memory_file_can_only_be_read(void **state)
{
	char text[16] = "";
	int fd = fd_sealed_memory("test", "content", 7, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_read_full(fd, text, sizeof(text), NULL), 7);
	assert_string_equal(text, "content");
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
}

static void a_pipe_can_be_opened_again_by_name(void **state)
{
	struct stat status;
	int ends[2];

	(void)state;
	assert_int_equal(fd_open_pipe(ends, NULL), 0);
	assert_int_equal(fstat(ends[1], &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
	assert_true(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(ends[1], F_GETFD) & FD_CLOEXEC);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void packets_keep_their_borders(void **state)
{
	char text[8];
	int pair[2];

	(void)state;
	assert_int_equal(fd_packet_pair(pair, NULL), 0);
	assert_int_equal(write(pair[0], "ab", 2), 2);
	assert_int_equal(write(pair[0], "c", 1), 1);
	assert_int_equal(read(pair[1], text, sizeof(text)), 2);
	assert_int_equal(read(pair[1], text, sizeof(text)), 1);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void a_poll_timeout_never_overflows(void **state)
{
	(void)state;
	assert_int_equal(clock_poll_timeout(CLOCK_NEVER), -1);
	assert_int_equal(clock_poll_timeout(0), 0);
	assert_int_equal(clock_poll_timeout(CLOCK_NEVER - 1), INT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_memory_file_can_only_be_read),
		cmocka_unit_test(a_pipe_can_be_opened_again_by_name),
		cmocka_unit_test(packets_keep_their_borders),
		cmocka_unit_test(a_poll_timeout_never_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
