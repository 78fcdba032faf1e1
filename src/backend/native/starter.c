/* SPDX-License-Identifier: MIT */
#include "backend/native/starter.h"

#include "backend/native/explain.h"
#include "backend/native/id_map.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "guest_link/guest_file.h"
#include "proc/spawn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* Where the executable expects its socket. */
#define ZYGOTE_SOCKET_FD 3

/* How long a zygote whose sockets are closed may take to die. */
#define DYING_MS 100
#define SEND_AGAIN_MS 5

struct starter {
	int socket_fd;
	struct spawn_child zygote;
};

struct cradle {
	struct starter *starter;
	int report_fd;
};

struct starter *starter_create(struct error *err)
{
	static const char *const arguments[] = { "kilntainers-zygote", "zygote", NULL };
	/* Empty: guests are forks of the zygote, and would carry the server's secrets. */
	static const char *const environment[] = { NULL };
	CLEANUP(cleanup_fd) int ours = -1;
	CLEANUP(cleanup_fd) int theirs = -1;
	CLEANUP(cleanup_fd) int file = guest_file_open(err);
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct timeval patience = { LIMIT_CREATE_MS / 1000, 0 };
	struct spawn_child zygote = SPAWN_CHILD_INIT;
	struct spawn_fd socket_fd;
	struct starter *starter;
	int pair[2];

	if (file < 0 || fd_packet_pair(pair, err) < 0)
		return NULL;
	ours = pair[0];
	theirs = pair[1];
	/* A zygote that someone stopped must not hang a thread for ever. */
	(void)setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	socket_fd = (struct spawn_fd){ theirs, ZYGOTE_SOCKET_FD };
	request.path = arguments[0];
	request.executable_fd = file;
	request.args = arguments;
	request.env = environment;
	request.directory = "/";
	request.fds = &socket_fd;
	request.fd_count = 1;
	if (spawn_start(&zygote, &request, err) < 0) {
		(void)error_wrap(err, "starting the zygote");
		return NULL;
	}
	starter = alloc_zeroed(sizeof(*starter));
	starter->socket_fd = take_fd(&ours);
	starter->zygote = zygote;
	return starter;
}

void starter_destroy(struct starter *starter)
{
	if (!starter)
		return;
	cleanup_fd(&starter->socket_fd);
	spawn_finish(&starter->zygote);
	free(starter);
}

pid_t starter_pid(const struct starter *starter)
{
	return starter->zygote.pid;
}

bool starter_is_alive(const struct starter *starter)
{
	struct pollfd ended = { .fd = starter->zygote.pidfd, .events = POLLIN };

	return poll(&ended, 1, 0) == 0;
}

/* --- what it says ------------------------------------------------------------- */

/* Waits until `fd` has something to read (or its other end is gone). */
static int wait_readable(int fd, const struct cancel *cancel, uint64_t deadline_ms,
			 struct error *err)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };

	for (;;) {
		int ready = poll(fds, ARRAY_LENGTH(fds), clock_poll_timeout(deadline_ms));

		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, "waiting for a sandbox to start");
		if (ready > 0 && fds[1].revents)
			return error_set(err, ERROR_CANCELLED, "the sandbox is no longer wanted");
		if (ready > 0)
			return 0;
		if (ready == 0 && clock_now_ms() >= deadline_ms)
			return error_set(err, ERROR_UNAVAILABLE,
					 "a sandbox did not start within %d s: the machine is "
					 "overloaded, or the zygote is stopped",
					 (int)(LIMIT_CREATE_MS / 1000));
	}
}

/* An end that was closed with a packet of ours unread is told first, once; then comes what it had
 * said before. */
static int receive(int fd, struct zygote_report *report, int *pidfd, struct error *err)
{
	struct error failure = ERROR_INIT;
	unsigned fd_count = pidfd ? 1 : 0;
	int got = zygote_receive(fd, report, sizeof(*report), pidfd, fd_count, &failure);

	if (got < 0 && failure.errno_value == ECONNRESET)
		return zygote_receive(fd, report, sizeof(*report), pidfd, fd_count, err);
	if (got < 0 && err)
		*err = failure;
	return got;
}

