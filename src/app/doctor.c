/* SPDX-License-Identifier: MIT */

/* `kilntainers doctor`: what works here, and the exact fix for what does not. */

#include "app/choose.h"
#include "app/command.h"
#include "app/start.h"
#include "backend/registry.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/limits.h"

#include <string.h>
#include <unistd.h>

/* One report; a backend that says more is cut, not endless. */
#define REPORT_MAX_BYTES (256 * KIB)

/* What one backend says of itself. */
struct account {
	struct buf *report;
	bool has_failure;
};

static void append_escaped(struct buf *report, const char *text)
{
	(void)escape_append(report, text, strlen(text), ERROR_MESSAGE_BYTES, ESCAPE_TEXT);
}

static void append_line(void *context, enum diagnosis_level level, const char *what,
			const char *found, const char *fix)
{
	static const char *const levels[] = { "ok", "warning", "FAILED" };
	struct account *account = context;
	struct buf *report = account->report;

	account->has_failure |= level == DIAGNOSIS_FAILED;
	(void)buf_printf(report, "  %-8s ", levels[level]);
	append_escaped(report, what);
	(void)buf_append_string(report, ": ");
	append_escaped(report, found);
	(void)buf_append_byte(report, '\n');
	if (!fix)
		return;
	(void)buf_append_string(report, "           fix: ");
	append_escaped(report, fix);
	(void)buf_append_byte(report, '\n');
}

/* Tries it for real: makes a sandbox. */
static bool can_make_sandbox(struct backend *backend, struct error *err)
{
	struct sandbox *sandbox = NULL;

	if (backend_check(backend, err) == 0)
		sandbox = sandbox_create(backend, NULL, NULL, err);
	sandbox_destroy(sandbox);
	return sandbox != NULL;
}

static bool append_verdict(const struct account *account, const struct backend_type *type,
			   const struct backend_config *config)
{
	struct error err = ERROR_INIT;
	struct backend *backend = backend_open(type, config, &err);
	bool works = backend && can_make_sandbox(backend, &err);

	backend_close(backend);
	(void)buf_append_string(account->report, works ? "  works here" : "  does not work here");
	/* What failed stands above already, with more words. */
	if (!works && !account->has_failure) {
		(void)buf_append_string(account->report, ": ");
		append_escaped(account->report, err.message);
	}
	(void)buf_append_byte(account->report, '\n');
	return works;
}

static bool append_backend(struct buf *report, const struct backend_type *type,
			   const struct backend_config *config)
{
	struct account account = { report, false };
	const struct diagnosis diagnosis = { append_line, &account };

	(void)buf_printf(report, "\n%s: %s\n", type->name, type->summary);
	if (type->missing) {
		(void)buf_printf(report, "  not in this build: %s\n", type->missing);
		return false;
	}
	backend_diagnose(type, config, &diagnosis);
	return append_verdict(&account, type, config);
}

/* The exit code. */
static int examine(struct start *start, struct error *err)
{
	struct buf report = BUF_INIT(REPORT_MAX_BYTES);
	const struct backend_type *chosen;
	const char *reason = NULL;
	bool works = false;
	size_t i;

	chosen = choose_backend(&start->config, &start->options, &reason, err);
	config_raise_descriptors(&start->config);
	(void)buf_append_string(&report, "kilntainers " KILNTAINERS_VERSION "\n");
	for (i = 0; backend_registry[i]; i++) {
		bool this_works =
			append_backend(&report, backend_registry[i], &start->config.backend);

		if (backend_registry[i] == chosen)
			works = this_works;
	}
	if (chosen)
		(void)buf_printf(&report, "\nWith these options: %s (chosen by %s), which %s.\n",
				 chosen->name, reason, works ? "works" : "does not work");
	(void)fd_write_all(STDOUT_FILENO, report.data, report.length, NULL);
	buf_finish(&report);
	if (!chosen)
		return -1;
	return works ? 0 : 1;
}

int command_doctor(int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	int exit_code = start_run(OPTION_COMMAND_DOCTOR, argc, argv, environment, examine, &err);

	return exit_code < 0 ? start_report(&err) : exit_code;
}
