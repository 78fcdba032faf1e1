/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the filter tests share: the policy and the numbers as the build reads
 * them, and what the shipped policy is expected to answer. Two sources of
 * expectation, neither made from the policy: the list that Debian ships for
 * podman with our deliberate differences to it, and a table of argument rules.
 */

#include "zygote/seccomp_compile.h"

#include <stdbool.h>

#define ALLOW SECCOMP_RET_ALLOW
#define ANSWER(number) (SECCOMP_RET_ERRNO | (number))

struct architecture {
	const char *name;	 /* as the build calls it */
	const char *oracle_name; /* as the oracle calls it */
	const char *numbers_path;
	uint32_t audit;
	struct seccomp_numbers numbers;
	/* By number, every argument 0. Filled in by expectations_read. */
	uint32_t expected[SECCOMP_MAX_NUMBER + 1];
};

/* x86-64 is last, and not there when another architecture builds: its headers are not either. */
extern struct architecture architectures[];
extern size_t architecture_count;

/* Before everything else. Ends the test run if it fails. */
void fixture_load(void);

/* The whole file with a NUL after it; free(). Ends the test run if there is none. */
char *read_whole_file(const char *path, size_t *bytes);

/* Where the oracle list is, or NULL if its package is not installed. */
const char *oracle_path(void);
/* Fills in `expected`. Says on stdout what is wrong with the table of differences (one that is not
 * there, a name that no architecture has) and returns how much that was. */
unsigned expectations_read(void);

/* How many expectations the policy fails; 1 if it cannot be compiled. The first `report` failures
 * are printed. `has_oracle` adds the check of every number to that of the argument rules. */
unsigned expectations_failed(const char *policy, size_t bytes, bool has_oracle, unsigned report);
