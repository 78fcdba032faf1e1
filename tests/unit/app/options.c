/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/help.h"
#include "app/options.h"
#include "base/attr.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 16

/* What a line of a test parses into: words of the command line before a NULL, then variables. */
static int parse(struct options *options, enum option_command command, const char *const *words,
		 struct error *err)
{
	/* Kept until the next call: operands point into it. */
	static char *argv[MAX_WORDS + 2];
	char *environment[MAX_WORDS + 1] = { NULL };
	static char copies[2 * MAX_WORDS][256];
	int copied = 0;
	int argc = 1;
	int count = 0;

	memset(argv, 0, sizeof(argv));
	argv[0] = copies[copied++];
	(void)snprintf(argv[0], sizeof(copies[0]), "kilntainers");
	for (; *words; words++, argc++) {
		argv[argc] = copies[copied++];
		(void)snprintf(argv[argc], sizeof(copies[0]), "%s", *words);
	}
	for (words++; *words; words++, count++) {
		environment[count] = copies[copied++];
		(void)snprintf(environment[count], sizeof(copies[0]), "%s", *words);
	}
	*err = (struct error)ERROR_INIT;
	return options_parse(options, command, argc, argv, environment, err);
}

#define PARSE(options, command, err, ...)                                                          \
	parse(options, command, (const char *const[]){ __VA_ARGS__, NULL, NULL }, err)

struct refusal {
	const char *words[MAX_WORDS]; /* flags, NULL, variables, NULL */
	enum option_command command;
	enum error_kind kind;
	const char *message;
};

#define SERVE OPTION_COMMAND_SERVE
#define EXEC OPTION_COMMAND_EXEC

