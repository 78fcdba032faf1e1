/* SPDX-License-Identifier: MIT */

/*
 * Build-time tool: seccomp-generate POLICY NUMBERS ARCHITECTURE OUTPUT SUMMARY
 * writes a header with both filters of one architecture as arrays of instructions,
 * and one that says in words what the command's does with each system call.
 * NUMBERS is what `cc -E -dM` prints of that architecture's <asm/unistd.h>.
 */

#include "zygote/seccomp_compile.h"

#include "base/cleanup.h"

#include <linux/audit.h>
#include <stdio.h>
#include <string.h>

#define MAX_INPUT_BYTES (1u << 20)

static const struct {
	const char *name;
	uint32_t value;
} architectures[] = {
	{ "x86_64", AUDIT_ARCH_X86_64 },
	{ "aarch64", AUDIT_ARCH_AARCH64 },
};

static char *read_file(const char *path, size_t *bytes, struct error *err)
{
	CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
	char *text = malloc(MAX_INPUT_BYTES);

	if (!file || !text) {
		(void)error_set_errno(err, "opening %s", path);
		free(text);
		return NULL;
	}
	*bytes = fread(text, 1, MAX_INPUT_BYTES, file);
	if (*bytes == MAX_INPUT_BYTES || ferror(file)) {
		(void)error_set(err, ERROR_CONFIG, "%s cannot be read, or is too long", path);
		free(text);
		return NULL;
	}
	text[*bytes] = '\0';
	return text;
}

static int write_filter(FILE *file, const char *name, const struct seccomp_policy *policy,
			uint32_t architecture, enum seccomp_audience audience, struct error *err)
{
	struct seccomp_program program;

	if (seccomp_compile(policy, architecture, audience, &program, err) < 0)
		return -1;
	(void)fprintf(file, "\nstatic const struct sock_filter %s[%zu] = {\n", name, program.count);
	for (size_t i = 0; i < program.count; i++)
		(void)fprintf(file, "\t{ 0x%02x, %3u, %3u, 0x%08x },\n", program.code[i].code,
			      program.code[i].jt, program.code[i].jf, program.code[i].k);
	(void)fprintf(file, "};\n");
	return 0;
}

/* The words of one rule, from its line of the policy. */
struct words {
	char when[SECCOMP_MAX_LINE]; /* empty: whatever the arguments */
	char verdict[SECCOMP_MAX_NAME];
};

static const char *find_line(const char *text, unsigned number)
{
	while (--number > 0)
		text = strchr(text, '\n') + 1;
	return text;
}

/* The parser has let this line pass, so it has the form that policy's head says. */
static void read_words(const char *policy_text, const struct seccomp_rule *rule,
		       struct words *words)
{
	const char *start = find_line(policy_text, rule->line);
	char line[SECCOMP_MAX_LINE];
	char *arrow, *terms;

	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(start, "\n"), start);
	*words = (struct words){ "", "allow" };
	arrow = strstr(line, " -> ");
	if (!arrow) {
		(void)sscanf(line, "answer %39s", words->verdict);
		return;
	}
	if (sscanf(arrow, " -> answer %39s", words->verdict) != 1)
		(void)snprintf(words->verdict, sizeof(words->verdict), "allow");
	*arrow = '\0';
	/* "on CALL TERMS" */
	terms = strchr(line + strlen("on "), ' ');
	(void)snprintf(words->when, sizeof(words->when), "%s", terms ? terms + 1 : "otherwise");
}

static void write_call(FILE *file, const struct seccomp_policy *policy, const char *policy_text,
		       const struct seccomp_call *call)
{
	bool is_named = false;

	for (size_t i = 0; i < policy->count; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];
		struct words words;

		if (rule->number != call->number || rule->is_guest_only)
			continue;
		read_words(policy_text, rule, &words);
		/* Whatever the arguments, if no rule with terms stands before it. */
		if (!is_named && rule->term_count == 0)
			words.when[0] = '\0';
		(void)fprintf(file, "\t{ \"%s\", \"%s\", \"%s\" },\n", call->name, words.when,
			      words.verdict);
		is_named = true;
	}
	if (!is_named)
		(void)fprintf(file, "\t{ \"%s\", \"\", \"ENOSYS\" },\n", call->name);
}

static bool is_numbered(const struct seccomp_numbers *numbers, uint16_t number)
{
	for (size_t i = 0; i < numbers->count; i++)
		if (numbers->calls[i].number == number)
			return true;
	return false;
}

