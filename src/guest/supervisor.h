/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A supervisor: the process that every command runs below. Forked in advance
 * (then it is the spare), it waits for an EXEC on the sandbox's socket, starts
 * the command, reports how it ended, and stays until the last descendant of it
 * is gone: being a subreaper, it inherits everything that daemonised. Of a SAVE
 * the same, only that the process below it is of our own making and reports for
 * itself.
 */

#include "guest/guest.h"

#include <stdint.h>

/* What supervisors tell the guest. */
enum report_event {
	REPORT_TAKEN = 1, /* it has an EXEC or SAVE: fork the next spare */
	REPORT_KILL,	  /* kill what is below it */
	REPORT_SHUTDOWN,  /* the server said so */
	REPORT_BROKEN,	  /* the server's message made no sense, or confining failed */
};

/* One packet on a socket that all supervisors share. End-of-file on it tells them that the guest
 * has died. */
struct report {
	int32_t pid;
	int32_t event;
};

/*
 * The descriptors are the guest's own, inherited. The spare needs its socket, to take an EXEC off
 * it, and closes it when it did. signal_fd shows each reader its own signals, so sharing one tells
 * nobody anything. None of them can be had by a command: they close on exec, and no supervisor is
 * dumpable.
 */
struct supervisor_config {
	const struct guest_config *guest;
	int signal_fd; /* SIGCHLD and SIGTERM, both blocked */
	int report_fd;
	int proc_fd;	       /* /proc */
	int command_oom_score; /* above the supervisor's own; 0: as it is */
};

/* In a fresh child of the guest. */
ATTR_NORETURN void supervisor_run(const struct supervisor_config *config);
