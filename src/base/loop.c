/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct loop {
	struct event_base *base;
	struct event *wake;
	int wake_fd;
	pthread_mutex_t mutex; /* guards first, last, is_stopping */
	struct loop_task *first, *last;
	bool is_stopping;
	uint64_t entered_us; /* when this round's first callback began; 0: none has */
	struct histogram stalls;
};

struct loop_timer {
	struct loop *loop;
	struct event *event;
	void (*on_fire)(void *context);
	void *context;
};

struct loop_watch {
	struct loop *loop;
	struct event *event;
	void (*on_ready)(void *context);
	void *context;
};

struct loop_signal {
	struct loop *loop;
	struct event *event;
	void (*on_signal)(void *context);
	void *context;
};

static const uint64_t stall_bounds_us[] = { 100,   250,	  500,	  1000,	  2500,	  5000,	  10000,
					    25000, 50000, 100000, 250000, 500000, 1000000 };

static void run_tasks(evutil_socket_t fd, short events, void *context)
{
	struct loop *loop = context;
	struct loop_task *task;
	eventfd_t count;
	bool is_stopping;

	(void)events;
	loop_enter(loop);
	(void)eventfd_read(fd, &count);
	pthread_mutex_lock(&loop->mutex);
	task = loop->first;
	loop->first = loop->last = NULL;
	is_stopping = loop->is_stopping;
	pthread_mutex_unlock(&loop->mutex);
	while (task) {
		/* The task may free itself or be posted again. */
		struct loop_task *next = task->next;

		task->run(task);
		task = next;
	}
	if (is_stopping)
		(void)event_base_loopbreak(loop->base);
}

struct loop *loop_create(struct error *err)
{
	struct event_config *config = event_config_new();
	struct loop *loop = alloc_zeroed(sizeof(*loop));

	loop->wake_fd = -1;
	histogram_init(&loop->stalls, stall_bounds_us, ARRAY_LENGTH(stall_bounds_us));
	(void)pthread_mutex_init(&loop->mutex, NULL);
	if (config) {
		(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		(void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->base && loop->wake_fd >= 0)
		loop->wake =
			event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, run_tasks, loop);
	if (!loop->wake || event_add(loop->wake, NULL) < 0) {
		(void)error_set_errno(err, "creating the event loop");
		loop_destroy(loop);
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->wake)
		event_free(loop->wake);
	if (loop->base)
		event_base_free(loop->base);
	cleanup_fd(&loop->wake_fd);
	(void)pthread_mutex_destroy(&loop->mutex);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

int loop_run_once(struct loop *loop)
{
	loop->entered_us = 0;
	if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		return -1;
	if (loop->entered_us != 0)
		histogram_add(&loop->stalls, clock_now_us() - loop->entered_us);
	return 0;
}

void loop_run(struct loop *loop)
{
	while (loop_run_once(loop) == 0 && !event_base_got_break(loop->base))
		;
}

void loop_enter(struct loop *loop)
{
	if (loop->entered_us == 0)
		loop->entered_us = clock_now_us();
}

uint64_t loop_round_us(const struct loop *loop)
{
	return clock_now_us() - loop->entered_us;
}

const struct histogram *loop_stalls(const struct loop *loop)
{
	return &loop->stalls;
}

void loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	loop->is_stopping = true;
	pthread_mutex_unlock(&loop->mutex);
	(void)eventfd_write(loop->wake_fd, 1);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	/* The write stays inside the lock: once a task has been queued, the loop may run it,
	 * finish, and destroy this object; holding the lock keeps the descriptor alive. */
	task->next = NULL;
	pthread_mutex_lock(&loop->mutex);
	if (loop->last)
		loop->last->next = task;
	else
		loop->first = task;
	loop->last = task;
	(void)eventfd_write(loop->wake_fd, 1);
	pthread_mutex_unlock(&loop->mutex);
}

static void timer_fired(evutil_socket_t fd, short events, void *context)
{
	struct loop_timer *timer = context;

	(void)fd;
	(void)events;
	loop_enter(timer->loop);
	timer->on_fire(timer->context);
}

struct loop_timer *loop_timer_create(struct loop *loop, void (*on_fire)(void *context),
				     void *context)
{
	struct loop_timer *timer = alloc_zeroed(sizeof(*timer));

	timer->loop = loop;
	timer->on_fire = on_fire;
	timer->context = context;
	timer->event = event_new(loop->base, -1, 0, timer_fired, timer);
	if (!timer->event)
		abort();
	return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
	struct timeval delay = { (time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000) };

	if (event_add(timer->event, &delay) < 0)
		abort();
}

void loop_timer_stop(struct loop_timer *timer)
{
	(void)event_del(timer->event);
}

void loop_timer_destroy(struct loop_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

static void watch_ready(evutil_socket_t fd, short events, void *context)
{
	struct loop_watch *watch = context;

	(void)fd;
	(void)events;
	loop_enter(watch->loop);
	watch->on_ready(watch->context);
}

struct loop_watch *loop_watch_readable(struct loop *loop, int fd, void (*on_ready)(void *context),
				       void *context, struct error *err)
{
	struct loop_watch *watch = alloc_zeroed(sizeof(*watch));

	watch->loop = loop;
	watch->on_ready = on_ready;
	watch->context = context;
	watch->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, watch_ready, watch);
	if (!watch->event || event_add(watch->event, NULL) < 0) {
		(void)error_set_errno(err, "watching descriptor %d", fd);
		loop_watch_destroy(watch);
		return NULL;
	}
	return watch;
}

void loop_watch_destroy(struct loop_watch *watch)
{
	if (!watch)
		return;
	if (watch->event)
		event_free(watch->event);
	free(watch);
}

static void signal_came(evutil_socket_t fd, short events, void *context)
{
	struct loop_signal *signal = context;

	(void)fd;
	(void)events;
	loop_enter(signal->loop);
	signal->on_signal(signal->context);
}

struct loop_signal *loop_signal_create(struct loop *loop, int signal_number,
				       void (*on_signal)(void *context), void *context,
				       struct error *err)
{
	struct loop_signal *signal = alloc_zeroed(sizeof(*signal));

	signal->loop = loop;
	signal->on_signal = on_signal;
	signal->context = context;
	signal->event =
		event_new(loop->base, signal_number, EV_SIGNAL | EV_PERSIST, signal_came, signal);
	if (!signal->event || event_add(signal->event, NULL) < 0) {
		(void)error_set_errno(err, "watching signal %d", signal_number);
		loop_signal_destroy(signal);
		return NULL;
	}
	return signal;
}

void loop_signal_destroy(struct loop_signal *signal)
{
	if (!signal)
		return;
	if (signal->event)
		event_free(signal->event);
	free(signal);
}
