/* SPDX-License-Identifier: MIT */
#pragma once

/* How limits are written into a control group, by either version's rules. Any thread. */

#include "backend/native/cgroup.h"

/* Those of the controllers that the group holds. */
int cgroup_limit(bool is_v2, const bool holds[CGROUP_CONTROLLERS], int directory_fd,
		 const struct cgroup_limits *limits, struct error *err);
