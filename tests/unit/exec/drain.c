/* SPDX-License-Identifier: MIT */
#include "exec/drain.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define HANG_GUARD_MS 60000

/* Gives the read end to the drainer; returns the write end. */
static int drained_pipe(struct drainer *drainer)
{
	int pair[2];

	assert_int_equal(fd_open_pipe(pair, NULL), 0);
	assert_int_equal(fd_set_nonblocking(pair[0], NULL), 0);
	drainer_add(drainer, pair[0]);
	return pair[1];
}

static void wait_for_pipes(struct drainer *drainer, unsigned count)
{
	uint64_t deadline_ms = clock_now_ms() + HANG_GUARD_MS;

	while (drainer_pipes(drainer) != count) {
		assert_true(clock_now_ms() < deadline_ms);
		(void)poll(NULL, 0, 1);
	}
}

static void a_writer_of_a_drained_pipe_goes_on(void **state)
{
	struct drainer *drainer = drainer_create();
	int writer = drained_pipe(drainer);
	char *data = calloc(1, 1 << 20);

	(void)state;
	/* Sixteen pipes full, each write blocking until there is room. */
	assert_int_equal(fd_write_all(writer, data, 1 << 20, NULL), 0);
	assert_int_equal(drainer_pipes(drainer), 1);
	close(writer);
	wait_for_pipes(drainer, 0);
	drainer_destroy(drainer);
	free(data);
}

static void past_the_limit_the_oldest_pipe_is_closed(void **state)
{
	struct drainer *drainer = drainer_create();
	int writers[LIMIT_DRAINED_PIPES + 1];
	unsigned i;

	(void)state;
	for (i = 0; i < LIMIT_DRAINED_PIPES + 1; i++)
		writers[i] = drained_pipe(drainer);
	assert_int_equal(drainer_pipes(drainer), LIMIT_DRAINED_PIPES);
	assert_int_equal(write(writers[0], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	for (i = 1; i < LIMIT_DRAINED_PIPES + 1; i++)
		assert_int_equal(write(writers[i], "x", 1), 1);
	/* One in the middle ends: its place is free again, the others keep theirs. */
	close(writers[10]);
	wait_for_pipes(drainer, LIMIT_DRAINED_PIPES - 1);
	writers[10] = drained_pipe(drainer);
	assert_int_equal(write(writers[1], "x", 1), 1);
	drainer_destroy(drainer);
	for (i = 0; i < LIMIT_DRAINED_PIPES + 1; i++) {
		assert_int_equal(write(writers[i], "x", 1), -1);
		close(writers[i]);
	}
}

static void drainers_do_not_touch_each_other(void **state)
{
	struct drainer *gone = drainer_create();
	struct drainer *stays = drainer_create();
	int gone_writer = drained_pipe(gone);
	int writer = drained_pipe(stays);

	(void)state;
	drainer_destroy(gone);
	drainer_destroy(NULL);
	assert_int_equal(write(gone_writer, "x", 1), -1);
	assert_int_equal(write(writer, "x", 1), 1);
	close(gone_writer);
	close(writer);
	wait_for_pipes(stays, 0);
	drainer_destroy(stays);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_of_a_drained_pipe_goes_on),
		cmocka_unit_test(past_the_limit_the_oldest_pipe_is_closed),
		cmocka_unit_test(drainers_do_not_touch_each_other),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
