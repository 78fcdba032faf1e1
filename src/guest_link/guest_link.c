/* SPDX-License-Identifier: MIT */
#include "guest_link/guest_link.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "exec/drain.h"
#include "exec/pump.h"
#include "guest_link/state.h"
#include "guest_wire/build_id.h"
#include "guest_wire/request.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel refuses descriptors in flight beyond a quota per user, and packets beyond the
 * socket's buffer. Both pass within moments unless someone attacks or the guest is mute. */
#define SEND_PATIENCE_MS 500
#define SEND_AGAIN_MS 2

/* One command. */
struct conversation {
	struct guest_link *link;
	int status_fd; /* our end of the command's socket */
	uint64_t sent_us;
	bool is_kill_requested;
	bool has_ended; /* *result is known, but not everything is gone yet */
	bool has_counters;
	struct guest_link_counters counters; /* before it was sent */
};

bool link_is_dead(const struct guest_link *link, int wait_ms)
{
	struct pollfd socket = { link->config.socket_fd, 0, 0 };

	return poll(&socket, 1, wait_ms) > 0;
}

bool link_has_died(const struct guest_link *link)
{
	return atomic_load(&link->was_killed) || link_is_dead(link, LINK_DEATH_SHOWS_MS);
}

int link_set_dead(struct error *err)
{
	return error_set(err, ERROR_LOST, "the sandbox has died");
}

static void kill_sandbox(struct guest_link *link)
{
	if (!atomic_exchange(&link->was_killed, true))
		link->config.kill_sandbox(link->config.context);
}

int link_break_off(struct guest_link *link, struct error *err)
{
	kill_sandbox(link);
	return error_set(err, ERROR_LOST, "the sandbox's guest broke the protocol");
}

static int wait_for_ready(const struct guest_link_config *config, struct error *err)
{
	for (;;) {
		struct pollfd ready[] = {
			{ config->socket_fd, POLLIN, 0 },
			{ config->cancel ? config->cancel->fd : -1, POLLIN, 0 },
		};
		int count = poll(ready, ARRAY_LENGTH(ready),
				 clock_poll_timeout(config->ready_deadline));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(err, "waiting for the guest");
		if (ready[1].revents)
			return error_set(err, ERROR_CANCELLED,
					 "cancelled while the sandbox started");
		if (ready[0].revents)
			return 0;
		if (clock_now_ms() >= config->ready_deadline)
			return error_set(err, ERROR_UNAVAILABLE,
					 "the sandbox started, but its guest does not answer");
	}
}

static int check_ready(const struct guest_link_config *config, struct error *err)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES + 1];
	struct guest_wire_message message;
	ssize_t got = recv(config->socket_fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (got <= 0)
		return error_set(err, ERROR_UNAVAILABLE, "the sandbox's guest ended as it started");
	if (guest_wire_decode(&message, packet, (size_t)got) < 0 ||
	    message.type != GUEST_WIRE_READY)
		return error_set(err, ERROR_PROTOCOL,
				 "the sandbox's guest does not speak our protocol");
	if (memcmp(message.ready.build_id, guest_build_id, sizeof(guest_build_id)) != 0)
		return error_set(err, ERROR_PROTOCOL,
				 "the sandbox's guest is of another build than this server; "
				 "reinstall kilntainers, or make the sandbox again");
	return 0;
}

struct guest_link *guest_link_open(const struct guest_link_config *config, struct error *err)
{
	CLEANUP(cleanup_fd) int socket_fd = config->socket_fd;
	struct guest_link *link;

	assert(config->kill_sandbox);
	if (wait_for_ready(config, err) < 0 || check_ready(config, err) < 0)
		return NULL;
	link = alloc_zeroed(sizeof(*link));
	link->config = *config;
	link->config.socket_fd = take_fd(&socket_fd);
	link->drainer = drainer_create();
	link_saving_init(link);
	return link;
}

int guest_link_death_fd(const struct guest_link *link)
{
	return link->config.socket_fd;
}

void guest_link_close(struct guest_link *link)
{
	if (!link)
		return;
	cleanup_fd(&link->config.socket_fd);
	drainer_destroy(link->drainer);
	link_saving_finish(link);
	free(link);
}

/* Everything of one command that has to be released again; -1 where there is nothing. */
struct exec_fds {
	int request;
	int guest[3];  /* the command's ends of stdin, stdout, stderr ... */
	int server[3]; /* ... and ours */
	int guest_status;
	int status;
};