static const struct refusal refusals[] = {
	/* texts that scripts know */
	{ { "--host", "::1" },
	  SERVE,
	  ERROR_USAGE,
	  "--host is only valid with --transport http. "
	  "In stdio mode, there is no HTTP server to bind." },
	{ { "--port", "8435" },
	  SERVE,
	  ERROR_USAGE,
	  "--port is only valid with --transport http. "
	  "In stdio mode, there is no HTTP server to bind." },
	{ { "--session-timeout", "300" },
	  SERVE,
	  ERROR_USAGE,
	  "--session-timeout is only valid with --transport http. "
	  "In stdio mode, the session lives as long as the process." },
	{ { "--port=1", "--transport=stdio" },
	  SERVE,
	  ERROR_USAGE,
	  "--port is only valid with --transport http. "
	  "In stdio mode, there is no HTTP server to bind." },
	{ { "--port=1", NULL, "KILNTAINERS_TRANSPORT=stdio" },
	  SERVE,
	  ERROR_USAGE,
	  "--port is only valid with --transport http. "
	  "In stdio mode, there is no HTTP server to bind." },
	{ { "--timeout", "0" }, SERVE, ERROR_USAGE, "--timeout must be at least 1 second." },
	{ { "--timeout", "-7" }, SERVE, ERROR_USAGE, "--timeout must be at least 1 second." },
	{ { "--output-limit", "0" },
	  SERVE,
	  ERROR_USAGE,
	  "--output-limit must be at least 1 byte." },
	{ { "--output-limit=-1" }, SERVE, ERROR_USAGE, "--output-limit must be at least 1 byte." },

	/* words that are no option */
	{ { "--nonsense" }, SERVE, ERROR_USAGE, "There is no option --nonsense." },
	{ { "--nonsense=hunter2" }, SERVE, ERROR_USAGE, "There is no option --nonsense." },
	{ { "--max=1" }, SERVE, ERROR_USAGE, "--max is the start of several options." },
	{ { "-x" }, SERVE, ERROR_USAGE, "There is no option -x." },
	{ { "-" }, SERVE, ERROR_USAGE, "Unexpected argument: -" },
	{ { "serve" }, SERVE, ERROR_USAGE, "Unexpected argument: serve" },
	{ { "--", "serve" }, SERVE, ERROR_USAGE, "Unexpected argument: serve" },
	{ { "--network", "exec", "--", "ls" },
	  SERVE,
	  ERROR_USAGE,
	  "exec must come first: kilntainers exec [options]" },
	{ { "--timeout" }, SERVE, ERROR_USAGE, "--timeout needs a value." },
	{ { "--modal-token-secret" }, SERVE, ERROR_USAGE, "--modal-token-secret needs a value." },
	{ { "--network=yes" }, SERVE, ERROR_USAGE, "--network takes no value." },
	{ { "--help=all" }, SERVE, ERROR_USAGE, "--help takes no value." },

	/* values */
	{ { "--timeout", "soon" },
	  SERVE,
	  ERROR_USAGE,
	  "--timeout must be a whole number, got: soon" },
	{ { "--timeout", "5.0" },
	  SERVE,
	  ERROR_USAGE,
	  "--timeout must be a whole number, got: 5.0" },
	{ { "--timeout", "99999999999" },
	  SERVE,
	  ERROR_USAGE,
	  "--timeout must be between 1 and 31622400, got: 99999999999" },
	{ { "--timeout", "99999999999999999999" },
	  SERVE,
	  ERROR_USAGE,
	  "--timeout must be a whole number, got: 99999999999999999999" },
	{ { "--timeout", "" }, SERVE, ERROR_USAGE, "--timeout must be a whole number, got: " },
	{ { "--port=65536", "--transport=http" },
	  SERVE,
	  ERROR_USAGE,
	  "--port must be between 0 and 65535, got: 65536" },
	{ { "--output-limit", "2x" },
	  SERVE,
	  ERROR_USAGE,
	  "--output-limit must be a size such as 512m or 1.5g, got: 2x" },
	{ { "--output-limit", "2g" },
	  SERVE,
	  ERROR_USAGE,
	  "--output-limit must be between 1 and 1073741824, got: 2g" },
	{ { "--disk", "4k" }, SERVE, ERROR_USAGE, "--disk must be at least 1m." },
	{ { "--cpu", "0" },
	  SERVE,
	  ERROR_USAGE,
	  "--cpu must be a number above 0 such as 1.5, got: 0" },
	{ { "--memory", "much" },
	  SERVE,
	  ERROR_USAGE,
	  "--memory must be a size such as 512m or 1.5g, got: much" },
	{ { "--max-parallel", "0" }, SERVE, ERROR_USAGE, "--max-parallel must be at least 1." },
	{ { "--max-parallel", "257" },
	  SERVE,
	  ERROR_USAGE,
	  "--max-parallel must be between 1 and 256, got: 257" },
	{ { "--sandbox-timeout", "86401" },
	  SERVE,
	  ERROR_USAGE,
	  "--sandbox-timeout must be between 1 and 86400, got: 86401" },
	{ { "--transport", "sse" },
	  SERVE,
	  ERROR_USAGE,
	  "--transport must be one of stdio, http, got: sse" },
	{ { "--log-level", "loud" },
	  SERVE,
	  ERROR_USAGE,
	  "--log-level must be one of error, warning, info, debug, got: loud" },
	{ { "--log-format", "xml" },
	  SERVE,
	  ERROR_USAGE,
	  "--log-format must be one of text, json, got: xml" },
	{ { "--sandbox-scope", "all" },
	  SERVE,
	  ERROR_USAGE,
	  "--sandbox-scope must be one of auto, session, handle, principal, got: all" },
	{ { "--shell", "" }, SERVE, ERROR_USAGE, "--shell must not be empty." },
	{ { "--e2b-metadata", "name" }, SERVE, ERROR_USAGE, "--e2b-metadata must be NAME=VALUE." },
	{ { "--e2b-metadata", "a=1", "--e2b-metadata", "=2" },
	  SERVE,
	  ERROR_USAGE,
	  "--e2b-metadata must be NAME=VALUE." },
	{ { "--e2b-env", "hunter2" }, SERVE, ERROR_USAGE, "--e2b-env must be NAME=VALUE." },

	/* the environment */
	{ { NULL, "KILNTAINERS_NETWORK=yes" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_NETWORK must be 1, 0, true or false, got: yes" },
	{ { NULL, "KILNTAINERS_NETWORK=" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_NETWORK must be 1, 0, true or false, got: " },
	{ { NULL, "KILNTAINERS_NETWORK=TRUE" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_NETWORK must be 1, 0, true or false, got: TRUE" },
	{ { NULL, "KILNTAINERS_TIMEOUT=0" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_TIMEOUT must be at least 1 second." },
	{ { NULL, "KILNTAINERS_TIMEOUT=x" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_TIMEOUT must be a whole number, got: x" },
	{ { NULL, "KILNTAINERS_TRANSPORT=sse" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_TRANSPORT must be one of stdio, http, got: sse" },
	{ { NULL, "KILNTAINERS_DISK=many" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_DISK must be a size such as 512m or 1.5g, got: many" },
	{ { NULL, "KILNTAINERS_MODAL_CPU=-1" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_MODAL_CPU must be a number above 0 such as 1.5, got: -1" },
	{ { NULL, "KILNTAINERS_E2B_ENV=A=1\nhunter2" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_E2B_ENV must be NAME=VALUE." },
	{ { "--transport=http", NULL, "KILNTAINERS_PORT=http" },
	  SERVE,
	  ERROR_CONFIG,
	  "KILNTAINERS_PORT must be a whole number, got: http" },

	/* exec */
	{ { "--network" },
	  EXEC,
	  ERROR_USAGE,
	  "exec needs a command: kilntainers exec [options] -- COMMAND [ARGUMENT...]" },
	{ { "--" },
	  EXEC,
	  ERROR_USAGE,
	  "exec needs a command: kilntainers exec [options] -- COMMAND [ARGUMENT...]" },
	{ { "--port=1", "--", "ls" },
	  EXEC,
	  ERROR_USAGE,
	  "--port means nothing to exec: it is for the server." },
	{ { "--transport=stdio", "ls" },
	  EXEC,
	  ERROR_USAGE,
	  "--transport means nothing to exec: it is for the server." },
	{ { "--nonsense", "ls" }, EXEC, ERROR_USAGE, "There is no option --nonsense." },
};

static void every_refusal_has_its_kind_and_its_text(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(refusals); i++) {
		struct options options;
		struct error err;

		if (parse(&options, refusals[i].command, refusals[i].words, &err) == 0)
			fail_msg("accepted, but expected: %s", refusals[i].message);
		assert_string_equal(err.message, refusals[i].message);
		assert_int_equal(err.kind, refusals[i].kind);
	}
}

static void without_flags_every_value_is_its_default(void **state)
{
	struct options options;
	struct error err;
	int i;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, NULL), 0);
	for (i = 0; i < OPTION_COUNT; i++) {
		assert_false(option_is_given(&options, (enum option_id)i));
		/* What needs http is not there at all with stdio, but has its default. */
		if (option_table[i].fallback)
			assert_string_equal(option_text(&options, (enum option_id)i),
					    option_table[i].fallback);
		else
			assert_null(option_text(&options, (enum option_id)i));
	}
	assert_int_equal(option_number(&options, OPTION_TIMEOUT), LIMIT_DEFAULT_TIMEOUT_S);
	assert_int_equal(option_number(&options, OPTION_MAX_TIMEOUT), LIMIT_DEFAULT_MAX_TIMEOUT_S);
	assert_int_equal(option_number(&options, OPTION_OUTPUT_LIMIT), LIMIT_DEFAULT_OUTPUT_BYTES);
	assert_int_equal(option_number(&options, OPTION_PIDS_LIMIT), LIMIT_DEFAULT_PIDS);
	assert_int_equal(option_number(&options, OPTION_PORT), 8435);
	assert_int_equal(option_number(&options, OPTION_SESSION_TIMEOUT), 300);
	assert_int_equal(option_number(&options, OPTION_NETWORK), 0);
	options_finish(&options);
}

static void a_flag_comes_before_the_environment_and_that_before_the_default(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--timeout=7", NULL, "KILNTAINERS_TIMEOUT=8",
			       "KILNTAINERS_MAX_TIMEOUT=9"),
			 0);
	assert_int_equal(option_number(&options, OPTION_TIMEOUT), 7);
	assert_int_equal(option_error_kind(&options, OPTION_TIMEOUT), ERROR_USAGE);
	assert_int_equal(option_number(&options, OPTION_MAX_TIMEOUT), 9);
	assert_int_equal(option_error_kind(&options, OPTION_MAX_TIMEOUT), ERROR_CONFIG);
	options_finish(&options);

	/* Even a variable that would be refused. */
	assert_int_equal(PARSE(&options, SERVE, &err, "--timeout=7", NULL, "KILNTAINERS_TIMEOUT=x"),
			 0);
	options_finish(&options);
}

static void the_last_of_a_flag_given_twice_counts(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--shell", "a", "--shell=b"), 0);
	assert_string_equal(option_text(&options, OPTION_SHELL), "b");
	assert_int_equal(options.values[OPTION_SHELL].count, 1);
	options_finish(&options);
}

static void a_repeated_flag_is_a_list_and_so_are_the_lines_of_its_variable(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--docker-run-flag", "--pids-limit=256",
			       "--docker-run-flag=-v a:b", NULL,
			       "KILNTAINERS_E2B_METADATA=a=1\n\nb=2 3\n"),
			 0);
	assert_int_equal(options.values[OPTION_DOCKER_RUN_FLAG].count, 2);
	assert_string_equal(options.values[OPTION_DOCKER_RUN_FLAG].texts[0], "--pids-limit=256");
	assert_string_equal(options.values[OPTION_DOCKER_RUN_FLAG].texts[1], "-v a:b");
	assert_null(options.values[OPTION_DOCKER_RUN_FLAG].texts[2]);
	assert_int_equal(options.values[OPTION_E2B_METADATA].count, 2);
	assert_string_equal(options.values[OPTION_E2B_METADATA].texts[0], "a=1");
	assert_string_equal(options.values[OPTION_E2B_METADATA].texts[1], "b=2 3");
	options_finish(&options);

	/* A flag replaces the variable's whole list. */
	assert_int_equal(
		PARSE(&options, SERVE, &err, "--e2b-env=A=1", NULL, "KILNTAINERS_E2B_ENV=B=2\nC=3"),
		0);
	assert_int_equal(options.values[OPTION_E2B_ENV].count, 1);
	assert_string_equal(option_text(&options, OPTION_E2B_ENV), "A=1");
	options_finish(&options);
}

static void switches_in_the_environment_are_one_zero_true_or_false(void **state)
{
	static const struct {
		const char *variable;
		int64_t number;
	} cases[] = { { "KILNTAINERS_NETWORK=1", 1 },
		      { "KILNTAINERS_NETWORK=true", 1 },
		      { "KILNTAINERS_NETWORK=0", 0 },
		      { "KILNTAINERS_NETWORK=false", 0 } };
	struct options options;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(PARSE(&options, SERVE, &err, NULL, cases[i].variable), 0);
		assert_int_equal(option_number(&options, OPTION_NETWORK), cases[i].number);
		options_finish(&options);
	}
	assert_int_equal(PARSE(&options, SERVE, &err, "--network"), 0);
	assert_int_equal(option_number(&options, OPTION_NETWORK), 1);
	options_finish(&options);
}

static void variables_that_do_not_fit_the_transport_are_ignored(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, NULL, "KILNTAINERS_PORT=9000",
			       "KILNTAINERS_HOST=::", "KILNTAINERS_SESSION_TIMEOUT=nonsense"),
			 0);
	assert_int_equal(option_number(&options, OPTION_PORT), 8435);
	assert_false(option_is_given(&options, OPTION_PORT));
	options_finish(&options);

	assert_int_equal(PARSE(&options, SERVE, &err, NULL, "KILNTAINERS_PORT=9000",
			       "KILNTAINERS_TRANSPORT=http"),
			 0);
	assert_int_equal(option_number(&options, OPTION_PORT), 9000);
	options_finish(&options);

	/* exec has no transport, whatever the environment says for the server. */
	assert_int_equal(PARSE(&options, EXEC, &err, "ls", NULL, "KILNTAINERS_PORT=x",
			       "KILNTAINERS_TRANSPORT=http", "KILNTAINERS_MAX_RUNNING=x"),
			 0);
	assert_false(option_is_given(&options, OPTION_TRANSPORT));
	options_finish(&options);
}

static void what_kubernetes_injects_is_no_setting_and_no_mistake(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--transport=http", NULL,
			       "KILNTAINERS_PORT=tcp://10.0.0.1:8435",
			       "KILNTAINERS_PORT_8435_TCP_ADDR=10.0.0.1",
			       "KILNTAINERS_SERVICE_HOST=10.0.0.1"),
			 0);
	assert_int_equal(option_number(&options, OPTION_PORT), 8435);
	assert_int_equal(options.unknown_count, 0);
	options_finish(&options);
}

static void unknown_variables_are_named_and_nothing_else(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, NULL, "KILNTAINERS_TIMEOUTS=1",
			       "KILNTAINERS_AUTH_TOKEN=s", "KILNTAINERS_BUSYBOX_WASM=/x",
			       "KILNTAINERS_HELP=1", "KILNTAINER_TIMEOUT=1", "PATH=/bin",
			       "KILNTAINERS_", "KILNTAINERS_timeout=1"),
			 0);
	assert_int_equal(options.unknown_count, 3);
	assert_string_equal(options.unknown_variables[0], "KILNTAINERS_TIMEOUTS");
	assert_string_equal(options.unknown_variables[1], "KILNTAINERS_HELP");
	assert_string_equal(options.unknown_variables[2], "KILNTAINERS_timeout");
	options_finish(&options);
}

static void an_empty_variable_counts_as_not_set(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, NULL, "KILNTAINERS_SHELL=",
			       "KILNTAINERS_TIMEOUT=", "KILNTAINERS_DOCKER_RUN_FLAG=\n"),
			 0);
	assert_false(option_is_given(&options, OPTION_SHELL));
	assert_false(option_is_given(&options, OPTION_DOCKER_RUN_FLAG));
	assert_int_equal(option_number(&options, OPTION_TIMEOUT), LIMIT_DEFAULT_TIMEOUT_S);
	options_finish(&options);
}

static void the_command_of_exec_is_left_alone(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, EXEC, &err, "--network", "--", "ls", "--port", "-h"), 0);
	assert_string_equal(options.operands[0], "ls");
	assert_string_equal(options.operands[1], "--port");
	assert_string_equal(options.operands[2], "-h");
	assert_null(options.operands[3]);
	options_finish(&options);

	/* Without "--" the first word that is no option begins it. */
	assert_int_equal(PARSE(&options, EXEC, &err, "ls", "--help"), 0);
	assert_false(options.has_action);
	assert_string_equal(options.operands[1], "--help");
	options_finish(&options);
}

