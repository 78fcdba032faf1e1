/* SPDX-License-Identifier: MIT */
#pragma once

/* Threads with small stacks. Signals are for the loop thread: they are blocked here. */

#include "base/error.h"

#include <pthread.h>
#include <stddef.h>

/* Runs body(context) on a detached thread of this stack size, new or done with something else.
 * ERROR_BUSY if the system has no more threads to give. */
int thread_start(size_t stack_bytes, void (*body)(void *context), void *context, struct error *err);
/* Likewise, but one of its own, which is over with the body: pthread_join it. */
int thread_start_joinable(size_t stack_bytes, void (*body)(void *context), void *context,
			  pthread_t *thread, struct error *err);
