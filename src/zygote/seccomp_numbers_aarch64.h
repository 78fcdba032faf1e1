/* SPDX-License-Identifier: MIT */
#pragma once

/* Preprocessed at build time for its macros alone: aarch64 has the numbers of the generic table
 * and these of its optional parts. */
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>