static const struct exec_fds no_fds = { -1, { -1, -1, -1 }, { -1, -1, -1 }, -1, -1 };

static void close_guest_ends(struct exec_fds *fds)
{
	cleanup_fd(&fds->request);
	cleanup_fd(&fds->guest_status);
	for (int i = 0; i < 3; i++)
		cleanup_fd(&fds->guest[i]);
}

static void cleanup_exec_fds(struct exec_fds *fds)
{
	close_guest_ends(fds);
	cleanup_fd(&fds->status);
	for (int i = 0; i < 3; i++)
		cleanup_fd(&fds->server[i]);
}

/* `guest_end`: which end the command gets, 0 to read or 1 to write. */
static int make_pipe(struct exec_fds *fds, int stream, int guest_end, struct error *err)
{
	int pair[2];

	if (fd_open_pipe(pair, err) < 0)
		return -1;
	fds->guest[stream] = pair[guest_end];
	fds->server[stream] = pair[1 - guest_end];
	return 0;
}

static int make_stdin(struct exec_fds *fds, const struct exec_request *request, struct error *err)
{
	if (request->stdin_bytes > 0 || request->stdin_fd >= 0)
		return make_pipe(fds, STDIN_FILENO, 0, err);
	fds->guest[STDIN_FILENO] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fds->guest[STDIN_FILENO] < 0)
		return error_set_errno(err, "opening /dev/null");
	return 0;
}

static int make_fds(struct exec_fds *fds, const struct exec_request *request, struct error *err)
{
	int pair[2];

	if (make_stdin(fds, request, err) < 0 || make_pipe(fds, STDOUT_FILENO, 1, err) < 0 ||
	    make_pipe(fds, STDERR_FILENO, 1, err) < 0 || fd_packet_pair(pair, err) < 0)
		return error_wrap(err, "preparing a command");
	fds->status = pair[0];
	fds->guest_status = pair[1];
	return 0;
}

/* Writes what EXEC says and what the memory file holds. */
static int make_message(struct guest_wire_message *message, struct exec_fds *fds,
			const struct guest_link *link, const struct exec_request *request,
			struct error *err)
{
	const char *const shell_command[] = { link->config.shell, "-c", request->command, NULL };
	struct guest_request start = {
		.directory = request->working_directory ? request->working_directory
							: link->config.directory,
		.arguments = request->command ? shell_command : request->args,
		.environment = link->config.env,
	};
	CLEANUP(buf_finish) struct buf bytes = BUF_INIT(GUEST_REQUEST_MAX_BYTES);

	if (request->command && !link->config.shell)
		return error_set(err, ERROR_INVALID,
				 "This sandbox has no shell. Pass args instead of command.");
	if (!start.directory)
		start.directory = "";
	message->type = GUEST_WIRE_EXEC;
	if (guest_request_write(&bytes, &message->exec, &start, err) < 0)
		return -1;
	fds->request = fd_sealed_memory("kilntainers-request", bytes.data, bytes.length, err);
	return fds->request < 0 ? -1 : 0;
}