/* One report; FAILED becomes an error that says what to do. `pidfd` may be NULL. 1, 0 at
 * end-of-file, -1. */
static int receive_report(int fd, struct zygote_report *report, int *pidfd, struct error *err)
{
	int got = receive(fd, report, pidfd, err);

	if (got <= 0)
		return got;
	report->text[sizeof(report->text) - 1] = '\0';
	if (report->kind != ZYGOTE_FAILED)
		return 1;
	if (pidfd)
		cleanup_fd(pidfd);
	return explain_failure(report, err);
}

static int zygote_is_gone(struct error *err)
{
	return error_set(err, ERROR_UNAVAILABLE,
			 "the process that starts sandboxes (kiln-zygote) is gone: it was killed "
			 "from outside; restart kilntainers");
}

/* Receives the report `kind` on the zygote's own socket. */
static int expect(struct starter *starter, enum zygote_kind kind, struct zygote_report *report,
		  struct error *err)
{
	int got;

	if (wait_readable(starter->socket_fd, NULL, clock_now_ms() + LIMIT_CREATE_MS, err) < 0)
		return -1;
	got = receive_report(starter->socket_fd, report, NULL, err);
	if (got < 0)
		return -1;
	if (got == 0)
		return zygote_is_gone(err);
	if (report->kind != kind)
		return error_set(err, ERROR_INTERNAL, "the zygote answered %u, expected %d",
				 report->kind, (int)kind);
	return 0;
}

static int ask(struct starter *starter, const struct zygote_request *request, const int *fd,
	       struct error *err)
{
	if (zygote_send(starter->socket_fd, request, sizeof(*request), fd, fd ? 1 : 0, err) < 0)
		return zygote_is_gone(err);
	return 0;
}

int starter_prepare(struct starter *starter, uint32_t first_range, bool is_self,
		    struct starter_facts *facts, struct error *err)
{
	struct zygote_request mapped = { .operation = ZYGOTE_MAPPED, .id_count = ZYGOTE_ID_RANGE };
	struct zygote_report hello;

	if (expect(starter, ZYGOTE_HELLO, &hello, err) < 0)
		return -1;
	facts->id_mode = hello.id_mode == ZYGOTE_PRIVILEGED ? ZYGOTE_PRIVILEGED : ZYGOTE_ROOTLESS;
	if (facts->id_mode == ZYGOTE_PRIVILEGED)
		mapped.id_base = first_range;
	if (facts->id_mode == ZYGOTE_ROOTLESS &&
	    id_map_user(starter->zygote.pid, is_self, &mapped.id_count, err) < 0)
		return -1;
	facts->id_count = mapped.id_count;
	return ask(starter, &mapped, NULL, err);
}

int starter_send_image(struct starter *starter, const struct buf *plan,
		       enum zygote_layering layering, struct error *err)
{
	struct zygote_request request = { .operation = ZYGOTE_REGISTER, .layering = layering };
	struct zygote_request seal = { .operation = ZYGOTE_SEAL };
	CLEANUP(cleanup_fd)
	int file = fd_sealed_memory("kilntainers-image", plan->data, plan->length, err);

	/* All at once: it works them off in this order, and refuses the rest once one failed. */
	if (file < 0 || ask(starter, &request, &file, err) < 0 ||
	    ask(starter, &seal, NULL, err) < 0)
		return error_wrap(err, "preparing the image");
	return 0;
}

int starter_await_image(struct starter *starter, bool *shares_ids, struct error *err)
{
	struct zygote_report mapped, registered, sealed;

	if (expect(starter, ZYGOTE_DONE, &mapped, err) < 0)
		return -1;
	if (expect(starter, ZYGOTE_DONE, &registered, err) < 0)
		return error_wrap(err, "preparing the image");
	*shares_ids = registered.shares_ids != 0;
	return expect(starter, ZYGOTE_DONE, &sealed, err);
}

/* --- the end ---------------------------------------------------------------------- */

