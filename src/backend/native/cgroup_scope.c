/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_scope.h"

#include "backend/native/cgroup_find.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "proc/spawn.h"

#include <fcntl.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The manager answers before it has moved the process. */
#define LOOK_AGAIN_MS 2

#define MANAGER_CALL(bus)                                                                          \
	"busctl", bus, "--quiet", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", \
		"org.freedesktop.systemd1.Manager"

bool cgroup_scope_is_possible(void)
{
	/* As sd_booted(3) looks. */
	return access("/run/systemd/system", F_OK) == 0;
}

/* First what went wrong, in busctl's words. */
static void read_complaint(int fd, char *text, size_t bytes)
{
	ssize_t got = read(fd, text, bytes - 1);

	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* What came of a call: its status is that of busctl, 0 or not, with what went wrong. */
struct answer {
	int status;
	char complaint[256];
};

static int run_busctl(const char *const *arguments, struct answer *answer, struct error *err)
{
	CLEANUP(cleanup_free) const char **environment = spawn_environment();
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct spawn_child child = SPAWN_CHILD_INIT;
	CLEANUP(cleanup_fd) int ours = -1;
	CLEANUP(cleanup_fd) int theirs = -1;
	int pair[2];
	int ended;

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set_errno(err, "creating a pipe");
	ours = pair[0];
	theirs = pair[1];
	request.path = arguments[0];
	request.args = arguments;
	request.env = environment;
	request.stderr_fd = theirs;
	if (spawn_start(&child, &request, err) < 0)
		return -1;
	ended = spawn_wait(&child, clock_now_ms() + LIMIT_SYSTEMD_MS, -1, &answer->status);
	spawn_finish(&child);
	if (ended <= 0)
		return error_set(err, ERROR_UNAVAILABLE, "systemd did not answer within %d s",
				 (int)(LIMIT_SYSTEMD_MS / 1000));
	read_complaint(ours, answer->complaint, sizeof(answer->complaint));
	return 0;
}

static bool is_in(pid_t pid, const char *scope)
{
	struct cgroup_place place;
	bool is_there = false;

	if (cgroup_find(pid, &place, NULL) < 0)
		return false;
	if (place.v2) {
		const char *last = strrchr(place.v2, '/');

		is_there = last && strcmp(last + 1, scope) == 0;
	}
	cgroup_place_finish(&place);
	return is_there;
}

/* How busctl finds the manager. Who was not started by a session (a service, cron, su) has a
 * manager all the same if it lingers, but no variable says where. */
static char *bus_option(void)
{
	if (geteuid() == 0)
		return alloc_string("--system");
	/* NOLINTBEGIN(concurrency-mt-unsafe) */
	if (getenv("DBUS_SESSION_BUS_ADDRESS") || getenv("XDG_RUNTIME_DIR"))
		return alloc_string("--user");
	/* NOLINTEND(concurrency-mt-unsafe) */
	return alloc_printf("--address=unix:path=/run/user/%u/bus", (unsigned)geteuid());
}

int cgroup_scope_create(pid_t pid, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *bus = bus_option();
	CLEANUP(cleanup_free) char *scope = alloc_printf("%s" CGROUP_SCOPE_SUFFIX, name);
	char number[16];
	const char *const arguments[] = {
		MANAGER_CALL(bus),
		"StartTransientUnit",
		"ssa(sv)a(sa(sv))",
		scope,
		"fail",
		/* How many properties follow: name, type, value. */
		"4",
		"Description",
		"s",
		"kilntainers sandboxes",
		"Delegate",
		"b",
		"true",
		"CollectMode",
		"s",
		"inactive-or-failed",
		"PIDs",
		"au",
		"1",
		number,
		"0",
		NULL,
	};
	struct answer answer = { .status = 0 };
	uint64_t deadline_ms;

	(void)snprintf(number, sizeof(number), "%d", (int)pid);
	if (run_busctl(arguments, &answer, err) < 0)
		return -1;
	if (answer.status != 0)
		return error_set(err, ERROR_UNAVAILABLE, "systemd refused: %s", answer.complaint);
	deadline_ms = clock_now_ms() + LIMIT_SYSTEMD_MS;
	while (!is_in(pid, scope)) {
		if (clock_now_ms() >= deadline_ms)
			return error_set(err, ERROR_UNAVAILABLE,
					 "systemd did not move the zygote into %s", scope);
		(void)poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return 0;
}

int cgroup_scope_stop(const char *scope, struct error *err)
{
	CLEANUP(cleanup_free) char *bus = bus_option();
	const char *const arguments[] = {
		MANAGER_CALL(bus), "StopUnit", "ss", scope, "replace", NULL,
	};
	struct answer answer = { .status = 0 };

	/* A refusal says that it does not know it. */
	return run_busctl(arguments, &answer, err);
}
