/* SPDX-License-Identifier: MIT */
#include "backend/native/usage.h"

#include "base/alloc.h"
#include "base/background.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utlist.h>

#define SAMPLE_MS 1000
/* A line of /proc/PID/stat. */
#define STAT_BYTES 1024

struct usage_sandbox {
	struct usage *usage;
	struct usage_sandbox *prev, *next;
	int storage_fd;
};

struct usage {
	pid_t zygote;
	struct cgroup_limits sum;

	struct background background; /* its lock guards what follows */
	struct usage_sandbox *sandboxes;
	uint64_t used_bytes;
	uint64_t used_pids;
	uint64_t next_ms; /* the next look */
};

enum kinship { UNKNOWN, OURS, FOREIGN };

struct process {
	pid_t pid;
	pid_t parent;
	uint64_t resident_pages;
	uint64_t threads;
	enum kinship kinship;
};

struct processes {
	struct process *list;
	size_t count;
};

/* --- reading ------------------------------------------------------------------ */

/* "7 (any ) name) S 1 ..." */
static bool parse_stat(const char *line, struct process *process)
{
	const char *rest = strrchr(line, ')');
	int parent;

	if (!rest || sscanf(line, "%d", &process->pid) != 1)
		return false;
	/* Fields 3 (state), 4 (parent), 20 (threads) and 24 (resident pages) of proc(5). */
	if (sscanf(rest + 1,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu64
		   " %*d %*u %*u %" SCNu64,
		   &parent, &process->threads, &process->resident_pages) != 3)
		return false;
	process->parent = parent;
	process->kinship = UNKNOWN;
	return true;
}

static bool read_process(int proc_fd, const char *name, struct process *process)
{
	char path[300], line[STAT_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "%s/stat", name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (got <= 0)
		return false;
	line[got] = '\0';
	return parse_stat(line, process);
}

static int by_pid(const void *a, const void *b)
{
	const struct process *first = a;
	const struct process *second = b;

	return (first->pid > second->pid) - (first->pid < second->pid);
}

static void read_processes(struct processes *processes)
{
	DIR *proc = opendir("/proc");
	size_t room = 0;
	struct dirent *entry;

	*processes = (struct processes){ NULL, 0 };
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		if (processes->count == room) {
			room = room ? 2 * room : 256;
			processes->list =
				alloc_resize(processes->list, room, sizeof(*processes->list));
		}
		if (read_process(dirfd(proc), entry->d_name, &processes->list[processes->count]))
			processes->count++;
	}
	if (proc)
		(void)closedir(proc);
	if (processes->count > 0)
		qsort(processes->list, processes->count, sizeof(*processes->list), by_pid);
}

static struct process *find(const struct processes *processes, pid_t pid)
{
	const struct process key = { .pid = pid };

	if (processes->count == 0)
		return NULL;
	return bsearch(&key, processes->list, processes->count, sizeof(key), by_pid);
}

/* Whether the zygote is among its ancestors: asked of each parent in turn, and noted on the way
 * back. A table that changes while it is read may even hold a circle. */
static enum kinship find_kinship(const struct processes *processes, struct process *process,
				 pid_t zygote)
{
	struct process *ancestor = process;
	enum kinship found = UNKNOWN;

	for (size_t steps = 0; found == UNKNOWN && steps <= processes->count; steps++) {
		if (ancestor->parent == zygote)
			return OURS;
		found = ancestor->kinship;
		ancestor = find(processes, ancestor->parent);
		if (!ancestor)
			break;
	}
	return found == OURS ? OURS : FOREIGN;
}

static void count_processes(pid_t zygote, uint64_t *bytes, uint64_t *pids)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct processes processes;

	read_processes(&processes);
	for (size_t i = 0; i < processes.count; i++) {
		struct process *process = &processes.list[i];

		process->kinship = find_kinship(&processes, process, zygote);
		if (process->kinship != OURS)
			continue;
		*bytes += process->resident_pages * page;
		*pids += process->threads;
	}
	free(processes.list);
}

