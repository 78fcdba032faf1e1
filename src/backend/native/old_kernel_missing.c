/* SPDX-License-Identifier: MIT */
#include "backend/native/old_kernel.h"

bool old_kernel_is_pretended(void)
{
	return false;
}
