/* SPDX-License-Identifier: MIT */
#include "proc/spawn.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FIRST_FREE_FD 3
#define MAX_MAPPED_FDS (FIRST_FREE_FD + SPAWN_MAX_FDS)

/* What one spawn needs from us, beside the request. Copies of the descriptors stand above every
 * target, so that no dup2 in the child overwrites a source that is still to come. */
struct plan {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int copies[MAX_MAPPED_FDS + 1]; /* the executable too */
	size_t copy_count;
};

/* A copy above every target, or -1. */
static int plan_copy(struct plan *plan, int source, struct error *err)
{
	CLEANUP(cleanup_fd) int nowhere = source < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	int copy = fcntl(source < 0 ? nowhere : source, F_DUPFD_CLOEXEC, MAX_MAPPED_FDS);

	if (copy < 0)
		return error_set_kind_errno(err, ERROR_BUSY, "preparing a child's descriptors");
	plan->copies[plan->copy_count++] = copy;
	return copy;
}

static int plan_fd(struct plan *plan, int source, int target, struct error *err)
{
	int copy = plan_copy(plan, source, err);

	if (copy < 0)
		return -1;
	errno = posix_spawn_file_actions_adddup2(&plan->actions, copy, target);
	return errno == 0 ? 0 : error_set_errno(err, "preparing descriptor %d of a child", target);
}

static int plan_fds(struct plan *plan, const struct spawn_request *request, struct error *err)
{
	const int standard[FIRST_FREE_FD] = { request->stdin_fd, request->stdout_fd,
					      request->stderr_fd };
	size_t i;

	for (i = 0; i < FIRST_FREE_FD; i++) {
		if (plan_fd(plan, standard[i], (int)i, err) < 0)
			return -1;
	}
	for (i = 0; i < request->fd_count; i++) {
		assert(request->fds[i].target >= FIRST_FREE_FD);
		assert(request->fds[i].target < MAX_MAPPED_FDS);
		if (plan_fd(plan, request->fds[i].source, request->fds[i].target, err) < 0)
			return -1;
	}
	return 0;
}

static int plan_attributes(struct plan *plan, struct error *err)
{
	sigset_t all, none;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigdefault(&plan->attributes, &all);
	(void)posix_spawnattr_setsigmask(&plan->attributes, &none);
	errno = posix_spawnattr_setflags(&plan->attributes, POSIX_SPAWN_SETSIGDEF |
								    POSIX_SPAWN_SETSIGMASK |
								    POSIX_SPAWN_SETSID);
	return errno == 0 ? 0 : error_set_errno(err, "preparing a child's signals");
}

static void plan_init(struct plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	/* glibc's never fail. */
	(void)posix_spawn_file_actions_init(&plan->actions);
	(void)posix_spawnattr_init(&plan->attributes);
}

static void plan_finish(struct plan *plan)
{
	while (plan->copy_count > 0)
		cleanup_fd(&plan->copies[--plan->copy_count]);
	(void)posix_spawn_file_actions_destroy(&plan->actions);
	(void)posix_spawnattr_destroy(&plan->attributes);
}