static void help_is_answered_before_anything_is_checked(void **state)
{
	static const struct {
		const char *word;
		enum option_id action;
	} cases[] = { { "-h", OPTION_HELP },
		      { "--help", OPTION_HELP },
		      { "--help-json", OPTION_HELP_JSON },
		      { "--version", OPTION_VERSION } };
	struct options options;
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(PARSE(&options, SERVE, &err, "--timeout=0", cases[i].word,
				       "--nonsense", NULL, "KILNTAINERS_NETWORK=x"),
				 0);
		assert_true(options.has_action);
		assert_int_equal(options.action, cases[i].action);
		options_finish(&options);
	}
}

static void a_beginning_that_means_one_option_is_enough(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--netw", "--time=5"), 0);
	assert_int_equal(option_number(&options, OPTION_NETWORK), 1);
	assert_int_equal(option_number(&options, OPTION_TIMEOUT), 5);
	options_finish(&options);
}

static void sizes_are_read_as_docker_writes_them(void **state)
{
	struct options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(&options, SERVE, &err, "--output-limit=4k", "--disk=1.5g",
			       "--memory=512m", "--cpu=1.5"),
			 0);
	assert_int_equal(option_number(&options, OPTION_OUTPUT_LIMIT), 4096);
	assert_int_equal(option_number(&options, OPTION_DISK), 1536 * MIB);
	assert_int_equal(option_number(&options, OPTION_MEMORY), 512 * MIB);
	assert_int_equal(option_number(&options, OPTION_CPU), 1500);
	options_finish(&options);
}

