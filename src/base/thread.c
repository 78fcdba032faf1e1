/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct start {
	void (*body)(void *context);
	void *context;
};

static void *thread_main(void *argument)
{
	struct start start = *(struct start *)argument;

	free(argument);
	start.body(start.context);
	return NULL;
}

int thread_start(size_t stack_bytes, void (*body)(void *context), void *context, struct error *err)
{
	struct start *start = alloc_zeroed(sizeof(*start));
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int failure;

	start->body = body;
	start->context = context;
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, stack_bytes);
	/* A thread inherits the mask of its creator. (pthread_attr_setsigmask_np would cost less,
	 * but sanitizers lose it.) */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&thread, &attributes, thread_main, start);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (failure == 0)
		return 0;
	free(start);
	errno = failure;
	return error_set_kind_errno(err, ERROR_BUSY, "starting a thread");
}