static int run(struct plan *plan, const struct spawn_request *request, pid_t *pid,
	       struct error *err)
{
	static const char *const empty[] = { NULL };
	const char *const *env = request->env ? request->env : empty;
	char from_fd[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	const char *path = request->path;
	int failure;

	if (request->executable_fd >= 0) {
		/* Still open in the child at its execve, which closes it when it succeeds. */
		int copy = plan_copy(plan, request->executable_fd, err);

		if (copy < 0)
			return -1;
		(void)snprintf(from_fd, sizeof(from_fd), "/proc/self/fd/%d", copy);
		path = from_fd;
	}
	/* posix_spawn's prototype lacks the const that it keeps. */
	failure = posix_spawnp(pid, path, &plan->actions, &plan->attributes,
			       (char *const *)(uintptr_t)request->args,
			       (char *const *)(uintptr_t)env);
	if (failure == 0)
		return 0;
	errno = failure;
	return error_set_kind_errno(err, failure == EAGAIN ? ERROR_BUSY : ERROR_UNAVAILABLE,
				    "cannot start %s%s%s", request->path,
				    request->directory ? " in " : "",
				    request->directory ? request->directory : "");
}

static void set_nofile(pid_t pid, unsigned long soft)
{
	struct rlimit limit;

	if (soft == 0 || prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	(void)prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

static int start_planned(struct plan *plan, const struct spawn_request *request,
			 struct spawn_child *child, struct error *err)
{
	if (plan_attributes(plan, err) < 0 || plan_fds(plan, request, err) < 0)
		return -1;
	if (request->directory) {
		errno = posix_spawn_file_actions_addchdir_np(&plan->actions, request->directory);
		if (errno != 0)
			return error_set_errno(err, "preparing a child's directory");
	}
	/* Ours are close-on-exec from birth; this is for those that whoever started us left open.
	 */
	(void)close_range(FIRST_FREE_FD, ~0U, CLOSE_RANGE_CLOEXEC);
	if (run(plan, request, &child->pid, err) < 0)
		return -1;
	child->is_reaped = false;
	set_nofile(child->pid, request->nofile_soft);
	/* Nobody else reaps, so the pid is still this child's even if it has ended. */
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0) {
		(void)error_set_kind_errno(err, ERROR_BUSY, "watching %s", request->path);
		spawn_finish(child);
		return -1;
	}
	return 0;
}

int spawn_start(struct spawn_child *child, const struct spawn_request *request, struct error *err)
{
	struct spawn_child started = SPAWN_CHILD_INIT;
	struct plan plan;
	int result;

	assert(request->fd_count <= SPAWN_MAX_FDS);
	plan_init(&plan);
	result = start_planned(&plan, request, &started, err);
	plan_finish(&plan);
	if (result == 0)
		*child = started;
	return result;
}

int spawn_wait(struct spawn_child *child, uint64_t deadline_ms, int cancel_fd, int *status)
{
	assert(!child->is_reaped);
	for (;;) {
		struct pollfd fds[2] = { { child->pidfd, POLLIN, 0 }, { cancel_fd, POLLIN, 0 } };
		int ready = poll(fds, 2, clock_poll_timeout(deadline_ms));

		if (ready < 0)
			continue;
		if (fds[0].revents != 0 && waitpid(child->pid, status, 0) == child->pid) {
			child->is_reaped = true;
			return 1;
		}
		if (fds[1].revents != 0 || (ready == 0 && clock_poll_timeout(deadline_ms) == 0))
			return 0;
	}
}

void spawn_kill(struct spawn_child *child, int signal_number)
{
	if (!child->is_reaped)
		(void)kill(child->pid, signal_number);
}

void spawn_finish(struct spawn_child *child)
{
	if (!child->is_reaped) {
		spawn_kill(child, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		child->is_reaped = true;
	}
	cleanup_fd(&child->pidfd);
}

/* Names of variables; one that ends with _ stands for all that begin like it. */
static const char *const passed_on[] = {
	"PATH",
	"HOME",
	"USER",
	"LOGNAME",
	"LANG",
	"TMPDIR",
	"XDG_",
	"SSH_AUTH_SOCK",
	"DOCKER_",
	"DBUS_SESSION_BUS_ADDRESS",
	"CONTAINER_HOST",
	"CONTAINERS_",
	"REGISTRY_AUTH_FILE",
};

static bool is_passed_on(const char *variable)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(passed_on); i++) {
		size_t length = strlen(passed_on[i]);

		if (strncmp(variable, passed_on[i], length) == 0 &&
		    (passed_on[i][length - 1] == '_' || variable[length] == '='))
			return true;
	}
	return false;
}

const char **spawn_environment(void)
{
	size_t i, count = 0;
	const char **kept;

	for (i = 0; environ && environ[i]; i++)
		count += is_passed_on(environ[i]);
	kept = alloc_array(count + 1, sizeof(*kept));
	count = 0;
	for (i = 0; environ && environ[i]; i++) {
		if (is_passed_on(environ[i]))
			kept[count++] = environ[i];
	}
	return kept;
}
