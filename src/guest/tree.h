/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who descends from whom, as /proc tells it: a snapshot of all processes, and
 * marks that children inherit. Fixed size, no allocation; finding a parent is a
 * look-up by pid, so marking costs time in proportion to the number of processes
 * (with a fork bomb running, anything quadratic would never end).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* More than any pids limit of ours; a machine with more cannot be walked. */
#define TREE_MAX_PROCESSES 65536u

enum tree_mark { TREE_UNDECIDED, TREE_VISITING, TREE_KEEP, TREE_KILL };

struct tree_process {
	pid_t pid;
	pid_t parent;
	char state; /* as in /proc: R S D T t Z X */
	uint8_t mark;
	bool has_threads; /* more than one */
	uint8_t below;	  /* what children without a mark of their own get */
	uint64_t start;	  /* clock ticks since boot: tells a reused pid */
};

struct tree {
	size_t count;
	size_t index_size; /* a power of two */
	struct tree_process processes[TREE_MAX_PROCESSES];
	uint32_t index[2 * TREE_MAX_PROCESSES]; /* hash of the pid -> place in processes + 1 */
};

/* Reads the processes of the proc file system at `proc_fd`, the oldest pids first; nothing is
 * marked. -1 if it cannot be listed, or holds more than `most`: then those are there. */
int tree_scan(struct tree *tree, int proc_fd, size_t most);
/* One process. 0, or -1 if there is none (any more). */
int tree_read_process(struct tree_process *process, int proc_fd, pid_t pid);
/* Reads a line of /proc/PID/stat. Pure. 0, or -1 if it is not one. */
int tree_parse_stat(struct tree_process *process, const char *line, size_t bytes);

/* By hand: clear, add each, then index. */
void tree_clear(struct tree *tree);
int tree_add(struct tree *tree, const struct tree_process *process);
void tree_build_index(struct tree *tree);

/* NULL if it is not in the snapshot. */
struct tree_process *tree_find(struct tree *tree, pid_t pid);
/* Decides about one process and about those below it. Unknown pids are passed over. */
void tree_set(struct tree *tree, pid_t pid, enum tree_mark mark, enum tree_mark below);
/* Every process without a mark gets what its nearest marked ancestor says, else TREE_KEEP. */
void tree_spread(struct tree *tree);
/* Not yet a zombie; or only its first thread is, and others go on. */
bool tree_is_alive(const struct tree_process *process);
