/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The server's side of a guest, by hand: a guest of the plain library in a child
 * process, one socket to it, and packets right or wrong.
 */

#include "guest_wire/guest_wire.h"

#include <stddef.h>
#include <sys/types.h>

struct guest_peer {
	const char *save_directory; /* set before the start, or NULL */
	pid_t pid;
	int socket_fd;
	int life_fd; /* end-of-file once the guest and its supervisors are gone */
};

/* Forks a guest; it has said READY. With `without_fork` it cannot fork. */
void peer_start(struct guest_peer *peer, int without_fork);
/* Waits until the guest and all supervisors are gone; returns waitpid's status. */
int peer_wait(struct guest_peer *peer);

/* One command's socket, after EXEC was sent with this argv line ("sh\0-c\0..."); the output goes
 * nowhere. */
int peer_exec(const struct guest_peer *peer, const char *strings, size_t bytes,
	      uint32_t argument_count);
/* Sends EXEC with these counts and this memory file. */
int peer_send_exec(const struct guest_peer *peer, const struct guest_wire_exec *exec,
		   int request_fd, unsigned fd_count);
/* Likewise SAVE; *data_fd is where what is to be saved goes. */
int peer_save(const struct guest_peer *peer, const struct guest_wire_save *save, int *data_fd);
/* The next message, or type 0 at end-of-file. */
struct guest_wire_message peer_receive(int fd);
