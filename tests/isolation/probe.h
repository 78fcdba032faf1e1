/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The isolation probe: a static program that tries, from inside a sandbox, what
 * a sandbox must not be able to do (and some things that it must). It prints one
 * line a check, "name errno", 0 for "it worked", and judges nothing: what is
 * expected where stands in expected.tsv. Each check runs in a process of its own.
 *
 * Some of these calls would do harm on a bare host, so the probe refuses to run
 * anywhere but in a sandbox of ours (probe.c says how it tells).
 */

#include <stdbool.h>
#include <stddef.h>

struct probe_check {
	const char *name;
	/* 0, or the errno that stopped it; or one of the below. */
	int (*run)(void);
};

/* Beyond the errnos: the check itself could not be set up. */
#define PROBE_BROKEN 200
/* It "worked" but showed nothing (an empty file in place of a secret). */
#define PROBE_EMPTY 201

struct probe_call {
	const char *name;
	long number;
	long arguments[6];
};

struct probe_path {
	const char *name;
	const char *path;
	int flags; /* of open(2); opening to read also reads a byte */
};

extern const struct probe_call probe_calls[];
extern const struct probe_path probe_paths[];
extern const struct probe_check probe_checks[];
extern const size_t probe_call_count;
extern const size_t probe_path_count;
extern const size_t probe_check_count;
