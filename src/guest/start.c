/* SPDX-License-Identifier: MIT */
#include "guest/start.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

/* Through symbolic links, but never through the magic ones of /proc (self/fd/0, 1/root), which
 * lead to places that no path of the sandbox names. */
static int open_directory(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	/* Before Linux 5.6, or under a filter of then. Our own descriptors are no directories,
	 * and other processes of ours cannot be read, so a magic link leads nowhere. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static const char *find_path(char *const *environment)
{
	for (; *environment; environment++) {
		if (strncmp(*environment, "PATH=", 5) == 0)
			return *environment + 5;
	}
	return DEFAULT_PATH;
}

/* Joins directory and program; -1 if they are too long to be a path. */
static int join(char path[LIMIT_PATH_BYTES], const char *directory, size_t directory_bytes,
		const char *program)
{
	size_t program_bytes = strlen(program);

	if (directory_bytes + 1 + program_bytes >= LIMIT_PATH_BYTES)
		return -1;
	memcpy(path, directory, directory_bytes);
	/* An empty element of PATH is the current directory. */
	if (directory_bytes > 0)
		path[directory_bytes++] = '/';
	memcpy(path + directory_bytes, program, program_bytes + 1);
	return 0;
}

/* Returns errno. As a shell looks: a file that must not be run does not end the search, but is
 * the answer if nothing better comes. */
static int exec_in_path(const char *program, char *const *arguments, char *const *environment)
{
	char path[LIMIT_PATH_BYTES];
	const char *at = find_path(environment);
	int answer = ENOENT;

	for (;;) {
		size_t bytes = strcspn(at, ":");

		if (join(path, at, bytes, program) == 0) {
			(void)execve(path, arguments, environment);
			if (errno == EACCES)
				answer = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		if (at[bytes] == '\0')
			return answer;
		at += bytes + 1;
	}
}

static int exec_program(char *const *arguments, char *const *environment)
{
	if (arguments[0][0] == '\0')
		return ENOENT;
	if (!strchr(arguments[0], '/'))
		return exec_in_path(arguments[0], arguments, environment);
	(void)execve(arguments[0], arguments, environment);
	return errno;
}

static bool is_null_device(int fd)
{
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == makedev(1, 3);
}

/*
 * An input without data that is ours. The server's null device is the host's: a command that has it
 * open could watch who uses it, and set its times. Where /dev/null is something else (a FIFO
 * would make us wait), it is a pipe whose other end is closed.
 */
static int open_empty(void)
{
	int fd = open("/dev/null", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int pair[2];

	if (is_null_device(fd) && fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	cleanup_fd(&fd);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	(void)close(pair[1]);
	return pair[0];
}

static void set_nofile(unsigned long soft)
{
	struct rlimit limit;

	if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_processes(unsigned long count)
{
	const struct rlimit limit = { count, count };

	if (count > 0)
		(void)setrlimit(RLIMIT_NPROC, &limit);
}

/* execve is declared as if it changed the strings; it does not. */
static char *const *as_vector(const char *const *strings)
{
	return (char *const *)(uintptr_t)strings;
}

/* In the vforked child: touches nothing of the parent's memory but *failed. */
static void become_command(const struct start *start, int directory_fd, pid_t parent,
			   volatile struct guest_wire_failed *failed)
{
	char *const *environment =
		start->request.environment ? as_vector(start->request.environment) : environ;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	/* `kill 0` in a script must not reach the supervisor; and the scheduler shares out the
	 * processor by session: in one with sixty forking processes the supervisor would wait for
	 * its turn to read KILL longer than the server has patience. */
	(void)setsid();
	for (int i = 0; i < 3; i++)
		(void)dup2(start->stdio_fds[i], i);
	if (directory_fd >= 0 && fchdir(directory_fd) < 0) {
		failed->errno_value = (uint32_t)errno;
		failed->step = GUEST_WIRE_STEP_DIRECTORY;
		_exit(127);
	}
	(void)umask(0022);
	set_nofile(start->nofile_soft);
	set_processes(start->processes);
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	failed->errno_value =
		(uint32_t)exec_program(as_vector(start->request.arguments), environment);
	failed->step = GUEST_WIRE_STEP_PROGRAM;
	_exit(127);
}

/* The child shares our memory and writes to *failed while this function sleeps. */
static pid_t spawn(const struct start *start, int directory_fd, int empty_fd,
		   volatile struct guest_wire_failed *failed)
{
	struct start own = *start;
	pid_t self = getpid();
	pid_t pid;

	if (empty_fd >= 0)
		own.stdio_fds[STDIN_FILENO] = empty_fd;
	pid = vfork();
	if (pid == 0)
		become_command(&own, directory_fd, self, failed);
	if (pid < 0) {
		failed->errno_value = (uint32_t)errno;
		failed->step = GUEST_WIRE_STEP_PROCESS;
	}
	return pid;
}

pid_t start_command(const struct start *start, struct guest_wire_failed *failed)
{
	CLEANUP(cleanup_fd) int directory_fd = -1;
	CLEANUP(cleanup_fd) int empty_fd = -1;
	volatile struct guest_wire_failed told = { 0 };
	pid_t pid;

	if (start->request.directory[0] != '\0') {
		directory_fd = open_directory(start->request.directory);
		if (directory_fd < 0) {
			*failed = (struct guest_wire_failed){ GUEST_WIRE_STEP_DIRECTORY,
							      (uint32_t)errno };
			return -1;
		}
	}
	if (is_null_device(start->stdio_fds[STDIN_FILENO])) {
		empty_fd = open_empty();
		if (empty_fd < 0) {
			*failed = (struct guest_wire_failed){ GUEST_WIRE_STEP_PROCESS,
							      (uint32_t)errno };
			return -1;
		}
	}
	pid = spawn(start, directory_fd, empty_fd, &told);
	if (told.errno_value == 0)
		return pid;
	*failed = (struct guest_wire_failed){ told.step, told.errno_value };
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}