/* Under the lock: descriptors come and go. */
static uint64_t count_files(const struct usage *usage)
{
	const struct usage_sandbox *sandbox;
	uint64_t bytes = 0;

	DL_FOREACH (usage->sandboxes, sandbox) {
		struct statfs files;

		if (fstatfs(sandbox->storage_fd, &files) == 0)
			bytes += (files.f_blocks - files.f_bfree) * (uint64_t)files.f_bsize;
	}
	return bytes;
}

/* --- the thread ----------------------------------------------------------------- */

static void sample(struct usage *usage)
{
	uint64_t bytes = 0, pids = 0;

	(void)pthread_mutex_unlock(&usage->background.lock);
	count_processes(usage->zygote, &bytes, &pids);
	(void)pthread_mutex_lock(&usage->background.lock);
	usage->used_bytes = bytes + count_files(usage);
	usage->used_pids = pids;
	usage->next_ms = clock_now_ms() + SAMPLE_MS;
}

static void watch(void *context)
{
	struct usage *usage = context;

	if (usage->sandboxes && clock_now_ms() >= usage->next_ms) {
		sample(usage);
		return;
	}
	if (!usage->sandboxes)
		usage->used_bytes = usage->used_pids = 0;
	background_sleep(&usage->background, usage->sandboxes ? usage->next_ms : CLOCK_NEVER);
}

/* --- life --------------------------------------------------------------------------- */

struct usage *usage_create(pid_t zygote, const struct cgroup_limits *sum)
{
	struct usage *usage = alloc_zeroed(sizeof(*usage));

	usage->zygote = zygote;
	usage->sum = *sum;
	background_start(&usage->background, watch, usage);
	return usage;
}

void usage_destroy(struct usage *usage)
{
	if (!usage)
		return;
	background_stop(&usage->background);
	free(usage);
}

struct usage_sandbox *usage_add(struct usage *usage, int storage_fd)
{
	struct usage_sandbox *sandbox = alloc_zeroed(sizeof(*sandbox));

	sandbox->usage = usage;
	sandbox->storage_fd = storage_fd;
	(void)pthread_mutex_lock(&usage->background.lock);
	DL_APPEND(usage->sandboxes, sandbox);
	background_wake(&usage->background);
	(void)pthread_mutex_unlock(&usage->background.lock);
	return sandbox;
}

void usage_remove(struct usage_sandbox *sandbox)
{
	struct usage *usage;

	if (!sandbox)
		return;
	usage = sandbox->usage;
	(void)pthread_mutex_lock(&usage->background.lock);
	DL_DELETE(usage->sandboxes, sandbox);
	(void)pthread_mutex_unlock(&usage->background.lock);
	cleanup_fd(&sandbox->storage_fd);
	free(sandbox);
}

int usage_check(struct usage *usage, struct error *err)
{
	int result = 0;

	(void)pthread_mutex_lock(&usage->background.lock);
	if (usage->sum.memory_bytes > 0 && usage->used_bytes > usage->sum.memory_bytes)
		result = error_set(err, ERROR_QUOTA,
				   "The sandboxes of this server use %" PRIu64
				   " MiB of memory, more than the %" PRIu64
				   " MiB of --total-memory. Nothing was run. Try again when one of "
				   "them has ended.",
				   (uint64_t)(usage->used_bytes / MIB),
				   (uint64_t)(usage->sum.memory_bytes / MIB));
	else if (usage->sum.pids > 0 && usage->used_pids > usage->sum.pids)
		result = error_set(err, ERROR_QUOTA,
				   "There are %" PRIu64
				   " processes in the sandboxes of this server, more than the "
				   "%" PRIu64 " of --total-pids. Nothing was run. Try again when "
				   "some have ended.",
				   usage->used_pids, usage->sum.pids);
	(void)pthread_mutex_unlock(&usage->background.lock);
	return result;
}
