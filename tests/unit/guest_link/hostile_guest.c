/* SPDX-License-Identifier: MIT */
#include "tests/unit/guest_link/hostile_guest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "guest_wire/build_id.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define READY_PATIENCE_MS 1000

static void *play(void *context)
{
	struct hostile_guest *guest = context;

	guest->play(guest);
	return NULL;
}

void hostile_start(struct hostile_guest *guest, void (*role)(struct hostile_guest *guest))
{
	int pair[2];

	assert_int_equal(fd_packet_pair(pair, NULL), 0);
	*guest = (struct hostile_guest){ .socket_fd = pair[0], .link_fd = pair[1], .play = role };
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		guest->fds[i] = -1;
	assert_int_equal(pthread_create(&guest->thread, NULL, play, guest), 0);
}

void hostile_finish(struct hostile_guest *guest)
{
	(void)pthread_join(guest->thread, NULL);
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		cleanup_fd(&guest->fds[i]);
	cleanup_fd(&guest->socket_fd);
	cleanup_fd(&guest->link_fd);
}

static void count_kill(void *context)
{
	struct hostile_guest *guest = context;

	atomic_fetch_add(&guest->kills, 1);
}

struct guest_link *hostile_open(struct hostile_guest *guest, const struct cancel *cancel,
				struct error *err)
{
	const struct guest_link_config config = {
		.socket_fd = take_fd(&guest->link_fd),
		.kill_sandbox = count_kill,
		.context = guest,
		.shell = "/bin/sh",
		.ready_deadline = clock_now_ms() + READY_PATIENCE_MS,
		.cancel = cancel,
	};

	return guest_link_open(&config, err);
}

void hostile_send(int fd, const void *data, size_t bytes)
{
	(void)send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void hostile_say(int fd, const struct guest_wire_message *message)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];

	hostile_send(fd, packet, guest_wire_encode(packet, message));
}

void hostile_say_ready(struct hostile_guest *guest)
{
	struct guest_wire_message message = { .type = GUEST_WIRE_READY };

	memcpy(message.ready.build_id, guest_build_id, sizeof(guest_build_id));
	hostile_say(guest->socket_fd, &message);
}

/* Returns the length of the packet. */
static ssize_t take_packet(struct hostile_guest *guest, unsigned char packet[GUEST_WIRE_MAX_BYTES],
			   size_t fd_count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(guest->fds))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec data = { packet, GUEST_WIRE_MAX_BYTES };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(guest->socket_fd, &header, MSG_CMSG_CLOEXEC);

	if (got > 0 && CMSG_FIRSTHDR(&header))
		memcpy(guest->fds, CMSG_DATA(CMSG_FIRSTHDR(&header)), fd_count * sizeof(int));
	return got;
}

void hostile_take_exec(struct hostile_guest *guest)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];

	(void)take_packet(guest, packet, GUEST_WIRE_EXEC_FDS);
}

bool hostile_take_save(struct hostile_guest *guest, struct guest_wire_save *save)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_message message;
	ssize_t got = take_packet(guest, packet, GUEST_WIRE_SAVE_FDS);

	if (got <= 0 || guest_wire_decode(&message, packet, (size_t)got) < 0 ||
	    message.type != GUEST_WIRE_SAVE)
		return false;
	*save = message.save;
	return true;
}

void hostile_wait_for_end(int fd)
{
	char packet[GUEST_WIRE_MAX_BYTES];
	ssize_t got;

	do
		got = recv(fd, packet, sizeof(packet), 0);
	while (got > 0 || (got < 0 && errno == EINTR));
}

void hostile_close(struct hostile_guest *guest, enum guest_wire_exec_fd which)
{
	cleanup_fd(&guest->fds[which]);
}
