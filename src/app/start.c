/* SPDX-License-Identifier: MIT */
#include "app/start.h"

#include "app/command.h"
#include "app/full.h"
#include "app/help.h"
#include "backend/native/show_policy.h"
#include "base/escape.h"
#include "base/fd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What --help and its like print. */
static int answer(enum option_id action, struct error *err)
{
	struct buf text = BUF_INIT(HELP_MAX_BYTES);
	int result;

	if (action == OPTION_HELP)
		help_append(&text);
	else if (action == OPTION_HELP_JSON)
		help_append_json(&text);
	else if (action == OPTION_SHOW_POLICY)
		show_policy(&text);
	else
		(void)buf_append_string(&text, "kilntainers " KILNTAINERS_VERSION "\n");
	result = fd_write_all(STDOUT_FILENO, text.data, text.length, err);
	buf_finish(&text);
	return result;
}

static void warn_of_unknown(const struct options *options)
{
	size_t i;

	for (i = 0; i < options->unknown_count; i++)
		log_event(LOG_WARNING, "unknown_environment_variable",
			  LOG_STRING("name", options->unknown_variables[i]));
}

/* The options have a copy. What is overwritten is what /proc/PID/environ shows for as long as the
 * process lives, and what a child would inherit. */
static void hide_auth_token(char *const *environment)
{
	static const char start[] = OPTION_AUTH_TOKEN_VARIABLE "=";

	for (; *environment; environment++) {
		char *value = *environment + strlen(start);

		if (strncmp(*environment, start, strlen(start)) == 0)
			explicit_bzero(value, strlen(value));
	}
	(void)unsetenv(OPTION_AUTH_TOKEN_VARIABLE);
}

static int begin(struct start *start, enum option_command command, char **argv,
		 char *const *environment, struct error *err)
{
	/* The other executable reads the environment again, so it is ours to clean only now. */
	if (full_take_over(&start->options, command == OPTION_COMMAND_SERVE ? argv : argv - 1,
			   environment, err) < 0)
		return -1;
	hide_auth_token(environment);
	if (config_load(&start->config, &start->options, command, err) < 0)
		return -1;
	log_configure(start->config.log_level, start->config.log_format);
	warn_of_unknown(&start->options);
	return 0;
}

int start_run(enum option_command command, int argc, char **argv, char *const *environment,
	      start_run_fn *run, struct error *err)
{
	struct start start = { .is_bare = argc < 2 };
	int exit_code = -1;

	if (options_parse(&start.options, command, argc, argv, environment, err) < 0)
		return -1;
	if (start.options.has_action)
		exit_code = answer(start.options.action, err);
	else if (begin(&start, command, argv, environment, err) == 0)
		exit_code = run(&start, err);
	options_finish(&start.options);
	return exit_code;
}

int start_report(const struct error *err)
{
	/* An escaped byte is six at most. */
	struct buf text = BUF_INIT(8UL * ERROR_MESSAGE_BYTES);

	(void)buf_append_string(&text, "kilntainers: error: ");
	(void)escape_append(&text, err->message, strlen(err->message), ERROR_MESSAGE_BYTES,
			    ESCAPE_TEXT);
	(void)buf_append_byte(&text, '\n');
	if (err->kind == ERROR_USAGE)
		(void)buf_append_string(&text, "Try 'kilntainers --help'.\n");
	(void)fd_write_all(STDERR_FILENO, text.data, text.length, NULL);
	buf_finish(&text);
	return err->kind == ERROR_USAGE ? 2 : 1;
}

int command_completion(int argc, char **argv, char **environment)
{
	struct buf script = BUF_INIT(HELP_MAX_BYTES);
	struct error err = ERROR_INIT;

	(void)environment;
	if (argc > 2)
		(void)error_set(&err, ERROR_USAGE, "completion takes one shell, got also: %s",
				argv[2]);
	else if (completion_append(&script, argc == 2 ? argv[1] : NULL, &err) == 0)
		(void)fd_write_all(STDOUT_FILENO, script.data, script.length, &err);
	buf_finish(&script);
	return err.kind == ERROR_NONE ? 0 : start_report(&err);
}
