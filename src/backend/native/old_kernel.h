/* SPDX-License-Identifier: MIT */
#pragma once

/* Tests take ways here that this machine's kernel never needs. In builds with the option
 * test_backend alone, and there only with KILN_TEST_OLD_KERNEL in the environment. Any thread. */

#include <stdbool.h>

/* Is this kernel to be taken for one without user attributes of files in memory (before 6.6)? */
bool old_kernel_is_pretended(void);
