/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Reads src/zygote/seccomp.policy (its head describes the language) and the
 * numbers of system calls. Part of the filter generator: runs at build time and
 * in tests, never in a sandbox. Nothing is allocated; everything has a maximum.
 * Any thread.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers above are nobody's: the highest in use is below 500. */
#define SECCOMP_MAX_NUMBER 1023
#define SECCOMP_MAX_CALLS 1024
#define SECCOMP_MAX_RULES 1024
#define SECCOMP_MAX_TERMS 4
#define SECCOMP_MAX_VALUES 64
#define SECCOMP_MAX_NAME 40
#define SECCOMP_MAX_WORDS 32
#define SECCOMP_MAX_LINE 256

/* The system calls of one architecture. */
struct seccomp_numbers {
	size_t count;
	struct seccomp_call {
		char name[SECCOMP_MAX_NAME];
		uint16_t number;
	} calls[SECCOMP_MAX_CALLS];
};

/* A test of 32 bits of one argument. */
struct seccomp_term {
	uint8_t argument;
	bool is_high;  /* of its high ones; else of its low ones */
	bool is_equal; /* else: must differ */
	uint32_t mask;
	uint32_t value;
};

/* Terms are all to hold; without terms the rule always matches. */
struct seccomp_rule {
	uint16_t number;
	bool is_guest_only;
	uint8_t term_count;
	uint16_t line;
	uint32_t verdict; /* SECCOMP_RET_* as the kernel wants it */
	struct seccomp_term terms[SECCOMP_MAX_TERMS];
};

/* Rules of one call are tried in this order. */
struct seccomp_policy {
	size_t count;
	size_t skipped; /* names that this architecture does not have */
	struct seccomp_rule rules[SECCOMP_MAX_RULES];
};

/* Reads what `cc -E -dM` prints of <asm/unistd.h>: lines `#define __NR_name number`, or another
 * such name in place of the number. Other lines are passed over. */
int seccomp_numbers_parse(const char *text, size_t bytes, struct seccomp_numbers *numbers,
			  struct error *err);
/* The number of `name`, or -1. `bytes` is its length. */
int seccomp_numbers_find(const struct seccomp_numbers *numbers, const char *name, size_t bytes);

/* Errors name the line. */
int seccomp_policy_parse(const char *text, size_t bytes, const struct seccomp_numbers *numbers,
			 struct seccomp_policy *policy, struct error *err);
