/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the files of this room share, and nobody else sees.
 */

#include "guest_link/guest_link.h"
#include "guest_link/shelf.h"
#include "guest_wire/guest_wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct drainer;

struct guest_link {
	struct guest_link_config config;
	struct drainer *drainer;
	atomic_bool was_killed;
	struct {
		pthread_mutex_t mutex;
		pthread_cond_t changed;
		bool is_taken; /* by the one call that saves; the shelf is its own meanwhile */
		struct shelf shelf;
	} saving;
};

/* A supervisor that vanished with its guest leaves the sandbox's socket behind for an instant. */
#define LINK_DEATH_SHOWS_MS 100

/* Whether the guest has gone, at once or within `wait_ms`. */
bool link_is_dead(const struct guest_link *link, int wait_ms);
/* For whoever lost its supervisor: whether the sandbox goes, too. One that we kill may take its
 * time to end, and its supervisors end first. */
bool link_has_died(const struct guest_link *link);
/* ERROR_LOST; returns -1. */
int link_set_dead(struct error *err);
/* For a guest that breaks the protocol: kills the sandbox, and ERROR_LOST. Returns -1. */
int link_break_off(struct guest_link *link, struct error *err);
/* A KILL for what `status_fd` is about. If it does not arrive, nothing is confirmed. */
void link_send_kill(int status_fd);

/* One message on its way to the guest. */
struct link_packet {
	const struct guest_wire_message *message;
	const int *fds;
	size_t fd_count; /* at most GUEST_WIRE_EXEC_FDS */
	const struct cancel *cancel;
	uint64_t deadline_ms;
};

/* Tries again until the deadline where the kernel cannot pass it on at the moment. ERROR_LOST,
 * ERROR_BUSY, ERROR_CANCELLED. */
int link_send(const struct guest_link *link, const struct link_packet *packet, struct error *err);

/* --- save.c -------------------------------------------------------------- */

void link_saving_init(struct guest_link *link);
void link_saving_finish(struct guest_link *link);
