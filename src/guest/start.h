/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Starting a command's main process, the way a login shell would find it:
 * default signals, empty mask, umask 0022, its own session, descriptors 0
 * to 2 and no others. vfork: the caller sleeps until the program runs or has
 * failed, and learns which.
 */

#include "guest_wire/guest_wire.h"
#include "guest_wire/request.h"

#include <sys/types.h>

struct start {
	struct guest_request request;
	int stdio_fds[3];	   /* stdin, stdout, stderr; all above 2 */
	unsigned long nofile_soft; /* soft RLIMIT_NOFILE, at most the hard one; 0: as it is */
	unsigned long processes;   /* RLIMIT_NPROC, lower than ours; 0: as it is */
};

/* The pid, or -1 with *failed. What failed to start has been reaped. */
pid_t start_command(const struct start *start, struct guest_wire_failed *failed);
