/* SPDX-License-Identifier: MIT */
#include "app/options.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/number.h"

#include <getopt.h>
#include <string.h>
#include <strings.h>

/* getopt_long's values for long options: above every character. */
#define FIRST_LONG_VALUE 256

static void value_add(struct option_value *value, char *text)
{
	value->texts = alloc_resize(value->texts, value->count + 2, sizeof(*value->texts));
	value->texts[value->count++] = text;
	value->texts[value->count] = NULL;
}

static void value_clear(struct option_value *value)
{
	size_t i;

	for (i = 0; i < value->count; i++)
		free(value->texts[i]);
	free(value->texts);
	memset(value, 0, sizeof(*value));
}

static void wipe_auth_token(struct options *options)
{
	if (!options->auth_token)
		return;
	explicit_bzero(options->auth_token, strlen(options->auth_token));
	free(options->auth_token);
	options->auth_token = NULL;
}

/* The name under which the reader gave the value: "--port" or "KILNTAINERS_PORT". */
static void label_of(const struct options *options, enum option_id id,
		     char label[OPTION_ENVIRONMENT_BYTES])
{
	if (options->values[id].source == OPTION_FROM_ENVIRONMENT)
		option_environment_name(&option_table[id], label);
	else
		(void)snprintf(label, OPTION_ENVIRONMENT_BYTES, "--%s", option_table[id].name);
}

/* --- the command line ----------------------------------------------------- */

static size_t names_beginning_with(const char *start, size_t length)
{
	size_t found = 0;
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++)
		found += strncmp(option_table[i].name, start, length) == 0;
	return found;
}

/* `word` is what getopt_long stumbled over. Only the part before '=' is repeated: the rest may
 * be a secret behind a mistyped name. */
static int refuse_word(const char *word, struct error *err)
{
	size_t length = strcspn(word, "=");

	if (strncmp(word, "--", 2) == 0 && names_beginning_with(word + 2, length - 2) > 1)
		return error_set(err, ERROR_USAGE, "%.*s is the start of several options.",
				 (int)length, word);
	return error_set(err, ERROR_USAGE, "There is no option %.*s.", (int)length, word);
}

/* The function of '?' and ':' in getopt_long. */
static int refuse_flag(int code, const char *word, struct error *err)
{
	if (optopt >= FIRST_LONG_VALUE && optopt < FIRST_LONG_VALUE + OPTION_COUNT) {
		const char *name = option_table[optopt - FIRST_LONG_VALUE].name;

		if (code == ':')
			return error_set(err, ERROR_USAGE, "--%s needs a value.", name);
		return error_set(err, ERROR_USAGE, "--%s takes no value.", name);
	}
	if (optopt != 0)
		return error_set(err, ERROR_USAGE, "There is no option -%c.", optopt);
	return refuse_word(word, err);
}

static void take_flag(struct options *options, enum option_id id, const char *argument)
{
	struct option_value *value = &options->values[id];

	value->source = OPTION_FROM_FLAG;
	if (option_table[id].kind == OPTION_KIND_SWITCH)
		argument = "1";
	if ((option_table[id].flags & OPTION_REPEATABLE) == 0) {
		value_clear(value);
		value->source = OPTION_FROM_FLAG;
	}
	value_add(value, alloc_string(argument));
}

static void fill_long_options(struct option long_options[OPTION_COUNT + 1])
{
	int i;

	memset(long_options, 0, sizeof(struct option) * (OPTION_COUNT + 1));
	for (i = 0; i < OPTION_COUNT; i++) {
		bool is_bare = option_table[i].kind == OPTION_KIND_ACTION ||
			       option_table[i].kind == OPTION_KIND_SWITCH;

		long_options[i].name = option_table[i].name;
		long_options[i].has_arg = is_bare ? no_argument : required_argument;
		long_options[i].val = FIRST_LONG_VALUE + i;
	}
}

