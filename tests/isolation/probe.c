/* SPDX-License-Identifier: MIT */
#include "tests/isolation/probe_machine.h"

#include "base/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_LIMIT_S 20

static int read_text(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, bytes - 1);

	if (fd >= 0)
		(void)close(fd);
	if (got < 0)
		return -1;
	text[got] = '\0';
	return 0;
}

/* Any one of these would do; a host process that shows all of them has nothing to lose either. */
static const char *why_not_a_sandbox(void)
{
	char text[4096];
	unsigned long long capabilities = ~0ULL;
	const char *line;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return "no_new_privs is not set";
	if (read_text("/proc/self/status", text, sizeof(text)) < 0)
		return "/proc/self/status cannot be read";
	line = strstr(text, "\nSeccomp:\t2");
	if (!line)
		return "no system call filter is loaded";
	line = strstr(text, "\nCapBnd:\t");
	if (!line || sscanf(line, "\nCapBnd:\t%llx", &capabilities) != 1)
		return "the capabilities cannot be read";
	/* SYS_MODULE, SYS_RAWIO, SYS_ADMIN, SYS_BOOT, SYS_TIME */
	if (capabilities & (1ULL << 16 | 1ULL << 17 | 1ULL << 21 | 1ULL << 22 | 1ULL << 25))
		return "this process could get a capability that does harm";
	if (read_text("/proc/self/uid_map", text, sizeof(text)) < 0 || strstr(text, "4294967295"))
		return "this is the machine's own user namespace";
	if (read_text("/proc/1/comm", text, sizeof(text)) == 0 && strncmp(text, "systemd", 7) == 0)
		return "process 1 is systemd";
	return NULL;
}

static int run_call(const struct probe_call *call)
{
	const long *a = call->arguments;

	return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

static int run_path(const struct probe_path *path)
{
	int fd = open(path->path, path->flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char byte;
	ssize_t got;

	if (fd < 0)
		return errno;
	if ((path->flags & O_ACCMODE) != O_RDONLY || (path->flags & O_DIRECTORY))
		return 0;
	got = read(fd, &byte, 1);
	if (got < 0)
		return errno;
	return got == 0 ? PROBE_EMPTY : 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return PROBE_BROKEN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Prints "name -signal" for a check that a signal ended. */
static void report(const char *name, int result)
{
	printf("%s %d\n", name, result);
	(void)fflush(stdout);
}

static bool is_child(pid_t *pid)
{
	(void)fflush(stdout);
	*pid = fork();
	if (*pid == 0)
		(void)alarm(CHECK_LIMIT_S);
	return *pid == 0;
}

static void try_calls(const struct probe_call *calls, size_t count)
{
	pid_t pid;

	for (size_t i = 0; i < count; i++) {
		if (is_child(&pid))
			_exit(run_call(&calls[i]));
		report(calls[i].name, wait_for(pid));
	}
}

static void try_paths(const struct probe_path *paths, size_t count)
{
	pid_t pid;

	for (size_t i = 0; i < count; i++) {
		if (is_child(&pid))
			_exit(run_path(&paths[i]));
		report(paths[i].name, wait_for(pid));
	}
}

static void try_checks(const struct probe_check *checks, size_t count)
{
	pid_t pid;

	for (size_t i = 0; i < count; i++) {
		if (is_child(&pid))
			_exit(checks[i].run());
		report(checks[i].name, wait_for(pid));
	}
}

int main(int argc, char **argv)
{
	const char *reason = why_not_a_sandbox();

	if (argc != 2 || strcmp(argv[1], "--inside-a-sandbox") != 0 || reason) {
		(void)fprintf(stderr,
			      "probe: runs only in a sandbox, with --inside-a-sandbox%s%s\n",
			      reason ? ": " : "", reason ? reason : "");
		return 3;
	}
	try_calls(probe_calls, probe_call_count);
	try_calls(probe_machine_calls, probe_machine_call_count);
	try_paths(probe_paths, probe_path_count);
	try_checks(probe_checks, probe_check_count);
	try_checks(probe_machine_checks, probe_machine_check_count);
	puts("end 0");
	return 0;
}
