/* SPDX-License-Identifier: MIT */

/* Sandboxes seen from outside: through the /proc of this machine. A process is
 * only ever signalled after it was recognised by a random word on its command
 * line, or as the parent of one that was. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "guest/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 10000

void make_marker(char marker[33])
{
	random_hex(marker, 16);
}

static bool has_marker(const char *pid_text, const char *marker)
{
	char path[64];
	char line[4096];
	ssize_t bytes;

	(void)snprintf(path, sizeof(path), "/proc/%.24s/cmdline", pid_text);
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bytes = read(fd, line, sizeof(line));
	return bytes > 0 && memmem(line, (size_t)bytes, marker, strlen(marker)) != NULL;
}

static pid_t look(const char *marker)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	while (directory && found == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_marker(entry->d_name, marker))
			found = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	if (directory)
		(void)closedir(directory);
	return found;
}

pid_t visible_find(const char *marker)
{
	uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
	pid_t pid;

	while ((pid = look(marker)) == 0 && clock_now_ms() < deadline_ms)
		(void)poll(NULL, 0, 5);
	return pid;
}

/* 0, or -1 if there is no such process. */
static int read_process(struct tree_process *process, pid_t pid)
{
	CLEANUP(cleanup_fd) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return tree_read_process(process, proc_fd, pid);
}

static pid_t parent_of(pid_t pid)
{
	struct tree_process process;

	return read_process(&process, pid) == 0 ? process.parent : 0;
}

/* A zombie is no process any more: who reaps it is the backend's affair. */
static bool is_alive(pid_t pid)
{
	struct tree_process process;

	return read_process(&process, pid) == 0 && tree_is_alive(&process);
}

pid_t visible_guest_of(pid_t pid)
{
	pid_t guest = parent_of(parent_of(pid));
	char text[24];

	(void)snprintf(text, sizeof(text), "%d", (int)guest);
	/* Never the machine's init, never one of our own line. */
	if (guest <= 1 || guest == getpid() || guest == getppid() ||
	    !has_marker(text, "kilntainers-"))
		return 0;
	return guest;
}

bool visible_is_gone(pid_t pid)
{
	uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;

	while (is_alive(pid)) {
		if (clock_now_ms() >= deadline_ms)
			return false;
		(void)poll(NULL, 0, 5);
	}
	return true;
}
