/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "base/limits.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

struct witness {
	sem_t is_done;
	sigset_t mask;
	size_t stack_bytes;
	pthread_t thread;
};

static void look_around(void *context)
{
	struct witness *witness = context;
	pthread_attr_t attributes;
	void *stack;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &witness->mask);
	(void)pthread_getattr_np(pthread_self(), &attributes);
	(void)pthread_attr_getstack(&attributes, &stack, &witness->stack_bytes);
	(void)pthread_attr_destroy(&attributes);
	witness->thread = pthread_self();
	(void)sem_post(&witness->is_done);
}

static void a_thread_has_the_stack_it_was_given_and_takes_no_signals(void **state)
{
	struct witness witness;
	sigset_t before, after;
	int number;

	(void)state;
	(void)sem_init(&witness.is_done, 0, 0);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(LIMIT_SMALL_STACK_BYTES, look_around, &witness, NULL), 0);
	assert_int_equal(sem_wait(&witness.is_done), 0);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_false(pthread_equal(witness.thread, pthread_self()));
	/* A sanitizer may add to it. */
	assert_in_range(witness.stack_bytes, LIMIT_SMALL_STACK_BYTES, 2 * MIB);
	for (number = 1; number < 32; number++) {
		if (number != SIGKILL && number != SIGSTOP)
			assert_int_equal(sigismember(&witness.mask, number), 1);
		assert_int_equal(sigismember(&before, number), sigismember(&after, number));
	}
	(void)sem_destroy(&witness.is_done);
}

static void a_stack_that_cannot_be_had_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	struct witness witness;

	(void)state;
	assert_int_equal(thread_start((size_t)1 << 60, look_around, &witness, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_the_stack_it_was_given_and_takes_no_signals),
		cmocka_unit_test(a_stack_that_cannot_be_had_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