int starter_keep_clean(struct starter *starter, const struct starter_leftovers *leftovers,
		       struct error *err)
{
	unsigned count = leftovers->count;
	unsigned passed_count = 1 + count;
	struct zygote_request request = { .operation = ZYGOTE_JANITOR, .cgroup_count = count };
	CLEANUP(cleanup_fd) int ours = -1;
	CLEANUP(cleanup_fd) int theirs = -1;
	int passed[ZYGOTE_MAX_FDS];
	int pair[2];

	assert(count < ZYGOTE_MAX_CGROUPS && strlen(leftovers->name) < sizeof(request.name) &&
	       strlen(leftovers->file_name) < sizeof(request.file_name));
	if (fd_packet_pair(pair, err) < 0)
		return -1;
	ours = pair[0];
	theirs = pair[1];
	passed[0] = theirs;
	memcpy(passed + 1, leftovers->fds, count * sizeof(int));
	(void)snprintf(request.name, sizeof(request.name), "%s", leftovers->name);
	if (leftovers->file_directory_fd >= 0) {
		passed[passed_count++] = leftovers->file_directory_fd;
		(void)snprintf(request.file_name, sizeof(request.file_name), "%s",
			       leftovers->file_name);
	}
	if (zygote_send(starter->socket_fd, &request, sizeof(request), passed, passed_count, err) <
	    0)
		return zygote_is_gone(err);
	return take_fd(&ours);
}

void starter_clean(int *janitor_fd)
{
	struct pollfd gone = { .fd = *janitor_fd, .events = POLLIN };

	if (*janitor_fd < 0)
		return;
	(void)shutdown(*janitor_fd, SHUT_WR);
	(void)poll(&gone, 1, (int)LIMIT_GROUPS_END_MS);
	cleanup_fd(janitor_fd);
}

/* --- cradles ---------------------------------------------------------------------- */

/* Descriptors in flight are counted by user: another process of ours may have used them up for a
 * moment. `cancel` may be NULL. */
static int send_patiently(int fd, const struct zygote_request *request, const int *fds,
			  unsigned fd_count, const struct cancel *cancel, uint64_t deadline_ms,
			  struct error *err)
{
	struct pollfd flag = { .fd = cancel ? cancel->fd : -1, .events = POLLIN };

	for (;;) {
		struct error failure = ERROR_INIT;

		if (zygote_send(fd, request, sizeof(*request), fds, fd_count, &failure) == 0)
			return 0;
		if (failure.errno_value != ETOOMANYREFS || clock_now_ms() >= deadline_ms) {
			if (err)
				*err = failure;
			return -1;
		}
		if (poll(&flag, 1, SEND_AGAIN_MS) > 0)
			return error_set(err, ERROR_CANCELLED, "the sandbox is no longer wanted");
	}
}

static bool is_hang_up(const struct error *failure)
{
	return failure->errno_value == EPIPE || failure->errno_value == ECONNRESET;
}

struct cradle *starter_cradle(struct starter *starter, const struct starter_place *place,
			      uint64_t deadline_ms, struct error *err)
{
	struct zygote_request request = { .operation = ZYGOTE_CRADLE };
	struct error failure = ERROR_INIT;
	CLEANUP(cleanup_fd) int ours = -1;
	CLEANUP(cleanup_fd) int theirs = -1;
	int fds[ZYGOTE_MAX_FDS];
	struct cradle *cradle;
	int pair[2];

	if (fd_packet_pair(pair, err) < 0)
		return NULL;
	ours = pair[0];
	theirs = pair[1];
	fds[0] = theirs;
	if (place) {
		assert(place->count <= ZYGOTE_MAX_CGROUPS);
		request.cgroup_count = place->count;
		request.has_unified = place->is_unified;
		request.optional_cgroups = place->optional;
		memcpy(fds + 1, place->fds, place->count * sizeof(int));
	}
	if (send_patiently(starter->socket_fd, &request, fds, 1 + request.cgroup_count, NULL,
			   deadline_ms, &failure) < 0) {
		if (is_hang_up(&failure))
			(void)zygote_is_gone(err);
		else if (err)
			*err = failure;
		return NULL;
	}
	cradle = alloc_zeroed(sizeof(*cradle));
	cradle->starter = starter;
	cradle->report_fd = take_fd(&ours);
	return cradle;
}

