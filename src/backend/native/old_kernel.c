/* SPDX-License-Identifier: MIT */
#include "backend/native/old_kernel.h"

#include <stdlib.h>

bool old_kernel_is_pretended(void)
{
	/* Nobody changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	return getenv("KILN_TEST_OLD_KERNEL") != NULL;
}
