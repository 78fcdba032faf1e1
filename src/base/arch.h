/* SPDX-License-Identifier: MIT */
#pragma once

/* What differs between processors. */

#include <sys/syscall.h>

/* The system calls that make a process, which returns from one of them first of all. Newer
 * architectures have but the general ones. */
#if defined(SYS_fork) && defined(SYS_vfork)
#define ARCH_FORK_CALLS SYS_clone, SYS_clone3, SYS_fork, SYS_vfork
#else
#define ARCH_FORK_CALLS SYS_clone, SYS_clone3
#endif
