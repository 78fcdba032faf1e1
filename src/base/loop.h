/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The event loop (libevent core): timers, descriptors, signals, and tasks posted
 * by other threads. One thread runs it and owns all session state; only
 * loop_post and loop_stop may be called from elsewhere. Callbacks must not
 * block. Nothing here is called back after its destroy function returned.
 */

#include "base/error.h"
#include "base/metrics.h"

#include <stdint.h>

struct event_base;
struct loop;
struct loop_timer;
struct loop_watch;
struct loop_signal;

/* Work for the loop thread, embedded in its poster's object: posting allocates
 * nothing and cannot fail. A task may be posted again once it has run. */
struct loop_task {
	struct loop_task *next;
	void (*run)(struct loop_task *task);
};

struct loop *loop_create(struct error *err);
void loop_destroy(struct loop *loop);
/* libevent's own, for transport/http alone: sockets that are watched for reading, writing and
 * hanging up at once. Its events go before the loop does. */
struct event_base *loop_base(struct loop *loop);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
/* One round of it: waits until there is something to do, and does it. 0, or -1 if it cannot. */
int loop_run_once(struct loop *loop);
/* Any thread. */
void loop_stop(struct loop *loop);
/* Any thread; tasks run in the order of posting. */
void loop_post(struct loop *loop, struct loop_task *task);

/* For how long the loop saw nothing new: each round's time from its first callback to its end,
 * whatever they waited for. Callbacks of libevent that do not come from here say so first thing,
 * by loop_enter. Loop thread. */
const struct histogram *loop_stalls(const struct loop *loop);
void loop_enter(struct loop *loop);
/* How long this round has lasted. Loop thread, from a callback. */
uint64_t loop_round_us(const struct loop *loop);

/* One-shot; starting a running timer re-arms it. */
struct loop_timer *loop_timer_create(struct loop *loop, void (*on_fire)(void *context),
				     void *context);
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_destroy(struct loop_timer *timer);

/* Calls back while `fd` is readable (or at end-of-file). The descriptor stays the caller's. */
struct loop_watch *loop_watch_readable(struct loop *loop, int fd, void (*on_ready)(void *context),
				       void *context, struct error *err);
void loop_watch_destroy(struct loop_watch *watch);

struct loop_signal *loop_signal_create(struct loop *loop, int signal_number,
				       void (*on_signal)(void *context), void *context,
				       struct error *err);
void loop_signal_destroy(struct loop_signal *signal);
