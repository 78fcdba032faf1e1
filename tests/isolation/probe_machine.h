/* SPDX-License-Identifier: MIT */
#pragma once

/* Checks that only one architecture has: the build takes probe_machine_<architecture>.c. */

#include "tests/isolation/probe.h"

extern const struct probe_call probe_machine_calls[];
extern const struct probe_check probe_machine_checks[];
extern const size_t probe_machine_call_count;
extern const size_t probe_machine_check_count;
