/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_remove.h"

#include "backend/native/end.h"
#include "backend/native/image_walk.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define TRY_AGAIN_MS 10

/* -1 with errno; ENOTDIR for what is no control group. */
static int open_group(int parent_fd, const char *name)
{
	CLEANUP(cleanup_fd)
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs status;

	if (fd < 0 || fstatfs(fd, &status) < 0)
		return -1;
	if (status.f_type == CGROUP_SUPER_MAGIC || status.f_type == CGROUP2_SUPER_MAGIC)
		return take_fd(&fd);
	errno = ENOTDIR;
	return -1;
}

/* Calls `visit` for the group and all below it, those first. The sum of what it returned, or -1. */
static int each_group(int parent_fd, const char *name,
		      int (*visit)(int parent_fd, const char *name), struct error *err)
{
	struct walk_entry entry = { .parent_fd = -1 };
	int fd = open_group(parent_fd, name);
	struct walk *walk;
	int event = WALK_ENTRY, sum = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set_errno(err, "opening the control group %s", name);
	walk = walk_create(fd, err);
	if (!walk)
		return -1;
	while (event >= 0 && event != WALK_FINISH) {
		event = walk_next(walk, &entry, err);
		if (event == WALK_LEAVE)
			sum += visit(entry.parent_fd, entry.name);
		else if (event == WALK_ENTRY && entry.is_directory)
			/* What goes away meanwhile need not be looked at. */
			(void)walk_enter(walk, &entry, NULL);
	}
	walk_destroy(walk);
	return event < 0 ? -1 : sum + visit(parent_fd, name);
}

/* --- who is in it ----------------------------------------------------------------- */

/* NUL-terminated (free()): a process id per line. */
static char *read_members(int group_fd)
{
	struct buf text = BUF_INIT(LIMIT_GROUP_MEMBERS_BYTES);
	CLEANUP(cleanup_fd)
	int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0) {
		char *room = buf_reserve(&text, LIMIT_PATH_BYTES);

		got = room ? read(fd, room, LIMIT_PATH_BYTES) : 0;
		if (got > 0)
			buf_commit(&text, (size_t)got);
	}
	return buf_take_string(&text);
}

static int count_members(int parent_fd, const char *name)
{
	CLEANUP(cleanup_fd) int fd = open_group(parent_fd, name);
	CLEANUP(cleanup_free) char *members = fd < 0 ? NULL : read_members(fd);

	return members && members[0] != '\0';
}

bool cgroup_is_populated(int parent_fd, const char *name)
{
	return each_group(parent_fd, name, count_members, NULL) != 0;
}

static bool has_member(const char *members, long pid)
{
	char *at;

	for (long member = strtol(members, &at, 10); at != members;
	     member = strtol(members, &at, 10)) {
		if (member == pid)
			return true;
		members = at;
	}
	return false;
}

/* Whoever has the id after the descriptor was opened, and is in the group, is whom it means. */
static void kill_member(int group_fd, long pid)
{
	CLEANUP(cleanup_fd) int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	CLEANUP(cleanup_free) char *members = read_members(group_fd);

	if (pidfd >= 0 && members && has_member(members, pid))
		end_kill(pidfd);
}

static int kill_members(int parent_fd, const char *name)
{
	CLEANUP(cleanup_fd) int fd = open_group(parent_fd, name);
	CLEANUP(cleanup_free) char *members = fd < 0 ? NULL : read_members(fd);
	char *at = members;

	while (at && *at != '\0') {
		char *end;
		long pid = strtol(at, &end, 10);

		/* 0 is somebody of a process id namespace that we cannot see into. */
		if (pid > 1)
			kill_member(fd, pid);
		at = end == at ? NULL : end + (*end == '\n');
	}
	return 0;
}

static int count_self(int parent_fd, const char *name)
{
	CLEANUP(cleanup_fd) int fd = open_group(parent_fd, name);
	CLEANUP(cleanup_free) char *members = fd < 0 ? NULL : read_members(fd);

	return members && has_member(members, getpid());
}

/* --- removing ------------------------------------------------------------------------ */

/* 1 if it is still there. */
static int remove_one(int parent_fd, const char *name)
{
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT;
}

static int try_remove(int parent_fd, const char *name, struct error *err)
{
	int left = each_group(parent_fd, name, remove_one, err);

	if (left <= 0)
		return left;
	/* The group itself was tried last. */
	if (cgroup_is_populated(parent_fd, name))
		return error_set(err, ERROR_BUSY, "processes are in the control group %s", name);
	return remove_one(parent_fd, name)
		       ? error_set_errno(err, "removing the control group %s", name)
		       : 0;
}

static bool may_try_again(const struct error *failure, uint64_t deadline_ms)
{
	if ((failure->kind != ERROR_BUSY && failure->errno_value != EBUSY) ||
	    clock_now_ms() >= deadline_ms)
		return false;
	(void)poll(NULL, 0, TRY_AGAIN_MS);
	return true;
}

static int remove_until(int parent_fd, const char *name, uint64_t deadline_ms,
			int (*before)(int parent_fd, const char *name), struct error *err)
{
	struct error failure;

	do {
		failure = (struct error)ERROR_INIT;
		if ((!before || each_group(parent_fd, name, before, &failure) >= 0) &&
		    try_remove(parent_fd, name, &failure) == 0)
			return 0;
	} while (may_try_again(&failure, deadline_ms));
	if (err)
		*err = failure;
	return -1;
}

int cgroup_remove(int parent_fd, const char *name, uint64_t deadline_ms, struct error *err)
{
	return remove_until(parent_fd, name, deadline_ms, NULL, err);
}

int cgroup_kill_and_remove(int parent_fd, const char *name, uint64_t deadline_ms, struct error *err)
{
	if (each_group(parent_fd, name, count_self, NULL) > 0)
		return error_set(err, ERROR_CONFIG, "this process is itself in the group %s", name);
	return remove_until(parent_fd, name, deadline_ms, kill_members, err);
}
