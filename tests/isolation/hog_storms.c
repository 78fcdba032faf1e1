/* SPDX-License-Identifier: MIT */
#include "hog.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than a sandbox of these tests may have, and little enough for a machine where nothing
 * holds it. */
#define MOST_BYTES (384 << 20)
#define PIECE_BYTES (1 << 20)
#define SPINNERS_PER_CORE 4

static const char piece[PIECE_BYTES];

/* Whatever becomes of one that does it, there is another. */
static void again_and_again(void (*once)(void))
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			once();
			_exit(0);
		}
		if (pid < 0)
			(void)sched_yield();
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
}

static void storm_fork(void)
{
	for (;;)
		(void)fork();
}

static void eat_memory(void)
{
	for (size_t bytes = 0; bytes < MOST_BYTES; bytes += PIECE_BYTES) {
		char *memory = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return;
		memset(memory, 1, PIECE_BYTES);
	}
}

static void storm_memory(void)
{
	again_and_again(eat_memory);
}

static void eat_file(void)
{
	int fd = memfd_create("hog", 0);

	for (size_t bytes = 0; bytes < MOST_BYTES; bytes += PIECE_BYTES) {
		if (write(fd, piece, sizeof(piece)) < 0)
			return;
	}
}

static void storm_memory_file(void)
{
	again_and_again(eat_file);
}

static void fill_shared(void)
{
	int fd = open("/dev/shm/full", O_CREAT | O_TRUNC | O_WRONLY, 0600);

	for (size_t bytes = 0; bytes < MOST_BYTES; bytes += PIECE_BYTES) {
		if (write(fd, piece, sizeof(piece)) < 0)
			break;
	}
	(void)!ftruncate(fd, 0);
}

static void storm_shared(void)
{
	again_and_again(fill_shared);
}

static void storm_files(void)
{
	for (unsigned i = 0;; i++) {
		char name[32];
		int fd;

		(void)snprintf(name, sizeof(name), "/tmp/hog-%u", i);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd >= 0) {
			(void)close(fd);
			continue;
		}
		while (i-- > 0) {
			(void)snprintf(name, sizeof(name), "/tmp/hog-%u", i);
			(void)unlink(name);
		}
	}
}

/* Takes until there is no more, lets go, and takes again. */
static void storm_quota(const char *name)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			const struct hog_quota *quota = hog_quotas;

			while (strcmp(quota->name, name) != 0)
				quota++;
			while (quota->take() == 0)
				;
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
	}
}

static void storm_inotify(void)
{
	storm_quota("inotify");
}

static void storm_in_flight(void)
{
	storm_quota("in-flight");
}

static void storm_keys(void)
{
	storm_quota("keys");
}

static void storm_terminals(void)
{
	storm_quota("terminals");
}

static void storm_signals(void)
{
	storm_quota("signals");
}

static void storm_spin(void)
{
	for (long i = 1; i < sysconf(_SC_NPROCESSORS_ONLN) * SPINNERS_PER_CORE; i++) {
		if (fork() == 0)
			break;
	}
	for (;;)
		;
}

static void storm_output(void)
{
	static char yes[65536];

	memset(yes, 'y', sizeof(yes));
	while (write(STDOUT_FILENO, yes, sizeof(yes)) > 0)
		;
}

/* Everyone but PID 1 and itself. */
static void storm_stop(void)
{
	for (;;)
		(void)kill(-1, SIGSTOP);
}

static void storm_kill(void)
{
	for (;;)
		(void)kill(-1, SIGKILL);
}

const struct hog_storm hog_storms[] = {
	{ "fork", storm_fork },
	{ "memory", storm_memory },
	{ "memory-file", storm_memory_file },
	{ "shared", storm_shared },
	{ "files", storm_files },
	{ "inotify", storm_inotify },
	{ "in-flight", storm_in_flight },
	{ "keys", storm_keys },
	{ "terminals", storm_terminals },
	{ "signals", storm_signals },
	{ "spin", storm_spin },
	{ "output", storm_output },
	{ "stop", storm_stop },
	{ "kill", storm_kill },
	{ NULL, NULL },
};
