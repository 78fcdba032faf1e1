/* SPDX-License-Identifier: MIT */
#include "app/help.h"
#include "app/options.h"
#include "base/attr.h"

#include <string.h>

static const char *const commands[][2] = {
	{ "exec", "run one command in a fresh sandbox" },
	{ "doctor", "say what works here, and how to fix what does not" },
	{ "cleanup", "remove what killed servers have left" },
	{ "completion", "print a completion script" },
};

static bool takes_value(const struct option_spec *spec)
{
	return spec->kind != OPTION_KIND_ACTION && spec->kind != OPTION_KIND_SWITCH;
}

static void append_choices(struct buf *out, const struct option_spec *spec)
{
	int i;

	for (i = 0; spec->choices[i]; i++)
		(void)buf_printf(out, "%s%s", i > 0 ? " " : "", spec->choices[i]);
}

/* The first sentence of the help, for a place between single quotes, with a backslash before each
 * of `special`. */
static void append_summary(struct buf *out, const struct option_spec *spec, const char *special)
{
	const char *end = strstr(spec->help, ". ");
	size_t length = end ? (size_t)(end - spec->help) : strlen(spec->help);
	size_t i;

	if (length > 0 && spec->help[length - 1] == '.')
		length--;
	for (i = 0; i < length; i++) {
		if (spec->help[i] == '\'') {
			/* Every shell: the quote ends, a bare one follows, it begins again. */
			(void)buf_append_string(out, "'\\''");
			continue;
		}
		if (strchr(special, spec->help[i]))
			(void)buf_append_byte(out, '\\');
		(void)buf_append_byte(out, spec->help[i]);
	}
}

/* --- bash ----------------------------------------------------------------- */

static void append_bash_values(struct buf *out)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_table[i];

		if (!takes_value(spec))
			continue;
		(void)buf_printf(out, "\t--%s)\n", spec->name);
		if (spec->choices) {
			(void)buf_append_string(out, "\t\tCOMPREPLY=($(compgen -W '");
			append_choices(out, spec);
			(void)buf_append_string(out, "' -- \"$word\"))\n");
		} else if (spec->flags & OPTION_FILE) {
			(void)buf_append_string(out,
						"\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n");
		}
		(void)buf_append_string(out, "\t\treturn ;;\n");
	}
}

static void append_bash(struct buf *out)
{
	size_t i;

	(void)buf_append_string(
		out, "# bash completion for kilntainers: source it, or put it into\n"
		     "# ~/.local/share/bash-completion/completions/kilntainers\n"
		     "_kilntainers()\n{\n"
		     "\tlocal word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
		     "\tlocal i\n"
		     "\tCOMPREPLY=()\n"
		     "\t# --option=value arrives as three words\n"
		     "\tif [[ $previous == = ]]; then\n"
		     "\t\tprevious=${COMP_WORDS[COMP_CWORD-2]}\n"
		     "\telif [[ $word == = ]]; then\n"
		     "\t\tword=\n"
		     "\tfi\n"
		     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		     "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
		     "\t\t\tCOMPREPLY=($(compgen -c -- \"$word\"))\n"
		     "\t\t\treturn\n"
		     "\t\tfi\n"
		     "\tdone\n"
		     "\tcase $previous in\n"
		     "\tcompletion)\n"
		     "\t\tCOMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n"
		     "\t\treturn ;;\n");
	append_bash_values(out);
	(void)buf_append_string(out, "\tesac\n"
				     "\tif ((COMP_CWORD == 1)) && [[ $word != -* ]]; then\n"
				     "\t\tCOMPREPLY=($(compgen -W '");
	for (i = 0; i < ARRAY_LENGTH(commands); i++)
		(void)buf_printf(out, "%s%s", i > 0 ? " " : "", commands[i][0]);
	(void)buf_append_string(out, "' -- \"$word\"))\n"
				     "\t\treturn\n"
				     "\tfi\n"
				     "\tCOMPREPLY=($(compgen -W '-h");
	for (i = 0; i < OPTION_COUNT; i++)
		(void)buf_printf(out, " --%s", option_table[i].name);
	(void)buf_append_string(out, "' -- \"$word\"))\n"
				     "}\n"
				     "complete -F _kilntainers kilntainers\n");
}

/* --- zsh ------------------------------------------------------------------ */

