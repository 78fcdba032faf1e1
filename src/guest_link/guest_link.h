/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The server's end of a guest: one sandbox reached by one SOCK_SEQPACKET socket
 * (guest_wire/guest_wire.h). Shared by every backend whose sandboxes run our
 * guest. Everything a guest sends is hostile until checked: fixed sizes, no
 * descriptors accepted; a guest that breaks the protocol is a dead sandbox.
 *
 * Any number of threads may run guest_link_exec and guest_link_save at once; open
 * and close belong to the sandbox's owner and never overlap them.
 */

#include "base/error.h"
#include "exec/exec.h"

#include <stdint.h>

struct guest_link;

/* The kernel's counts for one sandbox; they only grow. */
struct guest_link_counters {
	uint64_t memory_kills; /* processes killed for want of memory, whoever ran out of it */
	/* How often the sandbox's own memory limit was reached: a kill without that is the doing of
	 * the machine, or of a limit on all sandboxes. Where nobody can tell: memory_kills. */
	uint64_t own_memory_limits;
	uint64_t refused_processes;  /* forks refused by a limit of processes, whoever's it is */
	uint64_t own_process_limits; /* as own_memory_limits, for refused_processes */
};

struct guest_link_config {
	int socket_fd; /* taken, also on failure */
	/* Kills the whole sandbox from outside when a command cannot be killed, or the guest
	 * misbehaves; called at most once, from any thread that runs an exec. */
	void (*kill_sandbox)(void *context);
	void *context;
	const char *shell;	/* runs `command`; borrowed; NULL: no command mode */
	const char *const *env; /* NULL-terminated NAME=value for every command; borrowed; NULL:
				   what the guest was started with */
	const char *directory;	/* where commands start; borrowed; NULL: where the guest stands */
	/* Where output is saved, as the guest was told (guest_config); borrowed; NULL: /tmp. */
	const char *save_directory;
	uint64_t ready_deadline;     /* clock_now_ms() time */
	const struct cancel *cancel; /* ends the wait for READY; may be NULL */
	struct exec_limits limits;   /* told in results */
	/* The counters of this sandbox by now; false if they cannot be read. On every call's path:
	 * must not block. Called from any thread that runs an exec. NULL: there are none. */
	bool (*read_counters)(void *context, struct guest_link_counters *counters);
};

/* Waits for READY with our own build id. */
struct guest_link *guest_link_open(const struct guest_link_config *config, struct error *err);
/* As backend_type.exec. Counters are of the whole sandbox: with several commands in it at once,
 * what one suffered is in the results of all that failed meanwhile; who was killed by it shows in
 * `end`. */
int guest_link_exec(struct guest_link *link, const struct exec_request *request,
		    struct exec_sink *sink, struct exec_result *result, struct error *err);
/* As backend_type.save. One at a time: others wait for their turn, within the same deadline. */
int guest_link_save(struct guest_link *link, const struct exec_output *output,
		    const struct cancel *cancel, struct exec_saved *saved, struct error *err);
/* Readable (hang-up) once the guest is gone. */
int guest_link_death_fd(const struct guest_link *link);
/* Closes the socket (the guest then exits) and the drained pipes. Takes NULL. */
void guest_link_close(struct guest_link *link);
