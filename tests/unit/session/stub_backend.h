/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A backend without processes, for tests of the session room: everything it does
 * is counted, and everything that blocks can be held and let go. The threads are
 * the real ones. A command says what its exec does:
 *
 *   say TEXT   prints TEXT and exits 0
 *   who        prints how many sandboxes had been made when its own was, and exits 0
 *   note TEXT  appends TEXT and a space to `notes`, and exits 0
 *   hold       runs until it is cancelled, its sandbox dies, or `holds` becomes false
 *   flood N    prints N bytes, or until it is killed for it
 *   reset      comes back killed by its timeout, the sandbox reset
 */

#include "backend/backend.h"

#include <pthread.h>

struct stub_counts {
	unsigned preparations, checks, describes;
	unsigned creating, most_creating, created, not_created;
	unsigned live;
	unsigned running, most_running; /* in all */
	unsigned most_in_one;		/* in one sandbox */
	unsigned destroying, most_destroying;
	unsigned autopsies;
	unsigned saving, saves;
};

struct stub_backend {
	struct backend base;
	pthread_mutex_t mutex; /* guards everything below */
	pthread_cond_t changed;
	struct stub_counts counts;
	char notes[4096];
	bool holds;
	bool holds_preparing;  /* until false */
	bool holds_creation;   /* until false or cancelled ... */
	bool ignores_cancel;   /* ... or until false whatever is raised */
	bool holds_describing; /* until false */
	bool holds_saving;     /* until false or cancelled */
	bool refuses_saving;
	unsigned failing_creations;
	unsigned failing_checks;
	const char *progress; /* reported by each creation before it is held */
	unsigned destroy_takes_ms;
	struct stub_sandbox *last; /* made most recently */
};

struct stub_backend *stub_backend_open(void);
void stub_backend_close(struct stub_backend *stub);
struct stub_counts stub_counts(struct stub_backend *stub);
/* Sets one of the flags above and wakes what is held. */
void stub_set(struct stub_backend *stub, bool *flag, bool value);
/* The sandbox made most recently dies. False: it is gone already. */
bool stub_kill_last_if_any(struct stub_backend *stub);
/* It is there. */
void stub_kill_last(struct stub_backend *stub);
