/* SPDX-License-Identifier: MIT */
#include "guest/receive.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void close_fds(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		cleanup_fd(&fds[i]);
}

/* Collects the descriptors that came along; returns how many. */
static int take_fds(struct msghdr *header, int fds[RECEIVE_FDS])
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	size_t bytes;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = control->cmsg_len - CMSG_LEN(0);
	if (bytes > RECEIVE_FDS * sizeof(int))
		bytes = RECEIVE_FDS * sizeof(int);
	memcpy(fds, CMSG_DATA(control), bytes);
	return (int)(bytes / sizeof(int));
}

static int count_fds(const struct guest_wire_message *message)
{
	if (message->type == GUEST_WIRE_EXEC)
		return GUEST_WIRE_EXEC_FDS;
	return message->type == GUEST_WIRE_SAVE ? GUEST_WIRE_SAVE_FDS : 0;
}

int receive_status_place(const struct guest_wire_message *message)
{
	if (message->type == GUEST_WIRE_EXEC)
		return GUEST_WIRE_FD_STATUS;
	return message->type == GUEST_WIRE_SAVE ? GUEST_WIRE_SAVE_FD_STATUS : -1;
}

enum receive_status receive_message(int socket_fd, struct guest_wire_message *message,
				    int fds[RECEIVE_FDS])
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	union {
		char bytes[CMSG_SPACE(RECEIVE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec data = { packet, sizeof(packet) };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;
	int count;

	for (int i = 0; i < RECEIVE_FDS; i++)
		fds[i] = -1;
	got = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return RECEIVE_NOTHING;
	/* A reset is a server that went with our messages unread. */
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return RECEIVE_END;
	if (got < 0)
		return RECEIVE_BROKEN;
	count = take_fds(&header, fds);
	if (!(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    guest_wire_decode(message, packet, (size_t)got) == 0 && count == count_fds(message))
		return RECEIVE_MESSAGE;
	close_fds(fds, RECEIVE_FDS);
	return RECEIVE_BROKEN;
}

void send_status(int status_fd, const struct guest_wire_message *message)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	size_t bytes = guest_wire_encode(packet, message);

	(void)send(status_fd, packet, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void send_failure(int status_fd, enum guest_wire_step step, int errno_value)
{
	send_status(status_fd,
		    &(struct guest_wire_message){ .type = GUEST_WIRE_FAILED,
						  .failed = { step, (uint32_t)errno_value } });
}
