/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The system call filters, as BPF programs generated at build time from
 * src/zygote/seccomp.policy (allow-list by name, argument rules, default EPERM
 * for known and ENOSYS for unknown numbers). A tree over ranges: the kernel
 * walks the program for every number when it is loaded, so load time is
 * instructions walked times about 450; at run time allowed calls cost a bit test.
 *
 * The guest's own filter is the command's plus what a guest needs (clone with
 * exactly CLONE_NEWUTS); each spare adds the command's before it waits.
 */

#include "base/error.h"

enum seccomp_filter { SECCOMP_FILTER_GUEST, SECCOMP_FILTER_COMMAND };

/* Requires no_new_privs. Cannot be undone. */
int seccomp_load(enum seccomp_filter filter, struct error *err);
