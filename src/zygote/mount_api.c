/* SPDX-License-Identifier: MIT */
#include "zygote/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int mount_copy(int directory_fd, const char *path, enum mount_scope scope)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;

	if (scope == MOUNT_TREE)
		flags |= AT_RECURSIVE;
	if (path[0] == '\0')
		flags |= AT_EMPTY_PATH;
	return (int)syscall(SYS_open_tree, directory_fd, path, flags);
}

static int set_option(int fs_fd, const char *name, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, name, value, 0);
}

int mount_new_tmpfs(const char *size, const char *inodes, const char *mode)
{
	int fs_fd = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int mount_fd = -1;
	int saved;

	if (fs_fd < 0)
		return -1;
	if (set_option(fs_fd, "size", size) == 0 && set_option(fs_fd, "nr_inodes", inodes) == 0 &&
	    set_option(fs_fd, "mode", mode) == 0 &&
	    syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount_fd = (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC,
					MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	saved = errno;
	(void)close(fs_fd);
	errno = saved;
	return mount_fd;
}

int mount_attach_at(int mount_fd, int target_fd)
{
	return (int)syscall(SYS_move_mount, mount_fd, "", target_fd, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int mount_attach(int mount_fd, const char *path)
{
	return (int)syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_attributes(int mount_fd, struct mount_attr *attributes)
{
	return (int)syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, attributes,
			    sizeof(*attributes));
}

int mount_map_ids(int mount_fd, int user_namespace_fd)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP,
					 .userns_fd = (uint64_t)(unsigned)user_namespace_fd };

	return set_attributes(mount_fd, &attributes);
}

int mount_make_read_only(int mount_fd)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };

	return set_attributes(mount_fd, &attributes);
}

int mount_copy_node(const char *path)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						     MOUNT_ATTR_NOEXEC };
	int fd = mount_copy(AT_FDCWD, path, MOUNT_ONE);
	int saved;

	if (fd < 0 || set_attributes(fd, &attributes) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

int open_beneath(int directory_fd, const char *path, int flags, unsigned mode)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.mode = mode,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, directory_fd, path, &how, sizeof(how));
}