bool cradle_is_alive(const struct cradle *cradle)
{
	struct pollfd said = { .fd = cradle->report_fd, .events = POLLIN };

	/* Before it is spawned it has only failures to tell. */
	return poll(&said, 1, 0) == 0;
}

void cradle_discard(struct cradle *cradle)
{
	if (!cradle)
		return;
	cleanup_fd(&cradle->report_fd);
	free(cradle);
}

static int ended_early(const struct starter *starter, struct error *err)
{
	struct pollfd ended = { .fd = starter->zygote.pidfd, .events = POLLIN };

	/* The end-of-file of a dying zygote comes a moment before its death. */
	if (poll(&ended, 1, DYING_MS) != 0)
		return zygote_is_gone(err);
	return error_set(err, ERROR_UNAVAILABLE,
			 "a sandbox could not be made: the process that was making it "
			 "(kiln-cradle) was killed from outside");
}

/* Where the descriptor of a report goes. */
static int *place_of(const struct zygote_report *report, struct starter_process *process)
{
	switch (report->kind) {
	case ZYGOTE_STARTED:
		return &process->pidfd;
	case ZYGOTE_STORAGE:
		return &process->storage_fd;
	default:
		return NULL;
	}
}

/* Follows a start until the sandbox's set-up is through: end-of-file after STARTED. */
static int follow(const struct cradle *cradle, const struct cancel *cancel, uint64_t deadline_ms,
		  struct starter_process *process, struct error *err)
{
	for (;;) {
		struct zygote_report report;
		int fd = -1;
		int *place;
		int got;

		if (wait_readable(cradle->report_fd, cancel, deadline_ms, err) < 0)
			return -1;
		got = receive_report(cradle->report_fd, &report, &fd, err);
		if (got < 0)
			return -1;
		if (got == 0)
			return process->pidfd >= 0 ? 0 : ended_early(cradle->starter, err);
		place = place_of(&report, process);
		if (!place || *place >= 0 || fd < 0) {
			cleanup_fd(&fd);
			return error_set(err, ERROR_INTERNAL, "the zygote answered out of turn");
		}
		*place = fd;
	}
}

/* Tells the cradle what it is to be, and waits until it is. */
static int spawn(const struct cradle *cradle, const struct zygote_request *request, int guest_fd,
		 const struct cancel *cancel, uint64_t deadline_ms, struct starter_process *process,
		 struct error *err)
{
	struct error failure = ERROR_INIT;

	/* One that has ended said why: that is read below. */
	if (send_patiently(cradle->report_fd, request, &guest_fd, 1, cancel, deadline_ms,
			   &failure) < 0 &&
	    !is_hang_up(&failure)) {
		if (err)
			*err = failure;
		return -1;
	}
	if (follow(cradle, cancel, deadline_ms, process, err) < 0)
		return -1;
	/* A zygote that died before the sandbox had tied itself to it could not take it along. */
	return starter_is_alive(cradle->starter) ? 0 : zygote_is_gone(err);
}

int cradle_spawn(struct cradle *cradle, const struct zygote_request *request,
		 const struct cancel *cancel, uint64_t deadline_ms, struct starter_process *process,
		 struct error *err)
{
	struct zygote_request wanted = *request;
	struct starter_process made = { -1, -1, -1 };
	CLEANUP(cleanup_fd) int guest = -1;
	CLEANUP(cleanup_fd) int theirs = -1;
	int result = -1;
	int pair[2];

	wanted.operation = ZYGOTE_SPAWN;
	if (fd_packet_pair(pair, err) == 0) {
		guest = pair[0];
		theirs = pair[1];
		result = spawn(cradle, &wanted, theirs, cancel, deadline_ms, &made, err);
	}
	/* A sandbox that has not told its pidfd yet is killed by its cradle, which finds our end of
	 * the report socket closed. */
	cradle_discard(cradle);
	if (result < 0) {
		if (made.pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, made.pidfd, SIGKILL, NULL, 0);
		cleanup_fd(&made.pidfd);
		cleanup_fd(&made.storage_fd);
		return -1;
	}
	*process = made;
	process->socket_fd = take_fd(&guest);
	return 0;
}
