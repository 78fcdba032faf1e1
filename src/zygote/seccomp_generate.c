/* SPDX-License-Identifier: MIT */

/*
 * Build-time tool: seccomp-generate POLICY NUMBERS ARCHITECTURE OUTPUT writes a
 * header with both filters of one architecture as arrays of instructions.
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
	if (seccomp_policy_parse(policy_text, policy_bytes, &numbers, &policy, err) < 0)
		return error_wrap(err, "%s", arguments[0]);
	return write_header(arguments[3], arguments[2], &policy, err);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: %s POLICY NUMBERS ARCHITECTURE OUTPUT\n", argv[0]);
		return 2;
	}
	if (generate(argv + 1, &err) < 0) {
		(void)fprintf(stderr, "seccomp-generate: %s\n", err.message);
		return 1;
	}
	return 0;
}