static int parse_flags(struct options *options, int argc, char **argv, struct error *err)
{
	struct option long_options[OPTION_COUNT + 1];
	int code;

	fill_long_options(long_options);
	opterr = 0;
	optind = 0;
	/* "+": what follows the first operand belongs to the command of `exec`. */
	while ((code = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
		int id = code == 'h' ? OPTION_HELP : code - FIRST_LONG_VALUE;

		if (code == '?' || code == ':')
			return refuse_flag(code, argv[optind - 1], err);
		if (option_table[id].kind == OPTION_KIND_ACTION) {
			options->action = (enum option_id)id;
			options->has_action = true;
			return 0;
		}
		take_flag(options, (enum option_id)id, optarg);
	}
	options->operands = argv + optind;
	return 0;
}

static int check_operands(const struct options *options, enum option_command command,
			  struct error *err)
{
	static const char *const commands[] = { "exec", "doctor", "cleanup", "completion" };
	const char *first = options->operands[0];
	size_t i;

	if (command == OPTION_COMMAND_EXEC) {
		if (!first)
			return error_set(err, ERROR_USAGE,
					 "exec needs a command: "
					 "kilntainers exec [options] -- COMMAND [ARGUMENT...]");
		return 0;
	}
	if (!first)
		return 0;
	for (i = 0; i < ARRAY_LENGTH(commands); i++) {
		if (strcmp(first, commands[i]) == 0)
			return error_set(err, ERROR_USAGE,
					 "%s must come first: kilntainers %s [options]", first,
					 first);
	}
	return error_set(err, ERROR_USAGE, "Unexpected argument: %s", first);
}

/* --- the environment ------------------------------------------------------ */

static void add_lines(struct option_value *value, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		if (length > 0)
			value_add(value, alloc_printf("%.*s", (int)length, text));
		text += length;
		text += *text == '\n';
	}
}

static void take_variable(struct options *options, enum option_id id, const char *text)
{
	struct option_value *value = &options->values[id];

	if (value->source == OPTION_FROM_FLAG)
		return;
	/* A Kubernetes service named kilntainers injects KILNTAINERS_PORT=tcp://... */
	if (id == OPTION_PORT && strncmp(text, "tcp://", strlen("tcp://")) == 0)
		return;
	/* Wrappers pass every variable on, set or not. A switch stays strict: nobody should
	 * have to guess whether an empty one is on. */
	if (*text == '\0' && option_table[id].kind != OPTION_KIND_SWITCH)
		return;
	value_clear(value);
	if (option_table[id].flags & OPTION_REPEATABLE)
		add_lines(value, text);
	else
		value_add(value, alloc_string(text));
	if (value->count > 0)
		value->source = OPTION_FROM_ENVIRONMENT;
}

/* Names that are not options, but whose owners are known. */
static bool is_known_variable(const char *name, size_t length)
{
	static const char *const exact[] = { OPTION_AUTH_TOKEN_VARIABLE,
					     "KILNTAINERS_BUSYBOX_WASM" };
	/* What Kubernetes injects for a service named kilntainers. */
	static const char *const starts[] = { "KILNTAINERS_SERVICE_", "KILNTAINERS_PORT_" };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(exact); i++) {
		if (strlen(exact[i]) == length && strncmp(name, exact[i], length) == 0)
			return true;
	}
	for (i = 0; i < ARRAY_LENGTH(starts); i++) {
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

static int find_variable(const char *name, size_t length)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		char known[OPTION_ENVIRONMENT_BYTES];

		if (option_table[i].kind == OPTION_KIND_ACTION)
			continue;
		option_environment_name(&option_table[i], known);
		if (strlen(known) == length && strncmp(known, name, length) == 0)
			return i;
	}
	return -1;
}

static void add_unknown(struct options *options, const char *name, size_t length)
{
	options->unknown_variables =
		alloc_resize(options->unknown_variables, options->unknown_count + 1,
			     sizeof(*options->unknown_variables));
	options->unknown_variables[options->unknown_count++] =
		alloc_printf("%.*s", (int)length, name);
}

/* Not an option: a flag would show it to everybody. */
static void take_auth_token(struct options *options, const char *name, size_t length,
			    const char *value)
{
	if (strlen(OPTION_AUTH_TOKEN_VARIABLE) != length ||
	    strncmp(name, OPTION_AUTH_TOKEN_VARIABLE, length) != 0 || *value == '\0')
		return;
	wipe_auth_token(options);
	options->auth_token = alloc_string(value);
}

