/* SPDX-License-Identifier: MIT */

/* `kilntainers cleanup`: removes what killed servers have left, and lists what may be such. */

#include "base/cleanup.h"
#include "app/command.h"
#include "app/start.h"
#include "backend/registry.h"
#include "base/buf.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/limits.h"

#include <string.h>
#include <unistd.h>

struct tally {
	bool is_dry_run;
	bool has_failure;
	size_t found;
};

static void append_escaped(struct buf *line, const char *text)
{
	(void)escape_append(line, text, strlen(text), LIMIT_PATH_BYTES, ESCAPE_TEXT);
}

/* A line at a time: removing takes long, and who watches wants to know. */
static void print_found(void *context, enum cleanup_fate fate, const char *what, const char *why)
{
	static const char *const words[] = {
		[CLEANUP_REMOVED] = "removed",
		[CLEANUP_KEPT] = "kept",
		[CLEANUP_FAILED] = "FAILED",
	};
	CLEANUP(buf_finish) struct buf line = BUF_INIT(64 * KIB);
	struct tally *tally = context;

	tally->found++;
	tally->has_failure |= fate == CLEANUP_FAILED;
	(void)buf_printf(&line, "%-8s ",
			 fate == CLEANUP_REMOVED && tally->is_dry_run ? "would go" : words[fate]);
	append_escaped(&line, what);
	(void)buf_append_string(&line, ": ");
	append_escaped(&line, why);
	(void)buf_append_byte(&line, '\n');
	(void)fd_write_all(STDOUT_FILENO, line.data, line.length, NULL);
}

/* The exit code. */
static int clean_up(struct start *start, struct error *err)
{
	static const char nothing[] = "nothing was left behind\n";
	struct tally tally = { .is_dry_run = option_number(&start->options, OPTION_DRY_RUN) != 0 };
	const struct cleanup_request request = {
		.older_than_s = option_is_given(&start->options, OPTION_OLDER_THAN)
					? option_number(&start->options, OPTION_OLDER_THAN)
					: -1,
		.is_dry_run = tally.is_dry_run,
		.found = print_found,
		.context = &tally,
	};

	(void)err;
	for (size_t i = 0; backend_registry[i]; i++)
		backend_cleanup(backend_registry[i], &start->config.backend, &request);
	if (tally.found == 0)
		(void)fd_write_all(STDOUT_FILENO, nothing, sizeof(nothing) - 1, NULL);
	return tally.has_failure ? 1 : 0;
}

int command_cleanup(int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	int exit_code = start_run(OPTION_COMMAND_CLEANUP, argc, argv, environment, clean_up, &err);

	return exit_code < 0 ? start_report(&err) : exit_code;
}
