/* SPDX-License-Identifier: MIT */

/*
 * The yardstick: how long vfork, exec and wait of a program take on this
 * machine, without any sandbox. Prints one time in microseconds per line.
 *
 * usage: bench-spawn COUNT PROGRAM [ARGUMENT...]
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RUNS 100000

extern char **environ;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Microseconds, or -1. glibc's posix_spawn is clone(CLONE_VM | CLONE_VFORK) and exec. */
static double spawn_once(char **argv, const posix_spawn_file_actions_t *to_null)
{
	int64_t started = now_ns();
	int status = 0;
	pid_t pid;

	errno = posix_spawn(&pid, argv[0], to_null, NULL, argv, environ);
	if (errno != 0) {
		perror(argv[0]);
		return -1;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		(void)fprintf(stderr, "%s ended with status %d\n", argv[0], status);
		return -1;
	}
	return (double)(now_ns() - started) / 1000;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t to_null;
	long runs = argc > 2 ? strtol(argv[1], NULL, 10) : 0;

	if (runs < 1 || runs > MAX_RUNS) {
		(void)fprintf(stderr, "usage: bench-spawn COUNT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	posix_spawn_file_actions_init(&to_null);
	posix_spawn_file_actions_addopen(&to_null, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	for (long run = 0; run < runs; run++) {
		double microseconds = spawn_once(argv + 2, &to_null);

		if (microseconds < 0)
			return 1;
		printf("%.1f\n", microseconds);
	}
	posix_spawn_file_actions_destroy(&to_null);
	return 0;
}
