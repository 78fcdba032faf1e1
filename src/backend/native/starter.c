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

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* Where the executable expects its socket. */
#define ZYGOTE_SOCKET_FD 3

struct starter {
	int socket_fd;
	struct spawn_child zygote;
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

/* One report; FAILED becomes an error that says what to do. `pidfd` may be NULL. 1, 0 at
 * end-of-file, -1. */
static int receive_report(int fd, struct zygote_report *report, int *pidfd, struct error *err)
{
	int got = zygote_receive(fd, report, sizeof(*report), pidfd, pidfd ? 1 : 0, err);

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

int starter_register(struct starter *starter, const struct buf *plan, bool *shares_ids,
		     struct error *err)
{
	struct zygote_request request = { .operation = ZYGOTE_REGISTER, .image = 0 };
	struct zygote_request seal = { .operation = ZYGOTE_SEAL };
	struct zygote_report mapped, registered, sealed;
	CLEANUP(cleanup_fd)
	int file = fd_sealed_memory("kilntainers-image", plan->data, plan->length, err);

	/* All at once: it works them off in this order, and refuses the rest once one failed. */
	if (file < 0 || ask(starter, &request, &file, err) < 0 ||
	    ask(starter, &seal, NULL, err) < 0)
		return error_wrap(err, "preparing the image");
	if (expect(starter, ZYGOTE_DONE, &mapped, err) < 0)
		return -1;
	if (expect(starter, ZYGOTE_DONE, &registered, err) < 0)
		return error_wrap(err, "preparing the image");
	*shares_ids = registered.shares_ids != 0;
	return expect(starter, ZYGOTE_DONE, &sealed, err);
}

/* --- spawning -------------------------------------------------------------------- */

/* Descriptors in flight are counted by user: another process of ours may have used them up for a
 * moment. */
static int send_request(struct starter *starter, const struct zygote_request *request,
			const int fds[2], uint64_t deadline_ms, struct error *err)
{
	for (;;) {
		struct error failure = ERROR_INIT;

		if (zygote_send(starter->socket_fd, request, sizeof(*request), fds, 2, &failure) ==
		    0)
			return 0;
		if (failure.errno_value == EPIPE || failure.errno_value == ECONNRESET)
			return zygote_is_gone(err);
		if (failure.errno_value != ETOOMANYREFS || clock_now_ms() >= deadline_ms) {
			if (err)
				*err = failure;
			return -1;
		}
		(void)poll(NULL, 0, 5);
	}
}

/* Follows a start until the sandbox's set-up is through: end-of-file after STARTED. */
static int follow(int report_fd, const struct cancel *cancel, uint64_t deadline_ms, int *pidfd,
		  struct error *err)
{
	for (;;) {
		struct zygote_report report;
		int fd = -1;
		int got;

		if (wait_readable(report_fd, cancel, deadline_ms, err) < 0)
			return -1;
		got = receive_report(report_fd, &report, &fd, err);
		if (got < 0)
			return -1;
		if (got == 0)
			return *pidfd >= 0 ? 0 : zygote_is_gone(err);
		if (*pidfd >= 0 || fd < 0) {
			cleanup_fd(&fd);
			return error_set(err, ERROR_INTERNAL, "the zygote answered out of turn");
		}
		*pidfd = fd;
	}
}

int starter_spawn(struct starter *starter, const struct zygote_request *request,
		  const struct cancel *cancel, uint64_t deadline_ms,
		  struct starter_process *process, struct error *err)
{
	CLEANUP(cleanup_fd) int report = -1;
	CLEANUP(cleanup_fd) int guest = -1;
	CLEANUP(cleanup_fd) int pidfd = -1;
	int reports[2], guests[2], theirs[2];
	int sent;

	if (fd_packet_pair(reports, err) < 0)
		return -1;
	report = reports[0];
	theirs[0] = reports[1];
	if (fd_packet_pair(guests, err) < 0) {
		cleanup_fd(&theirs[0]);
		return -1;
	}
	guest = guests[0];
	theirs[1] = guests[1];
	sent = send_request(starter, request, theirs, deadline_ms, err);
	cleanup_fd(&theirs[0]);
	cleanup_fd(&theirs[1]);
	if (sent < 0)
		return -1;
	if (follow(report, cancel, deadline_ms, &pidfd, err) < 0) {
		/* One that has not told its pidfd yet is killed by the zygote, which finds our end
		 * of the report socket closed. */
		if (pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		return -1;
	}
	process->pidfd = take_fd(&pidfd);
	process->socket_fd = take_fd(&guest);
	return 0;
}
