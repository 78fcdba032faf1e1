/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The guest: the small agent inside a sandbox that runs commands on request.
 * Single-threaded, static, no allocation by sizes that a peer chose. It is PID 1
 * of its sandbox wherever it can be; it then reaps in one place, exits on
 * SIGTERM and on end-of-file of its socket, and may freeze everything with
 * kill(-1, SIGSTOP). Where it is not PID 1 (the fake backend) it must never
 * signal -1: it kills by walking the tree below the command's supervisor.
 *
 * Every command runs below a supervisor of its own (PR_SET_CHILD_SUBREAPER),
 * forked in advance and waiting for an EXEC: the spare. A SAVE is carried out
 * below one as well, with the same rights.
 *
 * Linked into the static executable (src/zygote/main.c: guest by default, zygote
 * by argument) and built as a plain library for sanitizers and fuzzers.
 */

#include "base/attr.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct guest_config {
	int socket_fd; /* SOCK_SEQPACKET to the server; the guest owns it */

	/* Called in every new spare before it waits for a command: whatever confines a command
	 * beyond its guest (a UTS namespace as tag, dropped capabilities, the strict system call
	 * filter). NULL: nothing. On failure the spare reports and ends. */
	int (*confine_spare)(void *context, struct error *err);
	/* Second net of a kill: does process `pid` belong to the command whose supervisor is
	 * `supervisor`, although its parents do not show it? Called by the guest's own PID 1 with
	 * everything frozen. NULL: no second net. */
	bool (*is_tagged)(void *context, pid_t supervisor, pid_t pid);
	void *context;
	/* Where output is saved (guest/save.h); the server has the same name. NULL: /tmp. */
	const char *save_directory;
	/* Soft RLIMIT_NOFILE of commands, at most the hard one; 0: as the guest's own. */
	unsigned long nofile_soft;
	/* RLIMIT_NPROC of commands. Lower than the guest's own: whatever they start, the guest can
	 * start one more that ends them. 0: as the guest's own. */
	unsigned long command_processes;
	/* Open on the guest's own /proc/self/oom_score_adj, which nobody here can open any more:
	 * when memory runs out commands go before their guest, however little they seem to hold. 0:
	 * none. */
	int oom_fd;
};

/* Announces itself with READY, serves until SIGTERM, end-of-file or SHUTDOWN, and exits. */
ATTR_NORETURN void guest_run(const struct guest_config *config);
