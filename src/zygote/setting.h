/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Applies the kernel's settings of zygote/policy.h. What a path there means
 * follows the namespaces of the process that opens it.
 */

#include "base/error.h"
#include "zygote/policy.h"

/* All of `scope`; `sys_path` is /proc/sys, which must be of the kernel's own /proc. */
int setting_apply(const char *sys_path, enum policy_scope scope, struct error *err);
