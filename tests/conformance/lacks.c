/* SPDX-License-Identifier: MIT */
#include "tests/conformance/conformance.h"

#include "base/attr.h"

#include <string.h>

struct lack {
	const char *backend;
	enum need need;
	const char *reason;
};

static const struct lack lacks[] = {
	{ "fake", NEED_PID_NAMESPACE, "the fake backend isolates nothing" },
	{ "fake", NEED_FREEZE, "its guest is not PID 1, so it must not stop what is not its own" },
	{ "fake", NEED_FILE_ISOLATION, "the fake backend isolates nothing" },
};

static const char *const names[NEED_COUNT] = {
	[NEED_SHELL] = "shell",
	[NEED_BASH] = "bash",
	[NEED_PYTHON3] = "python3",
	[NEED_PROCESSES] = "processes",
	[NEED_PID_NAMESPACE] = "pid namespace",
	[NEED_FREEZE] = "freeze",
	[NEED_FILE_ISOLATION] = "file isolation",
	[NEED_VISIBLE] = "visible processes",
	[NEED_SAVE] = "saved output",
};

const char *lacks_reason(const char *backend_name, enum need need)
{
	for (size_t i = 0; i < ARRAY_LENGTH(lacks); i++) {
		if (lacks[i].need == need && strcmp(lacks[i].backend, backend_name) == 0)
			return lacks[i].reason;
	}
	return NULL;
}

void lacks_print_table(void)
{
	(void)printf("| needed by some cases | native | fake |\n| --- | --- | --- |\n");
	for (int need = 0; need < NEED_COUNT; need++) {
		const char *native = lacks_reason("native", (enum need)need);
		const char *fake = lacks_reason("fake", (enum need)need);

		(void)printf("| %s | %s | %s |\n", names[need], native ? native : "yes",
			     fake ? fake : "yes");
	}
}
