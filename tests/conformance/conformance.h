/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The conformance suite: what every backend must do, whatever it is made of, in
 * one set of cases over backend/backend.h. A case names what it needs; a backend
 * that lacks it says why in lacks.c, and the case is skipped with that reason.
 *
 * A case gets a fresh sandbox. It ends at the first CHECK that fails.
 */

#include "backend/backend.h"
#include "base/attr.h"
#include "base/limits.h"
#include "exec/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum need {
	NEED_SHELL,	     /* `command`, and the usual small programs */
	NEED_BASH,	     /* process substitution */
	NEED_PYTHON3,	     /* with http.server */
	NEED_PROCESSES,	     /* commands have processes that outlive them */
	NEED_PID_NAMESPACE,  /* its processes can neither see nor signal others */
	NEED_FREEZE,	     /* its guest can stop everything for the moment of a kill */
	NEED_FILE_ISOLATION, /* its files are its own */
	NEED_VISIBLE,	     /* its processes can be found and signalled from this machine */
	NEED_SAVE,	     /* output can be kept in it */
	NEED_COUNT,
};

#define NEEDS(need) (1u << (need))

struct suite {
	const char *name; /* of the backend */
	struct backend *backend;
	struct sandbox *sandbox; /* of the case that runs; a case may replace it */
	const char *skips[NEED_COUNT];
	bool has_failed;
	const char *skip; /* why the case that runs cannot, as it found out itself; NULL */
};

struct suite_case {
	const char *name; /* a sentence */
	unsigned needs;	  /* NEEDS(...) | ... */
	void (*run)(struct suite *suite);
};

/* One NULL-named array per file of cases. */
extern const struct suite_case start_cases[];
extern const struct suite_case input_cases[];
extern const struct suite_case output_cases[];
extern const struct suite_case background_cases[];
extern const struct suite_case kill_cases[];
extern const struct suite_case life_cases[];
extern const struct suite_case limits_cases[];
extern const struct suite_case save_cases[];

/* What a backend lacks, and why; NULL: it has it. */
const char *lacks_reason(const char *backend_name, enum need need);
/* The same for people: docs/conformance.md. */
void lacks_print_table(void);

void suite_fail(struct suite *suite, const char *file, int line, const char *what);

#define CHECK(suite, condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			suite_fail((suite), __FILE__, __LINE__, #condition);                       \
			return;                                                                    \
		}                                                                                  \
	} while (0)

/* No limit on what one call of a case may take; a hang ends the suite. */
#define SUITE_HANG_S 120

/* One call and what came of it. RUN_INIT first, then fill in `request`; run_finish at the end
 * (CLEANUP). */
struct run {
	struct exec_request request;
	uint64_t output_limit_bytes;
	struct capture capture;
	struct exec_result result;
	struct error err;
	int status; /* what sandbox_exec returned */
};

#define RUN_INIT { .request = EXEC_REQUEST_INIT, .output_limit_bytes = 64 * MIB, .status = -1 }

void run_finish(struct run *run);
void run_in(struct sandbox *sandbox, struct run *run);
/* In the case's sandbox, by the shell. `run` is initialised here. */
void run_command(struct suite *suite, struct run *run, const char *command);
/* It ended by itself with this code. */
bool run_exited(const struct run *run, int code);
/* stdout is exactly this text; says on stderr what it was instead. */
bool run_printed(const struct run *run, const char *text);

/* Others have work for more than half of the processors, now (the caller has none): what is late
 * then is not the backend's fault. Takes 200 ms. */
bool is_machine_busy(void);

/* A host process whose command line contains `marker`, or 0. Waits for it to appear. */
pid_t visible_find(const char *marker);
/* The guest above a command of which `pid` is the main process, or an orphan, as this machine
 * numbers them; 0 unless that process is called kilntainers-something. */
pid_t visible_guest_of(pid_t pid);
/* Waits until it is gone; false if it stays. */
bool visible_is_gone(pid_t pid);
/* A word that is in no other process's command line. */
void make_marker(char marker[33]);
