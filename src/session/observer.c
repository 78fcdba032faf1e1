/* SPDX-License-Identifier: MIT */
#include "session/observer.h"

#include "base/limits.h"

#include <string.h>

/* Means itself to every shell. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

struct line {
	struct buf *text;
	size_t room;
};

static void append(struct line *line, const char *data, size_t bytes)
{
	size_t kept = bytes < line->room ? bytes : line->room;

	(void)buf_append(line->text, data, kept);
	line->room -= kept;
}

static void append_quoted(struct line *line, const char *argument)
{
	append(line, "'", 1);
	while (*argument && line->room > 0) {
		size_t plain = strcspn(argument, "'");

		append(line, argument, plain);
		argument += plain;
		if (*argument == '\0')
			break;
		append(line, "'\\''", 4);
		argument++;
	}
	append(line, "'", 1);
}

static void append_argument(struct line *line, const char *argument)
{
	if (*argument && argument[strspn(argument, PLAIN)] == '\0')
		append(line, argument, strlen(argument));
	else
		append_quoted(line, argument);
}

void observer_append_command(struct buf *text, const char *command, const char *const *args)
{
	struct line line = { text, LIMIT_COMMAND_TEXT_BYTES };
	size_t i;

	if (command)
		append(&line, command, strlen(command));
	for (i = 0; args && args[i] && line.room > 0; i++) {
		if (i > 0)
			append(&line, " ", 1);
		append_argument(&line, args[i]);
	}
}
