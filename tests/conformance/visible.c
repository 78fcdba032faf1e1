/* SPDX-License-Identifier: MIT */

/* Sandboxes seen from outside: through the /proc of this machine. A process is
 * only ever signalled after it was recognised by a random word on its command
 * line, or as the parent of one that was. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/random.h"

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

/* Its state and its parent; 0 if there is no such process. */
static char state_of(pid_t pid, pid_t *parent)
{
	char path[64];
	char line[512];
	const char *at;
	ssize_t bytes;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	bytes = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	*parent = 0;
	if (bytes <= 0)
		return 0;
	line[bytes] = '\0';
	at = strrchr(line, ')');
	if (!at || strlen(at) < 5)
		return 0;
	*parent = (pid_t)strtol(at + 4, NULL, 10);
	return at[2];
}

static pid_t parent_of(pid_t pid)
{
	pid_t parent;

	(void)state_of(pid, &parent);
	return parent;
}

/* A zombie is no process any more: who reaps it is the backend's affair. */
static bool is_alive(pid_t pid)
{
	pid_t parent;
	char state = state_of(pid, &parent);

	return state != 0 && state != 'Z' && state != 'X';
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