static void no_refusal_repeats_a_secret(void **state)
{
	static const char secret[] = "hunter2";
	static const char *const lines[][MAX_WORDS] = {
		{ "--modal-token-id", secret, "--timeout=0" },
		{ "--modal-token-secret=hunter2", "--nonsense" },
		{ "--modal-token=hunter2" },
		{ "--modal-token-secrets=hunter2" },
		{ "--e2b-api-key", secret, "--backend" },
		{ "--e2b-env", secret },
		{ NULL, "KILNTAINERS_E2B_ENV=hunter2" },
		{ "--port=1", NULL, "KILNTAINERS_MODAL_TOKEN_SECRET=hunter2" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(lines); i++) {
		struct options options;
		struct error err;

		assert_int_equal(parse(&options, SERVE, lines[i], &err), -1);
		assert_null(strstr(err.message, secret));
	}
}

static void the_table_is_whole(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_table[i];
		char name[OPTION_ENVIRONMENT_BYTES];
		bool is_bare = spec->kind == OPTION_KIND_ACTION || spec->kind == OPTION_KIND_SWITCH;

		assert_non_null(spec->name);
		assert_non_null(spec->help);
		assert_int_equal(spec->argument == NULL, is_bare);
		assert_int_equal(spec->choices != NULL, spec->kind == OPTION_KIND_CHOICE);
		option_environment_name(spec, name);
		assert_true(strlen(name) == strlen("KILNTAINERS_") + strlen(spec->name));
		/* exec has no transport. */
		if (spec->stdio_refusal)
			assert_true(spec->flags & OPTION_SERVE_ONLY);
	}
}

