/* SPDX-License-Identifier: MIT */
#include "zygote/janitor.h"

#include "base/attr.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

/* For the last processes to leave their groups. */
#define ROUND_MS 5
#define ROUNDS 400

static void wait_for_end(int socket_fd)
{
	char byte;

	while (read(socket_fd, &byte, sizeof(byte)) < 0 && errno == EINTR)
		;
}

/* Groups have no files that could be removed, only groups. */
static void remove_groups_in(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory) {
		cleanup_fd(&fd);
		return;
	}
	/* One thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((entry = readdir(directory))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(directory);
}

/* Whether it is gone. */
static bool remove_group(int parent_fd, const char *name)
{
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	remove_groups_in(parent_fd, name);
	return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
}

/* Whoever stops a service tells all of its processes at once, and this one is still needed then. */
static void outstay_stop_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
		(void)signal(numbers[i], SIG_IGN);
}

ATTR_NORETURN static void run(const struct zygote_request *request, const int fds[ZYGOTE_MAX_FDS])
{
	bool is_gone = false;

	(void)prctl(PR_SET_NAME, "kiln-janitor");
	outstay_stop_signals();
	wait_for_end(fds[0]);
	for (int round = 0; !is_gone && round < ROUNDS; round++) {
		if (round > 0)
			(void)poll(NULL, 0, ROUND_MS);
		is_gone = true;
		for (unsigned i = 0; i < request->cgroup_count; i++)
			is_gone = remove_group(fds[1 + i], request->name) && is_gone;
	}
	/* Last: as long as a group is there, that file tells whose it was. */
	if (is_gone && request->file_name[0])
		(void)unlinkat(fds[1 + request->cgroup_count], request->file_name, 0);
	_exit(0);
}

void janitor_start(const struct zygote_request *request, int zygote_socket_fd,
		   const int fds[ZYGOTE_MAX_FDS])
{
	/* Without one, what is left waits for the next start of a server. */
	if (fork() != 0)
		return;
	(void)close(zygote_socket_fd);
	run(request, fds);
}
