/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The other end of a guest_link, played by a thread that does as the test wants:
 * answers wrongly, late, never, or dies in the middle.
 */

#include "guest_link/guest_link.h"
#include "guest_wire/guest_wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct hostile_guest {
	int socket_fd;		      /* the guest's end */
	int link_fd;		      /* the server's, until a link takes it */
	int fds[GUEST_WIRE_EXEC_FDS]; /* of the EXEC or SAVE that it took */
	void (*play)(struct hostile_guest *guest);
	pthread_t thread;
	atomic_int kills; /* how often kill_sandbox was called */
};

/* Starts the thread. */
void hostile_start(struct hostile_guest *guest, void (*play)(struct hostile_guest *guest));
/* Joins it and closes everything. */
void hostile_finish(struct hostile_guest *guest);
/* Opens a link with a second's patience for READY. */
struct guest_link *hostile_open(struct hostile_guest *guest, const struct cancel *cancel,
				struct error *err);

void hostile_send(int fd, const void *data, size_t bytes);
void hostile_say(int fd, const struct guest_wire_message *message);
/* The proper READY. */
void hostile_say_ready(struct hostile_guest *guest);
/* Waits for an EXEC; the descriptors stay in guest->fds. */
void hostile_take_exec(struct hostile_guest *guest);
/* Waits for a SAVE; false if none comes any more. Its descriptors are the first in guest->fds. */
bool hostile_take_save(struct hostile_guest *guest, struct guest_wire_save *save);
/* Waits until the server is gone from this socket. */
void hostile_wait_for_end(int fd);
/* Closes one descriptor of guest->fds. */
void hostile_close(struct hostile_guest *guest, enum guest_wire_exec_fd which);