static char *text_of(void (*append)(struct buf *out))
{
	struct buf out = BUF_INIT(HELP_MAX_BYTES);
	char *text;

	append(&out);
	text = buf_take_string(&out);
	assert_non_null(text);
	return text;
}

static void help_names_every_option_within_80_columns(void **state)
{
	char *help = text_of(help_append);
	const char *line;
	int i;

	(void)state;
	for (i = 0; i < OPTION_COUNT; i++) {
		char start[64];

		(void)snprintf(start, sizeof(start), "--%s", option_table[i].name);
		assert_non_null(strstr(help, start));
	}
	for (line = help; *line != '\0'; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);
	free(help);
}

static void completions_exist_for_three_shells_and_no_other(void **state)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };
	struct error err = ERROR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(shells); i++) {
		struct buf out = BUF_INIT(HELP_MAX_BYTES);

		assert_int_equal(completion_append(&out, shells[i], &err), 0);
		assert_false(out.failed);
		assert_true(out.length > 1000);
		buf_finish(&out);
	}
	assert_int_equal(completion_append(NULL, "tcsh", &err), -1);
	assert_string_equal(err.message, "completion is for bash, zsh or fish, got: tcsh");
	assert_int_equal(completion_append(NULL, NULL, &err), -1);
	assert_string_equal(err.message,
			    "completion needs a shell: kilntainers completion {bash,zsh,fish}");
	assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_its_kind_and_its_text),
		cmocka_unit_test(without_flags_every_value_is_its_default),
		cmocka_unit_test(a_flag_comes_before_the_environment_and_that_before_the_default),
		cmocka_unit_test(the_last_of_a_flag_given_twice_counts),
		cmocka_unit_test(a_repeated_flag_is_a_list_and_so_are_the_lines_of_its_variable),
		cmocka_unit_test(switches_in_the_environment_are_one_zero_true_or_false),
		cmocka_unit_test(variables_that_do_not_fit_the_transport_are_ignored),
		cmocka_unit_test(what_kubernetes_injects_is_no_setting_and_no_mistake),
		cmocka_unit_test(unknown_variables_are_named_and_nothing_else),
		cmocka_unit_test(an_empty_variable_counts_as_not_set),
		cmocka_unit_test(the_command_of_exec_is_left_alone),
		cmocka_unit_test(help_is_answered_before_anything_is_checked),
		cmocka_unit_test(a_beginning_that_means_one_option_is_enough),
		cmocka_unit_test(sizes_are_read_as_docker_writes_them),
		cmocka_unit_test(no_refusal_repeats_a_secret),
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(help_names_every_option_within_80_columns),
		cmocka_unit_test(completions_exist_for_three_shells_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