static void read_environment(struct options *options, char *const *environment)
{
	for (; *environment; environment++) {
		const char *name = *environment;
		const char *equals = strchr(name, '=');
		int id;

		if (!equals || strncmp(name, OPTION_ENVIRONMENT_PREFIX,
				       strlen(OPTION_ENVIRONMENT_PREFIX)) != 0)
			continue;
		take_auth_token(options, name, (size_t)(equals - name), equals + 1);
		id = find_variable(name, (size_t)(equals - name));
		if (id >= 0)
			take_variable(options, (enum option_id)id, equals + 1);
		else if (!is_known_variable(name, (size_t)(equals - name)))
			add_unknown(options, name, (size_t)(equals - name));
	}
}

/* --- what fits together --------------------------------------------------- */

/* Refuses flags, and forgets variables, that mean nothing here: a variable may be set for
 * several programs, a flag is meant. */
static int fit_one(struct options *options, enum option_id id, enum option_command command,
		   bool is_http, struct error *err)
{
	const struct option_spec *spec = &option_table[id];
	struct option_value *value = &options->values[id];
	bool is_foreign = command == OPTION_COMMAND_EXEC && (spec->flags & OPTION_SERVE_ONLY);
	bool is_for_cleanup =
		command != OPTION_COMMAND_CLEANUP && (spec->flags & OPTION_CLEANUP_ONLY);
	bool needs_http = command == OPTION_COMMAND_SERVE && spec->stdio_refusal && !is_http;

	if (!is_foreign && !is_for_cleanup && !needs_http)
		return 0;
	if (value->source != OPTION_FROM_FLAG) {
		value_clear(value);
		return 0;
	}
	if (is_foreign)
		return error_set(err, ERROR_USAGE,
				 "--%s means nothing to exec: it is for the server.", spec->name);
	if (is_for_cleanup)
		return error_set(err, ERROR_USAGE, "--%s is only valid with kilntainers cleanup.",
				 spec->name);
	return error_set(err, ERROR_USAGE, "--%s is only valid with --transport http. %s",
			 spec->name, spec->stdio_refusal);
}

static int fit(struct options *options, enum option_command command, struct error *err)
{
	const char *transport = option_text(options, OPTION_TRANSPORT);
	bool is_http = transport && strcmp(transport, "http") == 0;
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (fit_one(options, (enum option_id)i, command, is_http, err) < 0)
			return -1;
	}
	return 0;
}

static void apply_fallbacks(struct options *options)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		struct option_value *value = &options->values[i];

		if (value->source == OPTION_FROM_NOWHERE && option_table[i].fallback) {
			value_add(value, alloc_string(option_table[i].fallback));
			value->source = OPTION_FROM_FALLBACK;
		}
	}
}

/* --- one value ------------------------------------------------------------ */

