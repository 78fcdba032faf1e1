/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum { POSTERS = 4, POSTS = 2000 };

struct post {
	struct loop_task task;
	int sequence;
	struct counter *counter;
};

struct counter {
	struct loop *loop;
	struct post posts[POSTERS][POSTS];
	int last[POSTERS];
	int seen;
};

static void count(struct loop_task *task)
{
	struct post *post = CONTAINER_OF(task, struct post, task);
	struct counter *counter = post->counter;
	int poster = (int)((post - &counter->posts[0][0]) / POSTS);

	assert_int_equal(post->sequence, counter->last[poster] + 1);
	counter->last[poster] = post->sequence;
	if (++counter->seen == POSTERS * POSTS)
		loop_stop(counter->loop);
}

static void *post_all(void *context)
{
	struct post *posts = context;
	int i;

	for (i = 0; i < POSTS; i++)
		loop_post(posts->counter->loop, &posts[i].task);
	return NULL;
}

static void tasks_of_many_threads_all_run_each_in_its_order(void **state)
{
	static struct counter counter;
	pthread_t threads[POSTERS];
	int i;
	int k;

	(void)state;
	counter.loop = loop_create(NULL);
	assert_non_null(counter.loop);
	for (i = 0; i < POSTERS; i++) {
		for (k = 0; k < POSTS; k++)
			counter.posts[i][k] = (struct post){ { NULL, count }, k + 1, &counter };
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, counter.posts[i]), 0);
	}
	loop_run(counter.loop);
	for (i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(counter.seen, POSTERS * POSTS);
	loop_destroy(counter.loop);
}

struct events {
	struct loop *loop;
	struct loop_timer *timer;
	int fires;
	bool has_read;
	bool has_signal;
	int fd;
};

static void stop_if_complete(struct events *events)
{
	if (events->fires == 2 && events->has_read && events->has_signal)
		loop_stop(events->loop);
}

static void on_fire(void *context)
{
	struct events *events = context;

	if (++events->fires == 1)
		loop_timer_start(events->timer, 1);
	stop_if_complete(events);
}

static void on_ready(void *context)
{
	struct events *events = context;
	char byte;

	assert_int_equal(read(events->fd, &byte, 1), 1);
	events->has_read = true;
	stop_if_complete(events);
}

static void on_signal(void *context)
{
	struct events *events = context;

	events->has_signal = true;
	stop_if_complete(events);
}

static void timers_descriptors_and_signals_call_back(void **state)
{
	struct events events = { 0 };
	struct loop_watch *watch;
	struct loop_signal *signal;
	int ends[2];

	(void)state;
	events.loop = loop_create(NULL);
	assert_int_equal(pipe(ends), 0);
	events.fd = ends[0];
	events.timer = loop_timer_create(events.loop, on_fire, &events);
	loop_timer_start(events.timer, 1);
	watch = loop_watch_readable(events.loop, ends[0], on_ready, &events, NULL);
	signal = loop_signal_create(events.loop, SIGUSR1, on_signal, &events, NULL);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(raise(SIGUSR1), 0);
	loop_run(events.loop);
	assert_int_equal(events.fires, 2);
	loop_signal_destroy(signal);
	loop_watch_destroy(watch);
	loop_timer_destroy(events.timer);
	loop_destroy(events.loop);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

struct sleeper {
	struct loop *loop;
	struct loop_timer *timer;
	long sleep_us;
};

static void sleep_then_stop(void *context)
{
	struct sleeper *sleeper = context;
	const struct timespec pause = { 0, sleeper->sleep_us * 1000 };

	(void)nanosleep(&pause, NULL);
	loop_stop(sleeper->loop);
}

/* What the loop has counted after a callback that came after delay_ms and took sleep_us. */
static struct histogram stalls_of(uint64_t delay_ms, long sleep_us)
{
	struct sleeper sleeper = { .loop = loop_create(NULL), .sleep_us = sleep_us };
	struct histogram stalls;

	sleeper.timer = loop_timer_create(sleeper.loop, sleep_then_stop, &sleeper);
	loop_timer_start(sleeper.timer, delay_ms);
	loop_run(sleeper.loop);
	stalls = *loop_stalls(sleeper.loop);
	loop_timer_destroy(sleeper.timer);
	loop_destroy(sleeper.loop);
	return stalls;
}

static void a_callback_that_takes_long_is_a_stall(void **state)
{
	struct histogram stalls = stalls_of(0, 30000);

	(void)state;
	assert_true(stalls.sum_us >= 30000);
	assert_true(histogram_count(&stalls) >= 1);
}

static void waiting_for_work_is_no_stall(void **state)
{
	struct histogram stalls = stalls_of(500, 0);

	(void)state;
	assert_true(histogram_count(&stalls) >= 1);
	assert_true(stalls.sum_us < 400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_of_many_threads_all_run_each_in_its_order),
		cmocka_unit_test(timers_descriptors_and_signals_call_back),
		cmocka_unit_test(a_callback_that_takes_long_is_a_stall),
		cmocka_unit_test(waiting_for_work_is_no_stall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
