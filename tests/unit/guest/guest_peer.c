/* SPDX-License-Identifier: MIT */
#include "tests/unit/guest/guest_peer.h"

#include "base/fd.h"
#include "guest/guest.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Far more than anything here takes. */
#define PATIENCE_MS 60000

pid_t __real_fork(void);
pid_t __wrap_fork(void);

static int is_fork_refused;

/* A sandbox that is out of processes. */
pid_t __wrap_fork(void)
{
	if (is_fork_refused) {
		errno = EAGAIN;
		return -1;
	}
	return __real_fork();
}

void peer_start(struct guest_peer *peer, int without_fork)
{
	struct guest_wire_message ready;
	int pair[2];
	int life[2];

	assert_int_equal(fd_packet_pair(pair, NULL), 0);
	assert_int_equal(fd_open_pipe(life, NULL), 0);
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		(void)close(pair[0]);
		(void)close(life[0]);
		is_fork_refused = without_fork;
		guest_run(&(struct guest_config){ .socket_fd = pair[1],
						  .save_directory = peer->save_directory });
	}
	(void)close(pair[1]);
	(void)close(life[1]);
	peer->socket_fd = pair[0];
	peer->life_fd = life[0];
	ready = peer_receive(peer->socket_fd);
	assert_int_equal(ready.type, GUEST_WIRE_READY);
}

int peer_wait(struct guest_peer *peer)
{
	struct pollfd life = { peer->life_fd, POLLIN, 0 };
	int status = -1;

	assert_int_equal(poll(&life, 1, PATIENCE_MS), 1);
	assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
	(void)close(peer->life_fd);
	return status;
}

static void send_packet(const struct guest_peer *peer, const struct guest_wire_message *message,
			const int *fds, unsigned fd_count)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	union {
		char bytes[CMSG_SPACE(GUEST_WIRE_EXEC_FDS * sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec data = { packet, guest_wire_encode(packet, message) };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd_count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	assert_true(sendmsg(peer->socket_fd, &header, MSG_NOSIGNAL) > 0);
}

int peer_send_exec(const struct guest_peer *peer, const struct guest_wire_exec *exec,
		   int request_fd, unsigned fd_count)
{
	const struct guest_wire_message message = { .type = GUEST_WIRE_EXEC, .exec = *exec };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int status[2];
	int fds[GUEST_WIRE_EXEC_FDS];

	assert_int_equal(fd_packet_pair(status, NULL), 0);
	fds[GUEST_WIRE_FD_REQUEST] = request_fd;
	for (int i = GUEST_WIRE_FD_STDIN; i <= GUEST_WIRE_FD_STDERR; i++)
		fds[i] = null_fd;
	fds[GUEST_WIRE_FD_STATUS] = status[1];
	send_packet(peer, &message, fds, fd_count);
	(void)close(null_fd);
	(void)close(status[1]);
	return status[0];
}

int peer_exec(const struct guest_peer *peer, const char *strings, size_t bytes,
	      uint32_t argument_count)
{
	const struct guest_wire_exec exec = { (uint32_t)bytes, argument_count, GUEST_WIRE_INHERIT };
	int request_fd = fd_sealed_memory("request", strings, bytes, NULL);
	int status_fd;

	assert_true(request_fd >= 0);
	status_fd = peer_send_exec(peer, &exec, request_fd, GUEST_WIRE_EXEC_FDS);
	(void)close(request_fd);
	return status_fd;
}

int peer_save(const struct guest_peer *peer, const struct guest_wire_save *save, int *data_fd)
{
	const struct guest_wire_message message = { .type = GUEST_WIRE_SAVE, .save = *save };
	int data[2];
	int status[2];
	int fds[GUEST_WIRE_SAVE_FDS];

	assert_int_equal(fd_open_pipe(data, NULL), 0);
	assert_int_equal(fd_packet_pair(status, NULL), 0);
	fds[GUEST_WIRE_SAVE_FD_DATA] = data[0];
	fds[GUEST_WIRE_SAVE_FD_STATUS] = status[1];
	send_packet(peer, &message, fds, GUEST_WIRE_SAVE_FDS);
	(void)close(data[0]);
	(void)close(status[1]);
	*data_fd = data[1];
	return status[0];
}

struct guest_wire_message peer_receive(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_message message = { 0 };
	ssize_t got;

	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	got = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	if (got > 0)
		assert_int_equal(guest_wire_decode(&message, packet, (size_t)got), 0);
	return message;
}