/* Those that the policy itself gives a number, because these headers lack them. */
static void write_own_calls(FILE *file, const struct seccomp_policy *policy,
			    const char *policy_text, const struct seccomp_numbers *numbers)
{
	for (size_t i = 0; i < policy->count; i++) {
		struct seccomp_call call = { .number = policy->rules[i].number };
		char suffix[16];
		const char *line, *found, *start;

		if (is_numbered(numbers, call.number))
			continue;
		(void)snprintf(suffix, sizeof(suffix), "=%u", call.number);
		line = find_line(policy_text, policy->rules[i].line);
		found = start = strstr(line, suffix);
		while (start[-1] != ' ')
			start--;
		(void)snprintf(call.name, sizeof(call.name), "%.*s", (int)(found - start), start);
		write_call(file, policy, policy_text, &call);
	}
}

static int write_summary(const char *path, const char *architecture,
			 const struct seccomp_policy *policy, const char *policy_text,
			 const struct seccomp_numbers *numbers, struct error *err)
{
	CLEANUP(cleanup_file) FILE *file = fopen(path, "we");

	if (!file)
		return error_set_errno(err, "opening %s", path);
	(void)fprintf(file,
		      "/* SPDX-License-Identifier: MIT */\n"
		      "/* Generated from seccomp.policy for %s. */\n#pragma once\n\n"
		      "#define SECCOMP_ARCHITECTURE \"%s\"\n\n"
		      "/* The rules of a call stand together and are tried in order. */\n"
		      "static const struct {\n\tconst char *call;\n"
		      "\tconst char *when; /* empty: whatever the arguments */\n"
		      "\tconst char *verdict; /* allow, or the errno that is answered; 0: none */\n"
		      "} seccomp_summary[] = {\n",
		      architecture, architecture);
	for (size_t i = 0; i < numbers->count; i++)
		write_call(file, policy, policy_text, &numbers->calls[i]);
	write_own_calls(file, policy, policy_text, numbers);
	(void)fprintf(file, "};\n");
	return fflush(file) != 0 ? error_set_errno(err, "writing %s", path) : 0;
}

static int write_header(const char *path, const char *architecture,
			const struct seccomp_policy *policy, struct error *err)
{
	CLEANUP(cleanup_file) FILE *file = fopen(path, "we");
	uint32_t value = 0;

	if (!file)
		return error_set_errno(err, "opening %s", path);
	for (size_t i = 0; i < ARRAY_LENGTH(architectures); i++)
		if (strcmp(architecture, architectures[i].name) == 0)
			value = architectures[i].value;
	if (value == 0)
		return error_set(err, ERROR_USAGE, "architecture '%s' is not known", architecture);
	(void)fprintf(file,
		      "/* SPDX-License-Identifier: MIT */\n"
		      "/* Generated from seccomp.policy for %s. */\n#pragma once\n\n"
		      "#include <linux/filter.h>\n",
		      architecture);
	if (write_filter(file, "seccomp_guest_code", policy, value, SECCOMP_FOR_GUEST, err) < 0 ||
	    write_filter(file, "seccomp_command_code", policy, value, SECCOMP_FOR_COMMAND, err) < 0)
		return -1;
	if (fflush(file) != 0)
		return error_set_errno(err, "writing %s", path);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct seccomp_call *)a)->name,
		      ((const struct seccomp_call *)b)->name);
}

static int generate(char **arguments, struct error *err)
{
	static struct seccomp_numbers numbers;
	static struct seccomp_policy policy;
	size_t policy_bytes = 0;
	size_t numbers_bytes = 0;
	CLEANUP(cleanup_free) char *policy_text = read_file(arguments[0], &policy_bytes, err);
	CLEANUP(cleanup_free)
	char *numbers_text = policy_text ? read_file(arguments[1], &numbers_bytes, err) : NULL;

	if (!numbers_text)
		return -1;
	if (seccomp_numbers_parse(numbers_text, numbers_bytes, &numbers, err) < 0)
		return error_wrap(err, "%s", arguments[1]);
	/* The compiler prints them in any order. */
	qsort(numbers.calls, numbers.count, sizeof(numbers.calls[0]), compare_names);
	if (seccomp_policy_parse(policy_text, policy_bytes, &numbers, &policy, err) < 0)
		return error_wrap(err, "%s", arguments[0]);
	if (write_header(arguments[3], arguments[2], &policy, err) < 0)
		return -1;
	return write_summary(arguments[4], arguments[2], &policy, policy_text, &numbers, err);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	if (argc != 6) {
		(void)fprintf(stderr, "usage: %s POLICY NUMBERS ARCHITECTURE OUTPUT SUMMARY\n",
			      argv[0]);
		return 2;
	}
	if (generate(argv + 1, &err) < 0) {
		(void)fprintf(stderr, "seccomp-generate: %s\n", err.message);
		return 1;
	}
	return 0;
}