static int check_switch(const char *label, const char *text, int64_t *number, struct error *err)
{
	bool is_on = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;

	if (!is_on && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
		return error_set(err, ERROR_CONFIG, "%s must be 1, 0, true or false, got: %s",
				 label, text);
	*number = is_on;
	return 0;
}

int option_refuse_choice(const struct options *options, enum option_id id, struct error *err)
{
	const struct option_spec *spec = &option_table[id];
	char label[OPTION_ENVIRONMENT_BYTES];
	char list[128] = "";
	size_t used = 0;
	int i;

	label_of(options, id, label);
	for (i = 0; spec->choices[i]; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i > 0 ? ", " : "", spec->choices[i]);
	return error_set(err, option_error_kind(options, id), "%s must be one of %s, got: %s",
			 label, list, option_text(options, id));
}

static int check_choice(const struct options *options, enum option_id id, int64_t *number,
			struct error *err)
{
	const struct option_spec *spec = &option_table[id];
	int i;

	if (spec->flags & OPTION_CHECKED_LATER)
		return 0;
	for (i = 0; spec->choices[i]; i++) {
		if (strcmp(spec->choices[i], option_text(options, id)) == 0) {
			*number = i;
			return 0;
		}
	}
	return option_refuse_choice(options, id, err);
}

/* INTEGER and BYTES. The lower bound has a text of its own, whatever notation was used. */
static int check_number(const struct option_spec *spec, const char *label, const char *text,
			int64_t *number, struct error *err)
{
	int64_t value;
	uint64_t bytes = 0;

	if (number_parse_int(text, INT64_MIN, INT64_MAX, label, &value, NULL) < 0) {
		if (spec->kind == OPTION_KIND_INTEGER)
			return number_parse_int(text, spec->min, spec->max, label, number, err);
		if (number_parse_bytes(text, label, &bytes, err) < 0)
			return -1;
		value = (int64_t)bytes;
	}
	if (value < spec->min && spec->at_least)
		return error_set(err, ERROR_USAGE, "%s must be at least %s.", label,
				 spec->at_least);
	if (value < spec->min || value > spec->max)
		return error_set(err, ERROR_USAGE, "%s must be between %lld and %lld, got: %s",
				 label, (long long)spec->min, (long long)spec->max, text);
	*number = value;
	return 0;
}

static int check_duration(const struct option_spec *spec, const char *label, const char *text,
			  int64_t *number, struct error *err)
{
	int64_t seconds;

	if (number_parse_duration(text, label, &seconds, err) < 0)
		return -1;
	if (seconds < spec->min || seconds > spec->max)
		return error_set(err, ERROR_USAGE, "%s is too long: %s", label, text);
	*number = seconds;
	return 0;
}

static int check_text(const struct options *options, enum option_id id, const char *text,
		      int64_t *number, struct error *err)
{
	const struct option_spec *spec = &option_table[id];
	enum error_kind kind = option_error_kind(options, id);
	char label[OPTION_ENVIRONMENT_BYTES];
	const char *equals;

	label_of(options, id, label);
	switch (spec->kind) {
	case OPTION_KIND_ACTION:
		return 0;
	case OPTION_KIND_SWITCH:
		return check_switch(label, text, number, err);
	case OPTION_KIND_CHOICE:
		return check_choice(options, id, number, err);
	case OPTION_KIND_INTEGER:
	case OPTION_KIND_BYTES:
		return check_number(spec, label, text, number, err);
	case OPTION_KIND_DURATION:
		return check_duration(spec, label, text, number, err);
	case OPTION_KIND_FRACTION:
		return number_parse_milli(text, spec->max, label, number, err);
	case OPTION_KIND_TEXT:
		if (*text == '\0')
			return error_set(err, kind, "%s must not be empty.", label);
		return 0;
	case OPTION_KIND_PAIR:
		equals = strchr(text, '=');
		/* The text is not repeated: half of it may be a secret. */
		if (!equals || equals == text)
			return error_set(err, kind, "%s must be NAME=VALUE.", label);
		return 0;
	}
	return 0;
}

static int check_values(struct options *options, struct error *err)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		struct option_value *value = &options->values[i];
		size_t at;

		for (at = 0; at < value->count; at++) {
			if (check_text(options, (enum option_id)i, value->texts[at], &value->number,
				       err) == 0)
				continue;
			/* The number parsers know flags only. */
			if (err)
				err->kind = option_error_kind(options, (enum option_id)i);
			return -1;
		}
	}
	return 0;
}

int options_parse(struct options *options, enum option_command command, int argc, char **argv,
		  char *const *environment, struct error *err)
{
	static char *no_operands[] = { NULL };

	memset(options, 0, sizeof(*options));
	options->operands = no_operands;
	if (parse_flags(options, argc, argv, err) < 0)
		goto fail;
	if (options->has_action)
		return 0;
	if (check_operands(options, command, err) < 0)
		goto fail;
	read_environment(options, environment);
	if (fit(options, command, err) < 0)
		goto fail;
	apply_fallbacks(options);
	if (check_values(options, err) < 0)
		goto fail;
	return 0;

fail:
	options_finish(options);
	return -1;
}

void options_finish(struct options *options)
{
	size_t i;

	wipe_auth_token(options);
	for (i = 0; i < OPTION_COUNT; i++)
		value_clear(&options->values[i]);
	for (i = 0; i < options->unknown_count; i++)
		free(options->unknown_variables[i]);
	free(options->unknown_variables);
	options->unknown_variables = NULL;
	options->unknown_count = 0;
}
