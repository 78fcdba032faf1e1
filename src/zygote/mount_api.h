/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The kernel's descriptor-based mount calls and openat2, which no C library of
 * ours wraps everywhere. Apart from everything else because <linux/mount.h> and
 * <sys/mount.h> cannot be included together. All return as the system call does
 * and set errno.
 */

enum mount_scope { MOUNT_ONE, MOUNT_TREE };

/* A detached copy of the mount (or tree of mounts) at `path`. */
int mount_copy(int directory_fd, const char *path, enum mount_scope scope);
/* The same of one device node: its owner, mode and times stay, no set-user-id, nothing to execute.
 * It can be written to all the same. */
int mount_copy_node(const char *path);
/* A new, detached tmpfs; `size` and `inodes` in the kernel's notation. */
int mount_new_tmpfs(const char *size, const char *inodes, const char *mode);
/* Puts a detached mount on the directory that `target_fd` (O_PATH) names, never
 * following a link. */
int mount_attach_at(int mount_fd, int target_fd);
/* The same by path; the caller vouches for it. */
int mount_attach(int mount_fd, const char *path);
/* Owners of a detached mount are shown through this user namespace. EINVAL: the
 * file system cannot. */
int mount_map_ids(int mount_fd, int user_namespace_fd);
/* No writes and no set-user-id; device nodes still work. */
int mount_make_read_only(int mount_fd);

/* Opens `path` below `directory_fd` without crossing any link; O_CLOEXEC is added. */
int open_beneath(int directory_fd, const char *path, int flags, unsigned mode);
