/* SPDX-License-Identifier: MIT */

#include "base/fd.h"
#include "tests/unit/unit.h"
#include "zygote/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct packet {
	char text[32];
};

static int pair[2];

static int make_pair(void **state)
{
	(void)state;
	return fd_packet_pair(pair, NULL);
}

static int close_pair(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

static bool is_same_file(int a, int b)
{
	struct stat first, second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_ino == second.st_ino &&
	       first.st_dev == second.st_dev;
}

static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state)
{
	struct packet sent = { "two" }, got;
	int pipe_ends[2], fds[2];

	(void)state;
	assert_int_equal(fd_open_pipe(pipe_ends, NULL), 0);
	assert_int_equal(zygote_send(pair[0], &sent, sizeof(sent), (int[]){ pair[0], pipe_ends[1] },
				     2, NULL),
			 0);
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), fds, 2, NULL), 1);
	assert_string_equal(got.text, "two");
	assert_true(is_same_file(fds[0], pair[0]));
	assert_true(is_same_file(fds[1], pipe_ends[1]));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		(void)close(fds[i]);
		(void)close(pipe_ends[i]);
	}
}

static void as_many_descriptors_as_a_cradle_needs_go_with_one_packet(void **state)
{
	struct packet sent = { "many" }, got;
	int fds[ZYGOTE_MAX_FDS], received[ZYGOTE_MAX_FDS];
	int before = count_open();

	(void)state;
	for (unsigned i = 0; i < ZYGOTE_MAX_FDS; i++)
		fds[i] = pair[i % 2];
	assert_int_equal(zygote_send(pair[0], &sent, sizeof(sent), fds, ZYGOTE_MAX_FDS, NULL), 0);
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), received, ZYGOTE_MAX_FDS, NULL),
			 1);
	for (unsigned i = 0; i < ZYGOTE_MAX_FDS; i++) {
		assert_true(is_same_file(received[i], fds[i]));
		(void)close(received[i]);
	}
	assert_int_equal(count_open(), before);
}

/* As a cradle that failed is found by who then asks it. */
static void what_was_said_before_a_reset_still_arrives(void **state)
{
	struct packet sent = { "last words" }, got;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(zygote_send(pair[1], &sent, sizeof(sent), NULL, 0, NULL), 0);
	assert_int_equal(zygote_send(pair[0], &sent, sizeof(sent), NULL, 0, NULL), 0);
	(void)close(pair[0]);
	pair[0] = -1;
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), NULL, 0, &err), -1);
	assert_int_equal(err.errno_value, ECONNRESET);
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), NULL, 0, &err), 1);
	assert_string_equal(got.text, "last words");
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), NULL, 0, &err), 0);
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
	struct packet sent = { "" }, got;
	int before = count_open();
	int fd;

	(void)state;
	assert_int_equal(zygote_send(pair[0], &sent, sizeof(sent), (int[]){ 0, 0, 0 }, 3, NULL), 0);
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), &fd, 1, NULL), 1);
	(void)close(fd);
	assert_int_equal(count_open(), before);
}

static void a_packet_of_another_size_is_refused_and_its_descriptors_closed(void **state)
{
	struct packet sent = { "" };
	struct error err = ERROR_INIT;
	char small[8];
	int before = count_open();
	int fd;

	(void)state;
	assert_int_equal(zygote_send(pair[0], &sent, sizeof(sent), (int[]){ 0 }, 1, NULL), 0);
	assert_int_equal(zygote_receive(pair[1], small, sizeof(small), &fd, 1, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_int_equal(fd, -1);
	assert_int_equal(zygote_send(pair[0], small, sizeof(small), NULL, 0, NULL), 0);
	assert_int_equal(zygote_receive(pair[1], &sent, sizeof(sent), NULL, 0, &err), -1);
	assert_int_equal(count_open(), before);
}

static void end_of_file_is_told_from_a_failure(void **state)
{
	struct packet got;
	int fd;

	(void)state;
	(void)close(pair[0]);
	pair[0] = -1;
	assert_int_equal(zygote_receive(pair[1], &got, sizeof(got), &fd, 1, NULL), 0);
	assert_int_equal(zygote_send(pair[1], &got, sizeof(got), NULL, 0, NULL), -1);
}

static void a_failure_comes_with_its_area_and_a_sentence_cut_to_fit(void **state)
{
	struct error err = ERROR_INIT;
	struct zygote_report report;

	(void)state;
	errno = EPERM;
	(void)error_set_errno(&err, "mounting %.*s", (int)sizeof(err.message) - 64,
			      "a very long name");
	memset(err.message + strlen(err.message), 'x',
	       sizeof(err.message) - 1 - strlen(err.message));
	zygote_report_failure(pair[0], ZYGOTE_AREA_PROC, &err);
	assert_int_equal(zygote_receive(pair[1], &report, sizeof(report), NULL, 0, NULL), 1);
	assert_int_equal(report.kind, ZYGOTE_FAILED);
	assert_int_equal(report.area, ZYGOTE_AREA_PROC);
	assert_int_equal(report.error_number, EPERM);
	assert_memory_equal(report.text, "mounting a very", 15);
	assert_true(strlen(report.text) < sizeof(report.text));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descriptors_arrive_in_order_and_close_on_exec),
		TEST(as_many_descriptors_as_a_cradle_needs_go_with_one_packet),
		TEST(what_was_said_before_a_reset_still_arrives),
		TEST(descriptors_that_nobody_asked_for_are_closed),
		TEST(a_packet_of_another_size_is_refused_and_its_descriptors_closed),
		TEST(end_of_file_is_told_from_a_failure),
		TEST(a_failure_comes_with_its_area_and_a_sentence_cut_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
