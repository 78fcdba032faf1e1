/* SPDX-License-Identifier: MIT */
#pragma once

/* Preprocessed at build time for its macros alone: the system call numbers of x86-64. */
#include <asm/unistd_64.h>
