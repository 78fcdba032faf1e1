/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_limit.h"

#include "backend/native/cgroup_file.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>

#define CPU_PERIOD_US 100000
/* The kernel's longest, for shares that would be less than its least quota in the usual one. */
#define CPU_LONG_PERIOD_US 1000000
#define CPU_MIN_QUOTA_US 1000

static int limit_memory(bool is_v2, int fd, uint64_t bytes, struct error *err)
{
	if (bytes == 0)
		return 0;
	if (is_v2)
		return cgroup_file_write_number(fd, "memory.max", bytes, err) < 0
			       ? -1
			       : cgroup_file_write_where_known(fd, "memory.swap.max", 0, err);
	/* Version 1 counts what sockets of the network hold unread by itself, if it is told to. */
	if (cgroup_file_write_number(fd, "memory.limit_in_bytes", bytes, err) < 0 ||
	    cgroup_file_write_where_known(fd, "memory.kmem.tcp.limit_in_bytes",
					  bytes / LIMIT_NETWORK_MEMORY_SHARE, err) < 0)
		return -1;
	return cgroup_file_write_where_known(fd, "memory.memsw.limit_in_bytes", bytes, err);
}

static int limit_cpu(bool is_v2, int fd, uint64_t milli, struct error *err)
{
	bool is_little = milli * CPU_PERIOD_US / 1000 < CPU_MIN_QUOTA_US;
	uint64_t period_us = is_little ? CPU_LONG_PERIOD_US : CPU_PERIOD_US;
	uint64_t quota_us = milli * period_us / 1000;
	char text[48];

	if (milli == 0)
		return 0;
	if (!is_v2)
		return cgroup_file_write_number(fd, "cpu.cfs_period_us", period_us, err) < 0
			       ? -1
			       : cgroup_file_write_number(fd, "cpu.cfs_quota_us", quota_us, err);
	(void)snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, quota_us, period_us);
	return cgroup_file_write(fd, "cpu.max", text, err);
}

int cgroup_limit(bool is_v2, const bool holds[CGROUP_CONTROLLERS], int directory_fd,
		 const struct cgroup_limits *limits, struct error *err)
{
	if (holds[CGROUP_MEMORY] &&
	    limit_memory(is_v2, directory_fd, limits->memory_bytes, err) < 0)
		return -1;
	if (holds[CGROUP_PIDS] && limits->pids > 0 &&
	    cgroup_file_write_number(directory_fd, "pids.max", limits->pids, err) < 0)
		return -1;
	if (holds[CGROUP_CPU] && limit_cpu(is_v2, directory_fd, limits->cpu_milli, err) < 0)
		return -1;
	return 0;
}
