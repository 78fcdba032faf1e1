/* SPDX-License-Identifier: MIT */
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "guest_link/state.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- turns ------------------------------------------------------------------ */

void link_saving_init(struct guest_link *link)
{
	pthread_condattr_t attributes;

	(void)pthread_mutex_init(&link->saving.mutex, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&link->saving.changed, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

void link_saving_finish(struct guest_link *link)
{
	(void)pthread_cond_destroy(&link->saving.changed);
	(void)pthread_mutex_destroy(&link->saving.mutex);
}

static int take_turn(struct guest_link *link, uint64_t deadline_ms, struct error *err)
{
	const struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};
	int waited = 0;
	bool is_ours;

	(void)pthread_mutex_lock(&link->saving.mutex);
	while (link->saving.is_taken && waited == 0)
		waited = pthread_cond_timedwait(&link->saving.changed, &link->saving.mutex,
						&deadline);
	is_ours = !link->saving.is_taken;
	link->saving.is_taken = true;
	(void)pthread_mutex_unlock(&link->saving.mutex);
	return is_ours ? 0
		       : error_set(err, ERROR_BUSY,
				   "output of other commands was being saved all the time");
}

static void give_turn(struct guest_link *link)
{
	(void)pthread_mutex_lock(&link->saving.mutex);
	link->saving.is_taken = false;
	(void)pthread_cond_signal(&link->saving.changed);
	(void)pthread_mutex_unlock(&link->saving.mutex);
}

/* --- one conversation --------------------------------------------------------- */

/* Of the descriptors, -1 where there is none. */
struct saver {
	struct guest_link *link;
	const struct cancel *cancel;
	const char *directory; /* for texts */
	uint64_t deadline_ms;
	int status_fd;
	int data_fd;
	struct exec_output left; /* not written yet */
	bool has_answered;	 /* with SAVED or FAILED */
};

struct save_fds {
	int guest[GUEST_WIRE_SAVE_FDS];
	int data;
	int status;
};

static void cleanup_guest_fds(struct save_fds *fds)
{
	for (int i = 0; i < GUEST_WIRE_SAVE_FDS; i++)
		cleanup_fd(&fds->guest[i]);
}

static void cleanup_save_fds(struct save_fds *fds)
{
	cleanup_guest_fds(fds);
	cleanup_fd(&fds->data);
	cleanup_fd(&fds->status);
}

static int make_fds(struct save_fds *fds, struct error *err)
{
	int pair[2];

	if (fd_open_pipe(pair, err) < 0)
		return -1;
	fds->guest[GUEST_WIRE_SAVE_FD_DATA] = pair[0];
	fds->data = pair[1];
	if (fd_set_nonblocking(fds->data, err) < 0 || fd_packet_pair(pair, err) < 0)
		return -1;
	fds->status = pair[0];
	fds->guest[GUEST_WIRE_SAVE_FD_STATUS] = pair[1];
	return 0;
}

/* Writes what the pipe takes. A reader that went away will be heard of on the other socket. */
static void feed(struct saver *saver)
{
	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		while (saver->left.bytes[stream] > 0) {
			ssize_t written = write(saver->data_fd, saver->left.data[stream],
						saver->left.bytes[stream]);

			if (written < 0 && errno == EINTR)
				continue;
			if (written < 0 && errno != EAGAIN)
				saver->data_fd = -1;
			if (written < 0)
				return;
			saver->left.data[stream] += written;
			saver->left.bytes[stream] -= (size_t)written;
		}
	}
	saver->data_fd = -1;
}

static int explain(const struct saver *saver, const struct guest_wire_failed *failed,
		   struct error *err)
{
	const char *reason = error_errno_text((int)failed->errno_value);

