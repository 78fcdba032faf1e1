/* SPDX-License-Identifier: MIT */
#include "guest/kill.h"

#include "base/arch.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "guest/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looking for stopped processes before the freeze must not give a fork bomb time: a few
 * milliseconds' worth of them. */
#define STOPPED_MAX 512u
/* Rounds of a walk, a millisecond apart: the server loses patience after 250 ms. */
#define ROUNDS_MAX 100
/* A process whose parent was reaped while it was being looked for belongs to nobody in that look.
 */
#define QUIET_ROUNDS 3
/* After a freeze: from the first further look to the last, each so many times later. */
#define SETTLE_FIRST_MS 8
#define SETTLE_FACTOR 4
#define SETTLE_LAST_MS 2048
#define SETTLE_S 3

static struct tree tree;

/* The kernel gives no pid beyond it. */
#define PID_LIMIT (1 << 22)

static pid_t stopped[STOPPED_MAX];
static size_t stopped_count;

/* Who got SIGKILL in this kill, and a bit for each of them. Pages that are not needed cost nothing.
 */
static pid_t killed[TREE_MAX_PROCESSES];
static size_t killed_count;
static unsigned char killed_map[PID_LIMIT / 8];

/* Since when who is stopped may have been born so, in the unit of tree_process.start, and when that
 * is looked at next. */
static uint64_t unsettled_ticks = UINT64_MAX;
static uint64_t settle_at_ms = CLOCK_NEVER;
static uint64_t settle_gap_ms;

static bool was_stopped(pid_t pid)
{
	for (size_t i = 0; i < stopped_count; i++) {
		if (stopped[i] == pid)
			return true;
	}
	return false;
}

static bool is_stopped(const struct tree_process *process)
{
	return process->state == 'T' || process->state == 't';
}

/* Whether it still is where the fork that made it returns. Only who has its supervisor's memory
 * hides that: a command that does not run its program yet. */
static bool is_newborn(pid_t pid, int proc_fd)
{
	static const long fork_calls[] = { ARCH_FORK_CALLS };
	char text[32];
	ssize_t bytes;
	long number;

	(void)snprintf(text, sizeof(text), "%d/syscall", (int)pid);
	CLEANUP(cleanup_fd) int fd = openat(proc_fd, text, O_RDONLY | O_CLOEXEC);
	bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (bytes <= 0)
		return errno == EACCES || errno == EPERM;
	text[bytes] = '\0';
	number = strtol(text, NULL, 10);
	for (size_t i = 0; i < ARRAY_LENGTH(fork_calls); i++) {
		if (number == fork_calls[i])
			return true;
	}
	return false;
}

/*
 * A fork that is under way during a freeze takes the stop along, but not the SIGCONT: where the
 * parent ignores that, as all do by default, the kernel forgets to pass it on to what is being
 * born (the `multiprocess` list of copy_process). The child would be born stopped, for good.
 */
static void release_born_stopped(int proc_fd)
{
	for (size_t i = 0; i < tree.count; i++) {
		struct tree_process *process = &tree.processes[i];

		if (!is_stopped(process) || process->start < unsettled_ticks ||
		    was_stopped(process->pid) || !is_newborn(process->pid, proc_fd))
			continue;
		(void)kill(process->pid, SIGCONT);
		process->state = 'R';
	}
}

uint64_t kill_settle_ms(void)
{
	return settle_at_ms;
}

void kill_settle(int proc_fd)
{
	if (tree_scan(&tree, proc_fd, TREE_MAX_PROCESSES) == 0)
		release_born_stopped(proc_fd);
	settle_gap_ms *= SETTLE_FACTOR;
	settle_at_ms = clock_now_ms() + settle_gap_ms;
	if (settle_gap_ms > SETTLE_LAST_MS) {
		settle_at_ms = CLOCK_NEVER;
		unsettled_ticks = UINT64_MAX;
	}
}

/* Freezes that follow one another leave it to the last of them. */
static void note_freeze(void)
{
	uint64_t ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec now;
	uint64_t ticks;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	ticks = (uint64_t)now.tv_sec * ticks_per_s +
		(uint64_t)now.tv_nsec * ticks_per_s / 1000000000;
	if (unsettled_ticks > ticks)
		unsettled_ticks = ticks - 1; /* born just before */
	else if (ticks - unsettled_ticks > SETTLE_S * ticks_per_s)
		unsettled_ticks = ticks - SETTLE_S * ticks_per_s;
	settle_gap_ms = SETTLE_FIRST_MS;
	settle_at_ms = clock_now_ms() + settle_gap_ms;
}

/* Notes who is stopped already, to leave them so. In a crowd the youngest are not looked at: one
 * of them may go on too soon, a smaller evil than a bomb that goes on. */
static void note_stopped(int proc_fd)
{
	(void)tree_scan(&tree, proc_fd, STOPPED_MAX);
	release_born_stopped(proc_fd);
	stopped_count = 0;
	for (size_t i = 0; i < tree.count; i++) {
		if (is_stopped(&tree.processes[i]))
			stopped[stopped_count++] = tree.processes[i].pid;
	}
}

static bool is_spared(const struct kill_scope *scope, pid_t pid)
{
	for (size_t i = 0; i < scope->spared_count; i++) {
		if (scope->spared[i] == pid)
			return true;
	}
	return pid == scope->root || pid == getpid();
}

