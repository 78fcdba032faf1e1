/* SPDX-License-Identifier: MIT */
#include "app/help.h"

#include "app/options.h"
#include "base/escape.h"

#include <string.h>

#define HELP_COLUMNS 80
#define HELP_INDENT 24

static const char usage[] =
	"usage: kilntainers [options]\n"
	"       kilntainers exec [options] -- COMMAND [ARGUMENT...]\n"
	"       kilntainers doctor [options]\n"
	"       kilntainers cleanup [options]\n"
	"       kilntainers completion {bash,zsh,fish}\n"
	"\n"
	"MCP server providing isolated Linux sandboxes for LLM agent shell execution.\n"
	"Without a sub-command it serves one client on stdin and stdout. exec runs one\n"
	"command in a fresh sandbox; doctor says what works here and how to fix what\n"
	"does not; cleanup removes what killed servers have left; completion prints a\n"
	"completion script for a shell.\n";

static const char footer[] = "\n"
			     "Each option can also be set in the environment: --max-timeout is\n"
			     "KILNTAINERS_MAX_TIMEOUT. A flag comes before the environment.\n"
			     "See kilntainers(1) for more.\n";

static void append_argument(struct buf *out, const struct option_spec *spec)
{
	int i;

	if (spec->choices) {
		for (i = 0; spec->choices[i]; i++)
			(void)buf_printf(out, "%s%s", i == 0 ? " {" : ",", spec->choices[i]);
		(void)buf_append_byte(out, '}');
	} else if (spec->argument) {
		(void)buf_printf(out, " %s", spec->argument);
	}
}

/* The text in words, each line indented; the cursor already stands at HELP_INDENT. */
static void append_wrapped(struct buf *out, const char *text)
{
	size_t column = HELP_INDENT;

	for (;;) {
		size_t length = strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + length > HELP_COLUMNS) {
			(void)buf_printf(out, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			(void)buf_append_byte(out, ' ');
			column++;
		}
		(void)buf_append(out, text, length);
		column += length;
		text += length;
		if (*text == '\0')
			break;
		text++;
	}
	(void)buf_append_byte(out, '\n');
}

static void append_help_text(struct buf *out, const struct option_spec *spec)
{
	const char *fallback = spec->fallback_note ? spec->fallback_note : spec->fallback;
	struct buf text = BUF_INIT(HELP_MAX_BYTES);
	char *line;

	(void)buf_append_string(&text, spec->help);
	if (spec->flags & OPTION_REPEATABLE)
		(void)buf_append_string(&text, " Repeatable.");
	if (spec->stdio_refusal)
		(void)buf_append_string(&text, " Only with --transport http.");
	if (fallback)
		(void)buf_printf(&text, " (default: %s)", fallback);
	line = buf_take_string(&text);
	if (line)
		append_wrapped(out, line);
	free(line);
}

static void append_option(struct buf *out, const struct option_spec *spec)
{
	size_t start = out->length;
	size_t width;

	(void)buf_printf(out, "  %s--%s", spec == &option_table[OPTION_HELP] ? "-h, " : "",
			 spec->name);
	append_argument(out, spec);
	width = out->length - start;
	if (width + 2 > HELP_INDENT)
		(void)buf_printf(out, "\n%*s", HELP_INDENT, "");
	else
		(void)buf_printf(out, "%*s", (int)(HELP_INDENT - width), "");
	append_help_text(out, spec);
}

void help_append(struct buf *out)
{
	int group;
	int i;

	(void)buf_append_string(out, usage);
	for (group = 0; group < OPTION_GROUP_COUNT; group++) {
		(void)buf_printf(out, "\n%s:\n", option_group_titles[group]);
		for (i = 0; i < OPTION_COUNT; i++) {
			if ((int)option_table[i].group == group)
				append_option(out, &option_table[i]);
		}
	}
	(void)buf_append_string(out, footer);
}

/* --- JSON ----------------------------------------------------------------- */

static void append_json_string(struct buf *out, const char *name, const char *text)
{
	(void)buf_printf(out, ",\"%s\":", name);
	if (!text) {
		(void)buf_append_string(out, "null");
		return;
	}
	(void)buf_append_byte(out, '"');
	(void)escape_append(out, text, strlen(text), HELP_MAX_BYTES, ESCAPE_JSON);
	(void)buf_append_byte(out, '"');
}

static void append_json_bool(struct buf *out, const char *name, bool value)
{
	(void)buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void append_json_choices(struct buf *out, const struct option_spec *spec)
{
	int i;

	(void)buf_append_string(out, ",\"choices\":");
	if (!spec->choices) {
		(void)buf_append_string(out, "null");
		return;
	}
	for (i = 0; spec->choices[i]; i++)
		(void)buf_printf(out, "%s\"%s\"", i == 0 ? "[" : ",", spec->choices[i]);
	(void)buf_append_byte(out, ']');
}

static void append_json_option(struct buf *out, const struct option_spec *spec)
{
	static const char *const kinds[] = {
		[OPTION_KIND_ACTION] = "action",     [OPTION_KIND_SWITCH] = "switch",
		[OPTION_KIND_TEXT] = "text",	     [OPTION_KIND_CHOICE] = "choice",
		[OPTION_KIND_INTEGER] = "integer",   [OPTION_KIND_BYTES] = "bytes",
		[OPTION_KIND_DURATION] = "duration", [OPTION_KIND_FRACTION] = "fraction",
		[OPTION_KIND_PAIR] = "pair",
	};
	char variable[OPTION_ENVIRONMENT_BYTES];

	option_environment_name(spec, variable);
	(void)buf_printf(out, "{\"name\":\"%s\",\"kind\":\"%s\"", spec->name, kinds[spec->kind]);
	append_json_string(out, "group", option_group_titles[spec->group]);
	append_json_string(out, "argument", spec->argument);
	append_json_choices(out, spec);
	append_json_string(out, "environment", spec->kind == OPTION_KIND_ACTION ? NULL : variable);
	append_json_string(out, "default",
			   spec->fallback_note ? spec->fallback_note : spec->fallback);
	append_json_bool(out, "repeatable", (spec->flags & OPTION_REPEATABLE) != 0);
	append_json_bool(out, "secret", (spec->flags & OPTION_SECRET) != 0);
	append_json_bool(out, "serve_only", (spec->flags & OPTION_SERVE_ONLY) != 0);
	append_json_string(out, "transport", spec->stdio_refusal ? "http" : NULL);
	append_json_string(out, "help", spec->help);
	(void)buf_append_byte(out, '}');
}

void help_append_json(struct buf *out)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		(void)buf_append_string(out, i == 0 ? "[" : ",\n");
		append_json_option(out, &option_table[i]);
	}
	(void)buf_append_string(out, "]\n");
}
