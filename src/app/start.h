/* SPDX-License-Identifier: MIT */
#pragma once

/* The beginning that the sub-commands share: options, configuration, log. Main thread. */

#include "app/config.h"

struct start {
	struct options options;
	struct config config;
	bool is_bare; /* nothing was said on the command line */
};

/* Returns an exit code, or -1 with err set. */
typedef int start_run_fn(struct start *start, struct error *err);

/* Runs a sub-command: run is called between beginning and end, and not at all for --help and its
 * like, which are answered here with 0. argv[0] is skipped: it is the program for serve, and for a
 * sub-command that one's name, with the program before it in the same array. Returns what run
 * returned, or -1 with err set, to report with start_report. */
int start_run(enum option_command command, int argc, char **argv, char *const *environment,
	      start_run_fn *run, struct error *err);

/* Prints `kilntainers: error: MESSAGE` on stderr; returns the exit code of its kind. */
int start_report(const struct error *err);
