/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A thread of its own for what has to be looked after while others work: it
 * does one step after the other, sleeps in between, and ends with its owner.
 * Its lock guards whatever the steps share with other threads.
 *
 * Start and stop belong to the owner; the rest to any thread.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct background {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock, which it may give up meanwhile. */
	void (*step)(void *context);
	void *context;
	bool is_ending;
	bool is_running;
};

/* Without a thread to be had, no step is ever done: what a step does must be of help, and not be
 * needed. */
void background_start(struct background *background, void (*step)(void *context), void *context);
/* Returns when no step runs any more. */
void background_stop(struct background *background);

/* In a step: sleeps until then (clock_now_ms() time, or CLOCK_NEVER), or until it is woken. */
void background_sleep(struct background *background, uint64_t until_ms);
/* Under the lock: something changed that a step may be waiting for. */
void background_wake(struct background *background);
