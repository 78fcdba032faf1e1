/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Makes a BPF program from a policy: a balanced tree over runs of numbers that
 * are treated alike, so that the kernel, which walks the program once for every
 * number when a filter is loaded, walks few instructions. Build time and tests
 * only. Any thread.
 */

#include "zygote/seccomp_policy.h"

#include <linux/filter.h>

/* A quarter of what the kernel takes; reaching it means that something went wrong. */
#define SECCOMP_MAX_INSTRUCTIONS 1024

struct seccomp_program {
	size_t count;
	struct sock_filter code[SECCOMP_MAX_INSTRUCTIONS];
};

enum seccomp_audience { SECCOMP_FOR_GUEST, SECCOMP_FOR_COMMAND };

/* `architecture` is an AUDIT_ARCH_* value; calls of any other are answered ENOSYS. */
int seccomp_compile(const struct seccomp_policy *policy, uint32_t architecture,
		    enum seccomp_audience audience, struct seccomp_program *program,
		    struct error *err);
