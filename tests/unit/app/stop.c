/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/stop.h"
#include "app/unavailable.h"
#include "base/fd.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Far above what anything here takes: only a test that hangs reaches it. */
#define HANG_S 60

/* Signal handlers are the process's: each case runs in a process of its own, whose exit code is
 * its result. */
static int exit_code_of(void (*run)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(HANG_S);
		run();
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void raise_once(void)
{
	struct cancel cancel;

	if (cancel_init(&cancel, NULL) < 0)
		_exit(98);
	stop_on_signal(&cancel);
	if (stop_signal() != 0 || cancel_is_raised(&cancel))
		_exit(97);
	(void)raise(SIGTERM);
	_exit(stop_signal() == SIGTERM && cancel_is_raised(&cancel) ? 0 : 96);
}

static void raise_twice(void)
{
	struct cancel cancel;

	if (cancel_init(&cancel, NULL) < 0)
		_exit(98);
	stop_on_signal(&cancel);
	(void)raise(SIGTERM);
	(void)raise(SIGINT);
}

static void raise_without_cancel(void)
{
	stop_on_signal(NULL);
	(void)raise(SIGTERM);
}

static void hang_beyond_patience(void)
{
	stop_after(1);
	for (;;)
		(void)pause();
}

/* Nobody reads what it would say. */
static void hang_with_a_full_stderr(void)
{
	static const char byte = 'x';
	int ends[2];

	if (fd_open_pipe(ends, NULL) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		_exit(98);
	while (fd_write_ready(STDERR_FILENO, &byte, 1) == 0)
		;
	hang_beyond_patience();
}

static void the_first_signal_raises_the_cancel_flag(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(raise_once), 0);
}

static void the_second_signal_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(raise_twice), 128 + SIGINT);
}

static void without_a_flag_to_raise_the_first_signal_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(raise_without_cancel), 128 + SIGTERM);
}

static void a_process_that_hangs_while_stopping_is_ended(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(hang_beyond_patience), 1);
	assert_int_equal(exit_code_of(hang_with_a_full_stderr), 1);
}

static void a_backend_that_could_not_be_opened_refuses_every_sandbox_with_the_reason(void **state)
{
	const struct backend_config config = { 0 };
	struct error reason = ERROR_INIT;
	struct error err = ERROR_INIT;
	struct exec_facts facts;
	struct backend *backend;

	(void)state;
	(void)error_set(&reason, ERROR_INTERNAL, "No namespaces. Run this: x");
	backend = unavailable_open(&config, &reason);
	assert_int_equal(backend_check(backend, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_string_equal(err.message, reason.message);

	err = (struct error)ERROR_INIT;
	assert_null(sandbox_create(backend, NULL, NULL, &err));
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_string_equal(err.message, reason.message);

	err = (struct error)ERROR_INIT;
	assert_int_equal(backend_describe(backend, &facts, &err), -1);
	assert_string_equal(err.message, reason.message);
	backend_close(backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_signal_raises_the_cancel_flag),
		cmocka_unit_test(the_second_signal_ends_the_process),
		cmocka_unit_test(without_a_flag_to_raise_the_first_signal_ends_the_process),
		cmocka_unit_test(a_process_that_hangs_while_stopping_is_ended),
		cmocka_unit_test(
			a_backend_that_could_not_be_opened_refuses_every_sandbox_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
