/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Applies the kernel's settings of zygote/policy.h. What a path there means
 * follows the namespaces of the process that opens it.
 */

#include "base/error.h"
#include "zygote/policy.h"
#include "zygote/zygote.h"

/* All of `scope`; `sys_path` is /proc/sys, which must be of the kernel's own /proc. */
int setting_apply(const char *sys_path, enum policy_scope scope, struct error *err);
/* What a request asks for where no control group holds it: System V shared memory, and the number
 * of processes by the pid namespace's own pid_max, which kernels before 6.14 do not have. */
int setting_limit(const char *sys_path, const struct zygote_request *request, struct error *err);