static void mark(const struct kill_scope *scope)
{
	for (size_t i = 0; i < scope->spared_count; i++)
		tree_set(&tree, scope->spared[i], TREE_KEEP, TREE_KEEP);
	tree_set(&tree, scope->root, TREE_KEEP, TREE_KILL);
	tree_spread(&tree);
}

static bool is_in_scope(const struct kill_scope *scope, const struct tree_process *process)
{
	if (!tree_is_alive(process))
		return false;
	if (process->mark == TREE_KILL)
		return true;
	return scope->is_tagged && scope->tagged > 0 && !is_spared(scope, process->pid) &&
	       scope->is_tagged(scope->context, scope->tagged, process->pid);
}

/* Lets everyone go on who was running. Those who were killed do not notice. */
static void thaw(const struct kill_scope *scope)
{
	if (stopped_count == 0) {
		(void)kill(-1, SIGCONT);
		return;
	}
	for (size_t i = 0; i < tree.count; i++) {
		pid_t pid = tree.processes[i].pid;

		/* A supervisor that its payload stopped must go on: it has work to do. */
		if (pid != getpid() && (is_spared(scope, pid) || !was_stopped(pid)))
			(void)kill(pid, SIGCONT);
	}
}

static bool was_killed(pid_t pid)
{
	return killed_map[pid / 8] & (1u << (pid % 8));
}

static void note_killed(pid_t pid)
{
	killed_map[pid / 8] |= (unsigned char)(1u << (pid % 8));
	killed[killed_count++] = pid;
}

static void forget_killed(void)
{
	while (killed_count > 0)
		killed_map[killed[--killed_count] / 8] = 0;
}

/* Kills all in scope; returns how many of them are seen for the first time, or -1. */
static int kill_seen(const struct kill_scope *scope, int proc_fd)
{
	int first_seen = 0;

	if (tree_scan(&tree, proc_fd, TREE_MAX_PROCESSES) < 0)
		return -1;
	mark(scope);
	for (size_t i = 0; i < tree.count; i++) {
		pid_t pid = tree.processes[i].pid;

		if (!is_in_scope(scope, &tree.processes[i]))
			continue;
		(void)kill(pid, SIGKILL);
		if (pid >= PID_LIMIT || killed_count == ARRAY_LENGTH(killed))
			return -1;
		if (was_killed(pid))
			continue;
		note_killed(pid);
		first_seen++;
	}
	return first_seen;
}

/*
 * Nobody but PID 1 runs a program between the two signals to -1, so no pid changes its meaning.
 * But a fork that had begun goes on to its end, and its child, stopped like its parent, may show up
 * after the look that found the parent. Only when all who were seen have SIGKILL (which ends a fork
 * half-way) and another look finds nobody new is there nobody.
 */
static int kill_frozen(const struct kill_scope *scope, int proc_fd)
{
	int result = 1;

	note_stopped(proc_fd);
	note_freeze();
	(void)kill(-1, SIGSTOP);
	for (int round = 0; result > 0 && round < ROUNDS_MAX; round++)
		result = kill_seen(scope, proc_fd);
	forget_killed();
	if (result < 0)
		(void)kill(-1, SIGCONT);
	else
		thaw(scope);
	return result == 0 ? 0 : -1;
}

/* Signals the very process that was seen, never one that got its pid since. */
static void kill_exactly(const struct tree_process *seen, int proc_fd)
{
	CLEANUP(cleanup_fd) int fd = (int)syscall(SYS_pidfd_open, seen->pid, 0);
	struct tree_process now;

	if (fd < 0 || tree_read_process(&now, proc_fd, seen->pid) < 0 || now.start != seen->start)
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

/* Returns how many were still alive when this round looked, or -1. *is_growing: some of them were
 * not there before. */
static int kill_round(const struct kill_scope *scope, int proc_fd, bool *is_growing)
{
	int alive = 0;

	*is_growing = false;
	if (tree_scan(&tree, proc_fd, TREE_MAX_PROCESSES) < 0)
		return -1;
	mark(scope);
	/* The youngest first, the moment after it was seen: who forks and ends all the time is the
	 * last of a line of dead. */
	for (size_t i = tree.count; i-- > 0;) {
		const struct tree_process *process = &tree.processes[i];

		if (process->mark != TREE_KILL || !tree_is_alive(process))
			continue;
		alive++;
		kill_exactly(process, proc_fd);
		if (process->pid < PID_LIMIT && killed_count < ARRAY_LENGTH(killed) &&
		    !was_killed(process->pid)) {
			note_killed(process->pid);
			*is_growing = true;
		}
	}
	return alive;
}

static int kill_walking(const struct kill_scope *scope, int proc_fd)
{
	int alive = 0;
	int quiet = 0;
	bool is_growing;

	for (int round = 0; alive >= 0 && quiet < QUIET_ROUNDS && round < ROUNDS_MAX; round++) {
		alive = kill_round(scope, proc_fd, &is_growing);
		quiet = alive == 0 ? quiet + 1 : 0;
		/* Those who were killed need a moment; those who are born must not get one. */
		if (alive > 0 && !is_growing)
			(void)poll(NULL, 0, 1);
	}
	forget_killed();
	return quiet == QUIET_ROUNDS ? 0 : -1;
}

int kill_scope(const struct kill_scope *scope, int proc_fd)
{
	return getpid() == 1 ? kill_frozen(scope, proc_fd) : kill_walking(scope, proc_fd);
}
