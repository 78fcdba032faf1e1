/* SPDX-License-Identifier: MIT */
#include "guest/tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A stat line ends far earlier; only its first 22 fields matter. */
#define STAT_BYTES 512
/* Fields of the line behind the program's name, counted from the state. */
#define FIELD_PARENT 1
#define FIELD_THREADS 17
#define FIELD_START 19

void tree_clear(struct tree *tree)
{
	tree->count = 0;
	tree->index_size = 0;
}

int tree_add(struct tree *tree, const struct tree_process *process)
{
	if (tree->count == TREE_MAX_PROCESSES)
		return -1;
	tree->processes[tree->count++] = *process;
	return 0;
}

static size_t first_slot(const struct tree *tree, pid_t pid)
{
	return ((uint32_t)pid * 2654435761u) & (tree->index_size - 1);
}

void tree_build_index(struct tree *tree)
{
	/* Sized by what is there, at most half full: clearing the largest index would cost more
	 * than a usual kill. */
	tree->index_size = 2;
	while (tree->index_size < 2 * tree->count)
		tree->index_size *= 2;
	memset(tree->index, 0, tree->index_size * sizeof(tree->index[0]));
	for (size_t i = 0; i < tree->count; i++) {
		size_t slot = first_slot(tree, tree->processes[i].pid);

		while (tree->index[slot] != 0)
			slot = (slot + 1) & (tree->index_size - 1);
		tree->index[slot] = (uint32_t)i + 1;
	}
}

struct tree_process *tree_find(struct tree *tree, pid_t pid)
{
	size_t slot = first_slot(tree, pid);

	while (tree->index[slot] != 0) {
		struct tree_process *process = &tree->processes[tree->index[slot] - 1];

		if (process->pid == pid)
			return process;
		slot = (slot + 1) & (tree->index_size - 1);
	}
	return NULL;
}

void tree_set(struct tree *tree, pid_t pid, enum tree_mark mark, enum tree_mark below)
{
	struct tree_process *process = tree_find(tree, pid);

	if (!process)
		return;
	process->mark = (uint8_t)mark;
	process->below = (uint8_t)below;
}

/* Walks up to the first decided ancestor, then up again to write down what it said. A parent
 * that is missing decides TREE_KEEP, and so does a circle: in a snapshot of a moving system
 * both are possible, and the next snapshot tells better. */
static void decide(struct tree *tree, struct tree_process *first)
{
	struct tree_process *process = first;
	uint8_t verdict = TREE_KEEP;

	while (process && process->mark == TREE_UNDECIDED) {
		process->mark = TREE_VISITING;
		process = tree_find(tree, process->parent);
	}
	if (process && process->mark != TREE_VISITING)
		verdict = process->below;
	for (process = first; process && process->mark == TREE_VISITING;
	     process = tree_find(tree, process->parent)) {
		process->mark = verdict;
		process->below = verdict;
	}
}

void tree_spread(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		decide(tree, &tree->processes[i]);
}

bool tree_is_alive(const struct tree_process *process)
{
	return (process->state != 'Z' && process->state != 'X') || process->has_threads;
}

/* Reads a number at *at, moves on behind it. */
static int parse_number(const char **at, const char *end, uint64_t *value)
{
	const char *digit = *at;
	uint64_t sum = 0;

	for (; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(*digit - '0'), &sum))
			return -1;
	}
	if (digit == *at)
		return -1;
	*at = digit;
	*value = sum;
	return 0;
}

/* Behind `count` more spaces; NULL if there are not so many. */
static const char *skip_fields(const char *at, const char *end, int count)
{
	while (at && count-- > 0) {
		at = memchr(at, ' ', (size_t)(end - at));
		if (at)
			at++;
	}
	return at;
}

int tree_parse_stat(struct tree_process *process, const char *line, size_t bytes)
{
	const char *end = line + bytes;
	const char *at = line;
	const char *parent, *threads, *start;
	uint64_t pid, parent_pid, thread_count, start_ticks;

	if (parse_number(&at, end, &pid) < 0)
		return -1;
	/* The name is the program's to choose, brackets and spaces included: its last bracket
	 * ends it. */
	at = memrchr(at, ')', (size_t)(end - at));
	if (!at || end - at < 4)
		return -1;
	at += 2;
	parent = skip_fields(at, end, FIELD_PARENT);
	threads = skip_fields(at, end, FIELD_THREADS);
	start = skip_fields(at, end, FIELD_START);
	/* The last of them is there only if all are. */
	if (!start || parse_number(&parent, end, &parent_pid) < 0 ||
	    parse_number(&threads, end, &thread_count) < 0 ||
	    parse_number(&start, end, &start_ticks) < 0 || pid > INT32_MAX ||
	    parent_pid > INT32_MAX)
		return -1;
	*process = (struct tree_process){ .pid = (pid_t)pid,
					  .parent = (pid_t)parent_pid,
					  .state = *at,
					  .has_threads = thread_count > 1,
					  .start = start_ticks };
	return 0;
}

int tree_read_process(struct tree_process *process, int proc_fd, pid_t pid)
{
	char name[32];
	char line[STAT_BYTES];
	ssize_t bytes;

	(void)snprintf(name, sizeof(name), "%d/stat", (int)pid);
	CLEANUP(cleanup_fd) int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	bytes = read(fd, line, sizeof(line));
	if (bytes <= 0)
		return -1;
	return tree_parse_stat(process, line, (size_t)bytes);
}

static void cleanup_directory(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

int tree_scan(struct tree *tree, int proc_fd, size_t most)
{
	CLEANUP(cleanup_fd) int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_directory) DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	tree_clear(tree);
	tree_build_index(tree);
	if (!directory)
		return -1;
	(void)take_fd(&fd);
	while ((entry = readdir(directory))) {
		const char *at = entry->d_name;
		const char *end = at + strlen(at);
		struct tree_process process;
		uint64_t pid;

		if (parse_number(&at, end, &pid) < 0 || at != end || pid > INT32_MAX)
			continue;
		/* It may have ended since it was listed. */
		if (tree_read_process(&process, proc_fd, (pid_t)pid) < 0)
			continue;
		if (tree->count >= most || tree_add(tree, &process) < 0)
			return -1;
	}
	tree_build_index(tree);
	return 0;
}
