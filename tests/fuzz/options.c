/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "app/options.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 64

/* What was accepted keeps the promises of the table. */
static void check_value(const struct option_spec *spec, const struct option_value *value)
{
	size_t i;

	assert((value->source == OPTION_FROM_NOWHERE) == (value->count == 0));
	assert(value->count <= 1 || (spec->flags & OPTION_REPEATABLE));
	for (i = 0; i < value->count; i++)
		assert(value->texts[i]);
	if (value->count == 0)
		return;
	assert(value->texts[value->count] == NULL);
	if (spec->kind == OPTION_KIND_INTEGER || spec->kind == OPTION_KIND_BYTES)
		assert(value->number >= spec->min && value->number <= spec->max);
	if (spec->kind == OPTION_KIND_SWITCH)
		assert(value->number == 0 || value->number == 1);
	if (spec->kind == OPTION_KIND_FRACTION)
		assert(value->number > 0 && value->number <= spec->max);
}

static void parse(enum option_command command, int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	struct options options;
	int i;

	if (options_parse(&options, command, argc, argv, environment, &err) < 0) {
		assert(err.kind == ERROR_USAGE || err.kind == ERROR_CONFIG);
		assert(err.message[0] != '\0');
		return;
	}
	for (i = 0; i < OPTION_COUNT && !options.has_action; i++)
		check_value(&option_table[i], &options.values[i]);
	assert(options.has_action ||
	       (command == OPTION_COMMAND_EXEC) == (options.operands[0] != NULL));
	options_finish(&options);
}

/* The first byte chooses who parses; then words, each ended by a NUL: the ones that look like our
 * variables are the environment, the others the command line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[MAX_WORDS + 2] = { NULL };
	char *environment[MAX_WORDS + 1] = { NULL };
	char program[] = "kilntainers";
	char *text;
	char *word;
	int variables = 0;
	int argc = 0;

	if (size < 1)
		return 0;
	text = calloc(1, size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	argv[argc++] = program;
	for (word = text; word < text + size - 1; word += strlen(word) + 1) {
		bool is_variable = strncmp(word, OPTION_ENVIRONMENT_PREFIX,
					   strlen(OPTION_ENVIRONMENT_PREFIX)) == 0;

		if (is_variable && variables < MAX_WORDS)
			environment[variables++] = word;
		else if (!is_variable && argc < MAX_WORDS)
			argv[argc++] = word;
	}
	parse((enum option_command)(data[0] % 3), argc, argv, environment);
	free(text);
	return 0;
}
