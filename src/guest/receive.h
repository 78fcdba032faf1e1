/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Taking one message off the sandbox's socket, on which the spare, or without a
 * spare the guest itself, waits. The descriptors that come with it are the
 * caller's.
 */

#include "guest_wire/guest_wire.h"

/* The most that come with any message. */
#define RECEIVE_FDS GUEST_WIRE_EXEC_FDS

enum receive_status {
	RECEIVE_MESSAGE,
	RECEIVE_NOTHING, /* none there */
	RECEIVE_END,	 /* end-of-file: the server has gone */
	RECEIVE_BROKEN,	 /* not a message of ours, or without its descriptors */
};

/* Fills in `fds` (close-on-exec) for an EXEC or SAVE only; -1 where there is none. Does not wait.
 */
enum receive_status receive_message(int socket_fd, struct guest_wire_message *message,
				    int fds[RECEIVE_FDS]);
/* Which of them is the conversation's own socket; -1: a message without one. */
int receive_status_place(const struct guest_wire_message *message);
/* Sends one message to a command's socket; a server that has gone is no error. */
void send_status(int status_fd, const struct guest_wire_message *message);
void send_failure(int status_fd, enum guest_wire_step step, int errno_value);
void close_fds(int *fds, int count);