	switch (failed->step) {
	case GUEST_WIRE_STEP_PROCESS:
		return error_set(err, ERROR_UNAVAILABLE, "no new process in the sandbox: %s",
				 reason);
	case GUEST_WIRE_STEP_SAVE_DIRECTORY:
		return error_set(err, ERROR_UNAVAILABLE, "%s/%s cannot be used: %s",
				 saver->directory, GUEST_WIRE_SAVE_DIRECTORY, reason);
	case GUEST_WIRE_STEP_SAVE_SPACE:
		return error_set(err, ERROR_UNAVAILABLE,
				 "twice as much must be free in the sandbox, and is not; remove "
				 "files");
	case GUEST_WIRE_STEP_SAVE_FILE:
		return error_set(err, ERROR_UNAVAILABLE, "a file in %s/%s cannot be written: %s",
				 saver->directory, GUEST_WIRE_SAVE_DIRECTORY, reason);
	case GUEST_WIRE_STEP_DIRECTORY:
	case GUEST_WIRE_STEP_PROGRAM:
		break;
	}
	return link_break_off(saver->link, err);
}

static int take_end(const struct saver *saver, struct error *err)
{
	if (link_has_died(saver->link))
		return link_set_dead(err);
	return error_set(err, ERROR_UNAVAILABLE, "something in the sandbox killed what saves it");
}

enum answer { ANSWER_NONE, ANSWER_SAVED, ANSWER_FAILED };

/* What the guest says, if it does. */
static enum answer take_answer(struct saver *saver, struct error *err)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES + 1];
	struct guest_wire_message message;
	/* No room for descriptors: the kernel drops what a hostile guest would pass. */
	ssize_t got = recv(saver->status_fd, packet, sizeof(packet), MSG_DONTWAIT);
	bool has_all = saver->left.bytes[EXEC_STDOUT] == 0 && saver->left.bytes[EXEC_STDERR] == 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return ANSWER_NONE;
	if (got <= 0) {
		(void)take_end(saver, err);
		return ANSWER_FAILED;
	}
	saver->has_answered = true;
	if (guest_wire_decode(&message, packet, (size_t)got) == 0) {
		if (message.type == GUEST_WIRE_SAVED && has_all)
			return ANSWER_SAVED;
		if (message.type == GUEST_WIRE_FAILED) {
			(void)explain(saver, &message.failed, err);
			return ANSWER_FAILED;
		}
	}
	(void)link_break_off(saver->link, err);
	return ANSWER_FAILED;
}

/* Has what is left of it killed, and waits for that a moment; more would not be worth it: unlike a
 * command, it is ours and harmless. */
static void give_up(const struct saver *saver)
{
	uint64_t deadline_ms = clock_now_ms() + LIMIT_KILL_CONFIRM_MS;
	unsigned char packet[GUEST_WIRE_MAX_BYTES];

	link_send_kill(saver->status_fd);
	while (clock_now_ms() < deadline_ms) {
		struct pollfd status = { saver->status_fd, POLLIN, 0 };

		if (poll(&status, 1, clock_poll_timeout(deadline_ms)) > 0 &&
		    recv(saver->status_fd, packet, sizeof(packet), MSG_DONTWAIT) <= 0)
			return;
	}
}

static int converse(struct saver *saver, struct error *err)
{
	while (clock_now_ms() < saver->deadline_ms) {
		struct pollfd fds[] = {
			{ saver->status_fd, POLLIN, 0 },
			{ saver->data_fd, POLLOUT, 0 },
			{ saver->cancel ? saver->cancel->fd : -1, POLLIN, 0 },
		};
		enum answer answer = ANSWER_NONE;

		if (poll(fds, ARRAY_LENGTH(fds), clock_poll_timeout(saver->deadline_ms)) < 0)
			continue;
		if (fds[0].revents)
			answer = take_answer(saver, err);
		if (answer != ANSWER_NONE)
			return answer == ANSWER_SAVED ? 0 : -1;
		if (fds[2].revents) {
			give_up(saver);
			return error_set(err, ERROR_CANCELLED, "cancelled while it was saved");
		}
		if (fds[1].revents)
			feed(saver);
	}
	give_up(saver);
	return error_set(err, ERROR_BUSY, "it took longer than %d ms", LIMIT_SAVE_MS);
}

