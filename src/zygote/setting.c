/* SPDX-License-Identifier: MIT */
#include "zygote/setting.h"

#include "base/cleanup.h"
#include "zygote/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Numbers that the kernel does not give out again once it has counted beyond them. */
#define RESERVED_PIDS 300

static int write_setting(int sys_fd, const struct policy_setting *setting, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open_beneath(sys_fd, setting->path, O_WRONLY, 0);

	if (fd < 0 && errno == ENOENT && setting->is_optional)
		return 0;
	if (fd < 0)
		return error_set_errno(err, "opening the kernel setting %s", setting->path);
	if (write(fd, setting->value, strlen(setting->value)) < 0)
		return error_set_errno(err, "setting %s to %s", setting->path, setting->value);
	return 0;
}

static int open_sys(const char *sys_path, struct error *err)
{
	CLEANUP(cleanup_fd) int sys_fd = open(sys_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	/* Writes go to the kernel's own /proc, never to something that looks like it. */
	if (sys_fd < 0 || fstatfs(sys_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return error_set_errno(err, "opening /proc/sys");
	return take_fd(&sys_fd);
}

static int write_number(int sys_fd, const char *path, uint64_t number, struct error *err)
{
	char value[24];
	const struct policy_setting setting = { .path = path, .value = value };

	(void)snprintf(value, sizeof(value), "%" PRIu64, number);
	return write_setting(sys_fd, &setting, err);
}

int setting_limit(const char *sys_path, const struct zygote_request *request, struct error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	CLEANUP(cleanup_fd) int sys_fd = -1;

	if (request->process_memory_bytes == 0 && request->process_count == 0)
		return 0;
	sys_fd = open_sys(sys_path, err);
	if (sys_fd < 0)
		return -1;
	if (request->process_memory_bytes > 0 &&
	    write_number(sys_fd, "kernel/shmall", request->process_memory_bytes / page, err) < 0)
		return -1;
	/* Where it is not the namespace's own it is root's alone: RLIMIT_NPROC holds then. */
	if (request->process_count > 0)
		(void)write_number(sys_fd, "kernel/pid_max", request->process_count + RESERVED_PIDS,
				   NULL);
	return 0;
}

int setting_apply(const char *sys_path, enum policy_scope scope, struct error *err)
{
	CLEANUP(cleanup_fd) int sys_fd = open_sys(sys_path, err);

	if (sys_fd < 0)
		return -1;
	for (size_t i = 0; policy_settings[i].path; i++) {
		if (policy_settings[i].scope == scope &&
		    write_setting(sys_fd, &policy_settings[i], err) < 0)
			return -1;
	}
	return 0;
}