/* One attempt. 0, -1 with errno. */
static int send_packet(int socket_fd, const struct link_packet *packet)
{
	unsigned char bytes[GUEST_WIRE_MAX_BYTES];
	union {
		char bytes[CMSG_SPACE(GUEST_WIRE_EXEC_FDS * sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec data = { bytes, guest_wire_encode(bytes, packet->message) };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(packet->fd_count * sizeof(int)),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(packet->fd_count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), packet->fds, packet->fd_count * sizeof(int));
	return sendmsg(socket_fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* Waits a moment before the next attempt; false if the caller gave up. */
static bool waits_on(const struct cancel *cancel)
{
	struct pollfd flag = { cancel ? cancel->fd : -1, POLLIN, 0 };

	return poll(&flag, 1, SEND_AGAIN_MS) <= 0;
}

int link_send(const struct guest_link *link, const struct link_packet *packet, struct error *err)
{
	while (send_packet(link->config.socket_fd, packet) < 0) {
		if (errno == EPIPE || errno == ECONNRESET)
			return link_set_dead(err);
		if (errno != ETOOMANYREFS && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			return error_set_errno(err, "sending a message to the sandbox");
		if (clock_now_ms() >= packet->deadline_ms)
			return error_set(err, ERROR_BUSY,
					 "The sandbox cannot take another command now; try again "
					 "in a moment.");
		if (!waits_on(packet->cancel))
			return error_set(err, ERROR_CANCELLED, "cancelled before it was sent");
	}
	return 0;
}

static int send_exec(const struct guest_link *link, const struct guest_wire_message *message,
		     const struct exec_fds *fds, const struct exec_request *request,
		     struct error *err)
{
	const int passed[GUEST_WIRE_EXEC_FDS] = {
		[GUEST_WIRE_FD_REQUEST] = fds->request,	    [GUEST_WIRE_FD_STDIN] = fds->guest[0],
		[GUEST_WIRE_FD_STDOUT] = fds->guest[1],	    [GUEST_WIRE_FD_STDERR] = fds->guest[2],
		[GUEST_WIRE_FD_STATUS] = fds->guest_status,
	};
	const struct link_packet packet = {
		.message = message,
		.fds = passed,
		.fd_count = GUEST_WIRE_EXEC_FDS,
		.cancel = request->cancel,
		.deadline_ms = clock_now_ms() + SEND_PATIENCE_MS,
	};

	return link_send(link, &packet, err);
}

void link_send_kill(int status_fd)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	size_t bytes =
		guest_wire_encode(packet, &(struct guest_wire_message){ .type = GUEST_WIRE_KILL });

	(void)send(status_fd, packet, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void request_kill(void *context)
{
	struct conversation *conversation = context;

	conversation->is_kill_requested = true;
	/* If it does not arrive, nothing is confirmed, and the sandbox is killed. */
	link_send_kill(conversation->status_fd);
}

static enum pump_event take_exited(struct conversation *conversation,
				   const struct guest_wire_exited *exited,
				   struct exec_result *result)
{
	static const unsigned disk_limits[] = {
		[GUEST_WIRE_DISK_HAS_ROOM] = 0,
		[GUEST_WIRE_DISK_FULL] = EXEC_LIMIT_DISK,
		[GUEST_WIRE_DISK_NO_FILES] = EXEC_LIMIT_FILES,
	};

	result->end = exited->signal != 0 ? EXEC_END_SIGNAL : EXEC_END_EXIT;
	result->code = (int)(exited->signal != 0 ? exited->signal : exited->exit_code);
	result->duration_us = exited->duration_us;
	result->limits_hit = disk_limits[exited->disk];
	conversation->has_ended = true;
	/* It ended while our KILL was on its way, which its background processes still await:
	 * end-of-file will tell that they are gone too. */
	if (conversation->is_kill_requested && exited->reason != GUEST_WIRE_KILLED)
		return PUMP_EVENT_NONE;
	return PUMP_EVENT_ENDED;
}

static enum pump_event break_off(struct conversation *conversation, struct error *err)
{
	(void)link_break_off(conversation->link, err);
	return PUMP_EVENT_LOST;
}

static enum pump_event take_failed(struct conversation *conversation,
				   const struct guest_wire_failed *failed,
				   struct exec_result *result, struct error *err)
{
	static const enum exec_start_step steps[] = {
		[GUEST_WIRE_STEP_DIRECTORY] = EXEC_START_DIRECTORY,
		[GUEST_WIRE_STEP_PROGRAM] = EXEC_START_PROGRAM,
		[GUEST_WIRE_STEP_PROCESS] = EXEC_START_PROCESS,
	};

	if (failed->step >= ARRAY_LENGTH(steps))
		return break_off(conversation, err);
	result->end = EXEC_END_NOT_STARTED;
	result->start_step = steps[failed->step];
	result->code = (int)failed->errno_value;
	return PUMP_EVENT_ENDED;
}

/* End-of-file on the command's socket. */
static enum pump_event take_end(struct conversation *conversation, struct exec_result *result,
				struct error *err)
{
	if (conversation->has_ended)
		return PUMP_EVENT_ENDED;
	if (link_has_died(conversation->link)) {
		(void)link_set_dead(err);
		return PUMP_EVENT_LOST;
	}
	/* The guest lives, the supervisor does not: the command killed the process that it ran
	 * below, and with it itself. */
	result->end = EXEC_END_SIGNAL;
	result->code = SIGKILL;
	return PUMP_EVENT_ENDED;
}

static enum pump_event on_status(void *context, struct exec_result *result, struct error *err)
{
	struct conversation *conversation = context;
	unsigned char packet[GUEST_WIRE_MAX_BYTES + 1];
	struct guest_wire_message message;
	/* No room for descriptors: the kernel drops what a hostile guest would pass. */
	ssize_t got = recv(conversation->status_fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return PUMP_EVENT_NONE;
	if (got <= 0)
		return take_end(conversation, result, err);
	if (conversation->has_ended || guest_wire_decode(&message, packet, (size_t)got) < 0)
		return break_off(conversation, err);
	switch ((int)message.type) {
	case GUEST_WIRE_STARTED:
		return PUMP_EVENT_STARTED;
	case GUEST_WIRE_EXITED:
		return take_exited(conversation, &message.exited, result);
	case GUEST_WIRE_FAILED:
		return take_failed(conversation, &message.failed, result, err);
	default:
		return break_off(conversation, err);
	}
}

static int follow(struct conversation *conversation, struct exec_fds *fds,
		  const struct exec_request *request, struct exec_sink *sink,
		  struct exec_result *result, struct error *err)
{
	struct guest_link *link = conversation->link;
	struct pump pump = {
		.request = request,
		.sink = sink,
		.drainer = link->drainer,
		.sent_us = conversation->sent_us,
		.stdin_fd = take_fd(&fds->server[STDIN_FILENO]),
		.stdout_fd = take_fd(&fds->server[STDOUT_FILENO]),
		.stderr_fd = take_fd(&fds->server[STDERR_FILENO]),
		.status_fd = conversation->status_fd,
		.on_status = on_status,
		.request_kill = request_kill,
		.context = conversation,
	};

	switch (pump_run(&pump, result, err)) {
	case PUMP_ENDED:
		return 0;
	case PUMP_UNCONFIRMED:
		kill_sandbox(link);
		return 0;
	case PUMP_LOST:
		break;
	}
	return -1;
}

static bool read_counters(const struct guest_link *link, struct guest_link_counters *counters)
{
	const struct guest_link_config *config = &link->config;

	return config->read_counters && config->read_counters(config->context, counters);
}

/* Nobody looks for what stopped a command that nothing stopped. */
static bool may_have_hit_limits(const struct exec_result *result)
{
	switch (result->end) {
	case EXEC_END_EXIT:
		return result->code != 0;
	case EXEC_END_NOT_STARTED:
		return result->start_step == EXEC_START_PROCESS;
	case EXEC_END_SIGNAL:
	case EXEC_END_TIMEOUT:
	case EXEC_END_OUTPUT_LIMIT:
	case EXEC_END_CANCELLED:
		break;
	}
	return true;
}

/* The kernel counts before it kills or refuses, so what the command suffered is in by now. */
static void note_limits(const struct conversation *conversation, struct exec_result *result)
{
	const struct guest_link_counters *before = &conversation->counters;
	struct guest_link_counters now;
	bool is_own_memory, are_own_processes;

	result->limits = conversation->link->config.limits;
	if (!conversation->has_counters || !may_have_hit_limits(result) ||
	    !read_counters(conversation->link, &now))
		return;
	is_own_memory = now.own_memory_limits > before->own_memory_limits;
	are_own_processes = now.own_process_limits > before->own_process_limits;
	if (now.memory_kills > before->memory_kills)
		result->limits_hit |= is_own_memory ? EXEC_LIMIT_MEMORY : EXEC_LIMIT_MACHINE;
	if (now.refused_processes > before->refused_processes)
		result->limits_hit |= are_own_processes ? EXEC_LIMIT_PIDS : EXEC_LIMIT_ALL_PIDS;
}

int guest_link_exec(struct guest_link *link, const struct exec_request *request,
		    struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	CLEANUP(cleanup_exec_fds) struct exec_fds fds = no_fds;
	struct conversation conversation = { .link = link };
	struct guest_wire_message message;

	if (atomic_load(&link->was_killed) || link_is_dead(link, 0))
		return link_set_dead(err);
	if (make_fds(&fds, request, err) < 0 ||
	    make_message(&message, &fds, link, request, err) < 0)
		return -1;
	conversation.status_fd = fds.status;
	conversation.has_counters = read_counters(link, &conversation.counters);
	conversation.sent_us = clock_now_us();
	if (send_exec(link, &message, &fds, request, err) < 0)
		return -1;
	close_guest_ends(&fds);
	if (follow(&conversation, &fds, request, sink, result, err) < 0)
		return -1;
	note_limits(&conversation, result);
	return 0;
}