static int send_save(const struct saver *saver, const struct save_fds *fds,
		     const struct shelf_plan *plan, struct error *err)
{
	struct guest_wire_message message = {
		.type = GUEST_WIRE_SAVE,
		.save = { .number = plan->number,
			  .stdout_bytes = (uint32_t)saver->left.bytes[EXEC_STDOUT],
			  .stderr_bytes = (uint32_t)saver->left.bytes[EXEC_STDERR] },
	};
	const struct link_packet packet = {
		.message = &message,
		.fds = fds->guest,
		.fd_count = GUEST_WIRE_SAVE_FDS,
		.cancel = saver->cancel,
		.deadline_ms = saver->deadline_ms,
	};

	for (size_t i = 0; i < plan->removed_count; i++)
		message.save.removed[i] = plan->removed[i];
	return link_send(saver->link, &packet, err);
}

/* In its turn. */
static int save_pair(struct saver *saver, const struct shelf_plan *plan, struct error *err)
{
	CLEANUP(cleanup_save_fds) struct save_fds fds = { { -1, -1 }, -1, -1 };
	int result;

	if (make_fds(&fds, err) < 0 || send_save(saver, &fds, plan, err) < 0)
		return -1;
	cleanup_guest_fds(&fds);
	saver->data_fd = fds.data;
	saver->status_fd = fds.status;
	result = converse(saver, err);
	/* A FAILED pair was removed again, and the earlier ones may still be there. */
	if (result == 0)
		shelf_note_pair(&saver->link->saving.shelf, plan);
	else if (!saver->has_answered)
		shelf_note_doubt(&saver->link->saving.shelf, plan);
	return result;
}

static int name_files(struct exec_saved *saved, const char *directory, uint32_t number,
		      const struct exec_output *output, struct error *err)
{
	static const char *const suffixes[] = {
		[EXEC_STDOUT] = "stdout", [EXEC_STDERR] = "stderr"
	};

	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		int length = snprintf(saved->paths[stream], sizeof(saved->paths[stream]),
				      "%s/" GUEST_WIRE_SAVE_DIRECTORY "/%" PRIu32 ".%s", directory,
				      number, suffixes[stream]);

		if ((size_t)length >= sizeof(saved->paths[stream]))
			return error_set(err, ERROR_INTERNAL, "the name %s is too long", directory);
		saved->bytes[stream] = output->bytes[stream];
	}
	return 0;
}

int guest_link_save(struct guest_link *link, const struct exec_output *output,
		    const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	uint64_t bytes = (uint64_t)output->bytes[EXEC_STDOUT] + output->bytes[EXEC_STDERR];
	struct saver saver = {
		.link = link,
		.cancel = cancel,
		.directory = link->config.save_directory ? link->config.save_directory : "/tmp",
		.deadline_ms = clock_now_ms() + LIMIT_SAVE_MS,
		.left = *output,
	};
	struct exec_saved named;
	struct shelf_plan plan;
	int result;

	if (bytes > LIMIT_SAVED_BYTES)
		return error_set(err, ERROR_QUOTA, "it is %" PRIu64 " bytes, and %llu are kept",
				 bytes, LIMIT_SAVED_BYTES);
	if (atomic_load(&link->was_killed) || link_is_dead(link, 0))
		return link_set_dead(err);
	if (take_turn(link, saver.deadline_ms, err) < 0)
		return -1;
	plan = shelf_plan(&link->saving.shelf, bytes);
	result = name_files(&named, saver.directory, plan.number, output, err);
	if (result == 0)
		result = save_pair(&saver, &plan, err);
	give_turn(link);
	if (result == 0)
		*saved = named;
	return result;
}
