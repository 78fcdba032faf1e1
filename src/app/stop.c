/* SPDX-License-Identifier: MIT */
#include "app/stop.h"

#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t first_signal;
static volatile sig_atomic_t cancel_fd = -1;

static void on_signal(int number)
{
	const uint64_t one = 1;
	int saved = errno;

	if (cancel_fd < 0 || first_signal != 0)
		_exit(128 + number);
	first_signal = number;
	/* Writing to an eventfd is cancel_raise, in the form that a handler may use. */
	if (write(cancel_fd, &one, sizeof(one)) < 0)
		_exit(128 + number);
	errno = saved;
}

void stop_on_signal(const struct cancel *cancel)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	cancel_fd = cancel ? cancel->fd : -1;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

int stop_signal(void)
{
	return first_signal;
}

static void on_alarm(int number)
{
	static const char text[] = "kilntainers: error: the end took too long\n";

	(void)number;
	(void)fd_write_ready(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

void stop_after(uint64_t milliseconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value = { (time_t)(milliseconds / 1000),
						 (suseconds_t)(milliseconds % 1000 * 1000) } };

	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}
