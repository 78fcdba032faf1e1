/* SPDX-License-Identifier: MIT */
#pragma once

/* An interpreter for the part of BPF that system call filters use, so that a filter can be asked
 * about any call of any architecture without being loaded. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* No filter returns this: the program is malformed (a jump or a load out of bounds, an unknown
 * instruction, no return). */
#define BPF_MALFORMED 0xdeadbeefu

uint32_t bpf_run(const struct sock_filter *code, size_t count, const struct seccomp_data *data);