/* '*--name=[summary]:ARGUMENT:action', inside single quotes. */
static void append_zsh_option(struct buf *out, const struct option_spec *spec)
{
	(void)buf_printf(out, "\t\t'%s--%s%s[", spec->flags & OPTION_REPEATABLE ? "*" : "",
			 spec->name, takes_value(spec) ? "=" : "");
	append_summary(out, spec, "[]:\\");
	(void)buf_append_byte(out, ']');
	if (takes_value(spec)) {
		(void)buf_printf(out, ":%s:", spec->argument);
		if (spec->choices) {
			(void)buf_append_byte(out, '(');
			append_choices(out, spec);
			(void)buf_append_byte(out, ')');
		} else if (spec->flags & OPTION_FILE) {
			(void)buf_append_string(out, "_files");
		}
	}
	(void)buf_append_string(out, "' \\\n");
}

static void append_zsh(struct buf *out)
{
	size_t i;

	(void)buf_append_string(out,
				"#compdef kilntainers\n"
				"# zsh completion for kilntainers: put it into a directory of\n"
				"# $fpath under the name _kilntainers\n"
				"_kilntainers()\n{\n"
				"\tlocal -a commands=(\n");
	for (i = 0; i < ARRAY_LENGTH(commands); i++)
		(void)buf_printf(out, "\t\t'%s:%s'\n", commands[i][0], commands[i][1]);
	(void)buf_append_string(out, "\t)\n"
				     "\tif ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
				     "\t\t_describe command commands\n"
				     "\t\treturn\n"
				     "\tfi\n"
				     "\tif [[ $words[2] == completion ]]; then\n"
				     "\t\tcompadd bash zsh fish\n"
				     "\t\treturn\n"
				     "\tfi\n"
				     "\t_arguments \\\n"
				     "\t\t'-h[Show this help and exit]' \\\n");
	for (i = 0; i < OPTION_COUNT; i++)
		append_zsh_option(out, &option_table[i]);
	(void)buf_append_string(out, "\t\t'*:::command:_normal'\n"
				     "}\n"
				     "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
				     "\t_kilntainers \"$@\"\n"
				     "else\n"
				     "\tcompdef _kilntainers kilntainers\n"
				     "fi\n");
}

/* --- fish ----------------------------------------------------------------- */

static void append_fish(struct buf *out)
{
	size_t i;

	(void)buf_append_string(
		out, "# fish completion for kilntainers: put it into\n"
		     "# ~/.config/fish/completions/kilntainers.fish\n"
		     "complete -c kilntainers -f\n"
		     "complete -c kilntainers -n '__fish_seen_subcommand_from completion' "
		     "-a 'bash zsh fish'\n");
	for (i = 0; i < ARRAY_LENGTH(commands); i++)
		(void)buf_printf(out,
				 "complete -c kilntainers -n __fish_use_subcommand -a %s -d '%s'\n",
				 commands[i][0], commands[i][1]);
	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_table[i];

		(void)buf_printf(out, "complete -c kilntainers %s-l %s",
				 i == OPTION_HELP ? "-s h " : "", spec->name);
		if (takes_value(spec))
			(void)buf_append_string(out, spec->flags & OPTION_FILE ? " -r -F" : " -x");
		if (spec->choices) {
			(void)buf_append_string(out, " -a '");
			append_choices(out, spec);
			(void)buf_append_byte(out, '\'');
		}
		(void)buf_append_string(out, " -d '");
		append_summary(out, spec, "\\");
		(void)buf_append_string(out, "'\n");
	}
}

int completion_append(struct buf *out, const char *shell, struct error *err)
{
	static const struct {
		const char *name;
		void (*append)(struct buf *out);
	} shells[] = { { "bash", append_bash }, { "zsh", append_zsh }, { "fish", append_fish } };
	size_t i;

	for (i = 0; shell && i < ARRAY_LENGTH(shells); i++) {
		if (strcmp(shell, shells[i].name) == 0) {
			shells[i].append(out);
			return 0;
		}
	}
	if (!shell)
		return error_set(
			err, ERROR_USAGE,
			"completion needs a shell: kilntainers completion {bash,zsh,fish}");
	return error_set(err, ERROR_USAGE, "completion is for bash, zsh or fish, got: %s", shell);
}
