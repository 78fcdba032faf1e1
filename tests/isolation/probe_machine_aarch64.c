/* SPDX-License-Identifier: MIT */

/* aarch64 has no second way into the kernel that a filter of its own would have to close: 32-bit
 * programs come with another architecture value, and take another program to ask. */

#include "tests/isolation/probe_machine.h"

const struct probe_call probe_machine_calls[1];
const size_t probe_machine_call_count = 0;
const struct probe_check probe_machine_checks[1];
const size_t probe_machine_check_count = 0;
