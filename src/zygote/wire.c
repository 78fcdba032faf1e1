/* SPDX-License-Identifier: MIT */
#include "zygote/zygote.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int zygote_send(int socket_fd, const void *packet, size_t bytes, const int *fds, unsigned fd_count,
		struct error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(ZYGOTE_MAX_FDS * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec data = { (void *)(uintptr_t)packet, bytes };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t sent;

	assert(fd_count <= ZYGOTE_MAX_FDS);
	if (fd_count > 0) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	do {
		sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent != (ssize_t)bytes)
		return error_set_errno(err, "sending to the sandbox starter's socket");
	return 0;
}

static void take_descriptors(struct msghdr *message, int *fds, unsigned fd_count)
{
	unsigned taken = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (taken < fd_count)
				fds[taken++] = fd;
			else
				(void)close(fd);
		}
	}
}

int zygote_receive(int socket_fd, void *packet, size_t bytes, int *fds, unsigned fd_count,
		   struct error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(ZYGOTE_MAX_FDS * sizeof(int))];
	} control;
	struct iovec data = { packet, bytes };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t got;

	assert(fd_count <= ZYGOTE_MAX_FDS);
	for (unsigned i = 0; i < fd_count; i++)
		fds[i] = -1;
	do {
		got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return error_set_errno(err, "receiving from the sandbox starter's socket");
	take_descriptors(&message, fds, fd_count);
	if (got == 0)
		return 0;
	if ((size_t)got != bytes || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		for (unsigned i = 0; i < fd_count; i++) {
			if (fds[i] >= 0)
				(void)close(fds[i]);
			fds[i] = -1;
		}
		return error_set(err, ERROR_PROTOCOL,
				 "a packet of %zd bytes came on the sandbox starter's socket, "
				 "expected %zu",
				 got, bytes);
	}
	return 1;
}

void zygote_report_failure(int socket_fd, enum zygote_area area, const struct error *err)
{
	struct zygote_report report = { .kind = ZYGOTE_FAILED,
					.area = area,
					.error_kind = (uint32_t)err->kind,
					.error_number = err->errno_value };

	(void)snprintf(report.text, sizeof(report.text), "%.*s", ZYGOTE_TEXT_BYTES - 1,
		       err->message);
	/* A server that went away needs no answer. */
	(void)zygote_send(socket_fd, &report, sizeof(report), NULL, 0, NULL);
}
