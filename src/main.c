/* SPDX-License-Identifier: MIT */

/* Picks the sub-command and runs it. */

#include "app/command.h"
#include "base/attr.h"
#include "base/limits.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, char **environment);
} commands[] = {
	{ "exec", command_exec },
	{ "doctor", command_doctor },
	{ "cleanup", command_cleanup },
	{ "completion", command_completion },
};

/* A descriptor from 0 to 2 that our starter closed would be given to the next file that we open,
 * and then read as a client or written over as a log. */
static int hold_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -1;
	} while (fd <= STDERR_FILENO);
	return close(fd);
}

/* What our starter did to signals stays with it: blocked, SIGTERM would not end us; with SIGCHLD
 * ignored, nobody can wait for a child. */
static void reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	/* Writing to whoever went away is an error that is handled, not the end. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* So is a file that may not grow any further (ulimit -f): the audit's, or the log's. */
	(void)signal(SIGXFSZ, SIG_IGN);
}

/* A core file would hold what clients send, and tokens. The value 1, and no other, also keeps the
 * kernel from starting a `|` core handler. */
static void forbid_core_files(void)
{
	static const struct rlimit no_core = { 1, 1 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
}

int main(int argc, char **argv)
{
	size_t i;

	if (hold_standard_descriptors() < 0)
		return 1;
	(void)mallopt(M_MMAP_THRESHOLD, (int)LIMIT_HEAP_CHUNK_BYTES);
	reset_signals();
	forbid_core_files();
	for (i = 0; argc > 1 && i < ARRAY_LENGTH(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1, environ);
	}
	return command_serve(argc, argv, environ);
}
