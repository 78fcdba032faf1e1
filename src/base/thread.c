/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
	void (*body)(void *context);
	void *context;
};

/* A thread that waits for something to do, on its own stack. */
struct idler {
	struct idler *next;
	size_t stack_bytes;
	pthread_cond_t wakes;
	bool has_job;
	struct job job;
};

/*
 * Every call runs on a thread, and waking one costs less than making one and its
 * first page faults (measured: 3 % of a short call). So a few wait for the next
 * job instead of ending. They never end: the process does.
 */
#define MAX_IDLERS 2

static struct {
	pthread_mutex_t mutex;
	struct idler *first; /* of those that wait */
	unsigned count;
} idlers = { PTHREAD_MUTEX_INITIALIZER, NULL, 0 };

struct start {
	struct job job;
	size_t stack_bytes;
};

/* False if enough threads wait already. */
static bool wait_for_job(size_t stack_bytes, struct job *job)
{
	struct idler idler = { .stack_bytes = stack_bytes, .wakes = PTHREAD_COND_INITIALIZER };

	pthread_mutex_lock(&idlers.mutex);
	if (idlers.count < MAX_IDLERS) {
		idlers.count++;
		idler.next = idlers.first;
		idlers.first = &idler;
		while (!idler.has_job)
			pthread_cond_wait(&idler.wakes, &idlers.mutex);
	}
	pthread_mutex_unlock(&idlers.mutex);
	(void)pthread_cond_destroy(&idler.wakes);
	*job = idler.job;
	return idler.has_job;
}

static bool give_to_idler(size_t stack_bytes, const struct job *job)
{
	struct idler **at = &idlers.first;
	struct idler *idler;

	pthread_mutex_lock(&idlers.mutex);
	while (*at && (*at)->stack_bytes != stack_bytes)
		at = &(*at)->next;
	idler = *at;
	if (idler) {
		*at = idler->next;
		idlers.count--;
		idler->job = *job;
		idler->has_job = true;
		pthread_cond_signal(&idler->wakes);
	}
	pthread_mutex_unlock(&idlers.mutex);
	return idler != NULL;
}

static void *thread_main(void *argument)
{
	struct start start = *(struct start *)argument;

	free(argument);
	do {
		start.job.body(start.job.context);
	} while (wait_for_job(start.stack_bytes, &start.job));
	return NULL;
}

static void *joinable_main(void *argument)
{
	const struct job job = *(struct job *)argument;

	free(argument);
	job.body(job.context);
	return NULL;
}

/* `argument` is the new thread's, or freed. */
static int create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		  void *argument, struct error *err)
{
	sigset_t all, before;
	int failure;

	/* A thread inherits the mask of its creator. (pthread_attr_setsigmask_np would cost less,
	 * but sanitizers lose it.) */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(thread, attributes, run, argument);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure == 0)
		return 0;
	free(argument);
	errno = failure;
	return error_set_kind_errno(err, ERROR_BUSY, "starting a thread");
}

int thread_start(size_t stack_bytes, void (*body)(void *context), void *context, struct error *err)
{
	const struct job job = { body, context };
	struct start *start;
	pthread_attr_t attributes;
	pthread_t thread;
	int result;

	if (give_to_idler(stack_bytes, &job))
		return 0;
	start = alloc_zeroed(sizeof(*start));
	*start = (struct start){ job, stack_bytes };
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, stack_bytes);
	result = create(&thread, &attributes, thread_main, start, err);
	(void)pthread_attr_destroy(&attributes);
	return result;
}

int thread_start_joinable(size_t stack_bytes, void (*body)(void *context), void *context,
			  pthread_t *thread, struct error *err)
{
	struct job *job = alloc_zeroed(sizeof(*job));
	pthread_attr_t attributes;
	int result;

	*job = (struct job){ body, context };
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, stack_bytes);
	result = create(thread, &attributes, joinable_main, job, err);
	(void)pthread_attr_destroy(&attributes);
	return result;
}
