/* SPDX-License-Identifier: MIT */
#include "base/background.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"

#include <time.h>

static void run(void *context)
{
	struct background *background = context;

	(void)pthread_mutex_lock(&background->lock);
	while (!background->is_ending)
		background->step(background->context);
	background->is_running = false;
	(void)pthread_cond_broadcast(&background->changed);
	(void)pthread_mutex_unlock(&background->lock);
}

void background_start(struct background *background, void (*step)(void *context), void *context)
{
	pthread_condattr_t attributes;

	background->step = step;
	background->context = context;
	background->is_ending = false;
	background->is_running = true;
	(void)pthread_mutex_init(&background->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	/* As clock_now_ms() counts. */
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&background->changed, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	if (thread_start(LIMIT_SMALL_STACK_BYTES, run, background, NULL) < 0)
		background->is_running = false;
}

void background_stop(struct background *background)
{
	(void)pthread_mutex_lock(&background->lock);
	background->is_ending = true;
	(void)pthread_cond_broadcast(&background->changed);
	while (background->is_running)
		(void)pthread_cond_wait(&background->changed, &background->lock);
	(void)pthread_mutex_unlock(&background->lock);
	(void)pthread_cond_destroy(&background->changed);
	(void)pthread_mutex_destroy(&background->lock);
}

void background_sleep(struct background *background, uint64_t until_ms)
{
	const struct timespec until = { (time_t)(until_ms / 1000),
					(long)(until_ms % 1000) * 1000000 };

	if (background->is_ending)
		return;
	if (until_ms == CLOCK_NEVER)
		(void)pthread_cond_wait(&background->changed, &background->lock);
	else
		(void)pthread_cond_timedwait(&background->changed, &background->lock, &until);
}

void background_wake(struct background *background)
{
	(void)pthread_cond_broadcast(&background->changed);
}
