/* SPDX-License-Identifier: MIT */
#include "zygote/setting.h"

#include "base/cleanup.h"
#include "zygote/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

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

int setting_apply(const char *sys_path, enum policy_scope scope, struct error *err)
{
	CLEANUP(cleanup_fd) int sys_fd = open(sys_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	/* Writes go to the kernel's own /proc, never to something that looks like it. */
	if (sys_fd < 0 || fstatfs(sys_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return error_set_errno(err, "opening /proc/sys");
	for (size_t i = 0; policy_settings[i].path; i++) {
		if (policy_settings[i].scope == scope &&
		    write_setting(sys_fd, &policy_settings[i], err) < 0)
			return -1;
	}
	return 0;
}
