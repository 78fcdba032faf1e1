/* SPDX-License-Identifier: MIT */
#pragma once

/* The beginning that the sub-commands share: options, configuration, log. Main thread. */

#include "app/config.h"

struct start {
	struct options options;
	struct config config;
};

enum start_outcome {
	START_READY,	/* go on; start_finish at the end */
	START_ANSWERED, /* --help or --version was printed: exit 0 */
	START_FAILED,	/* nothing to finish; report with start_report */
};

/* argv[0] is skipped: it is the program for serve, and for a sub-command that one's name, with
 * the program before it in the same array. */
enum start_outcome start_begin(struct start *start, enum option_command command, int argc,
			       char **argv, char *const *environment, struct error *err);
void start_finish(struct start *start);

/* Prints `kilntainers: error: MESSAGE` on stderr; returns the exit code of its kind. */
int start_report(const struct error *err);
