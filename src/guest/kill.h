/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Killing one command with everything that it started, however well hidden
 * (double forks, new sessions, stopped, deaf to signals), and nothing else.
 *
 * As PID 1: everything is stopped by one atomic kill(-1, SIGSTOP), so that the
 * picture holds still while it is drawn; what descends from the command gets
 * SIGKILL; the rest goes on, apart from what was stopped before. Without the
 * freeze a fork bomb of 2000 processes outruns the walk for 12 to 18 seconds.
 * For three seconds afterwards, who was being born then is looked after.
 *
 * Anywhere else -1 means other people's processes, so it is never signalled:
 * the tree is walked and killed in rounds until nothing of it is left alive.
 * A pid is signalled only after it proved to be the same process still.
 *
 * What was killed must still be reaped by whoever is its parent by then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kill_scope {
	pid_t root;	     /* everything below it ends; itself it stays */
	const pid_t *spared; /* these, and what is below them, stay, unless below `root` too */
	size_t spared_count;
	/* As guest_config.is_tagged; asked about everyone else, for `tagged` > 0, as PID 1 only. */
	bool (*is_tagged)(void *context, pid_t supervisor, pid_t pid);
	void *context;
	pid_t tagged;
};

/* `proc_fd` is a directory descriptor of /proc. 0 if everything in scope has been sent SIGKILL,
 * -1 if that could not be made sure. */
int kill_scope(const struct kill_scope *scope, int proc_fd);

/* When kill_settle is wanted next, in clock_now_ms() time, or CLOCK_NEVER. */
uint64_t kill_settle_ms(void);
/* After a freeze: lets go on who was being born during it. */
void kill_settle(int proc_fd);
