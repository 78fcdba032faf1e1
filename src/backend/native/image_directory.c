/* SPDX-License-Identifier: MIT */
#include "backend/native/image_build.h"
#include "backend/native/image_mounts.h"
#include "backend/native/image_probe.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "zygote/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* An image's owners become the sandbox's: with the host's own directories that would show
 * sandboxes what only the host's root may read. */
static int refuse_host(const struct stat *directory, const char *path, struct error *err)
{
	static const char *const own[] = { "/",	    "/usr",  "/etc", "/var", "/home",
					   "/root", "/boot", "/run", "/bin", "/lib" };

	for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
		struct stat status;

		if (stat(own[i], &status) == 0 && status.st_dev == directory->st_dev &&
		    status.st_ino == directory->st_ino)
			return error_set(err, ERROR_CONFIG,
					 "--image %.200s is a directory of this machine itself; "
					 "\"--image host\" shows sandboxes what is safe of it",
					 path);
	}
	return 0;
}

static int refuse_mounts(const char *path, struct error *err)
{
	struct image_mounts mounts;
	int result = 0;

	if (image_mounts_below(path, &mounts, err) < 0)
		return -1;
	if (mounts.count > 0)
		result = error_set(err, ERROR_CONFIG,
				   "--image %.150s has something mounted in it: unmount %.150s",
				   path, mounts.list[0].path);
	image_mounts_finish(&mounts);
	return result;
}

/* Not followed: /etc as a link would be somewhere else in the sandbox. */
static int add_made(struct buf *plan, int root_fd, const char *path, struct error *err)
{
	static const struct {
		const char *path;
		mode_t mode;
	} needed[] = {
		{ "etc", 0755 }, { "home", 0755 },	{ "root", 0700 },
		{ "run", 0755 }, { "workspace", 0755 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
		mode_t mode = needed[i].mode;
		struct stat status;

		if (fstatat(root_fd, needed[i].path, &status, AT_SYMLINK_NOFOLLOW) == 0) {
			if (!S_ISDIR(status.st_mode))
				return error_set(err, ERROR_CONFIG,
						 "--image %.200s: /%s in it is not a directory",
						 path, needed[i].path);
			mode = status.st_mode & 01777;
		}
		if (image_add_directory(plan, needed[i].path, mode, err) < 0)
			return -1;
	}
	if (image_add_directory(plan, "tmp", 01777, err) < 0)
		return -1;
	return image_add_identity(plan, err);
}

int image_check_root(int root_fd, const char *name, struct error *err)
{
	struct image_probe probe = { .root_fd = root_fd };

	if (image_probe_has_programs(&probe))
		return 0;
	return error_set(err, ERROR_CONFIG,
			 "--image %.200s is not a root file system: it has no program in /bin, "
			 "/usr/bin or anywhere else that programs are",
			 name);
}

int image_directory(const char *directory, const struct image_request *request, struct image *image,
		    struct error *err)
{
	CLEANUP(cleanup_fd) int root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct image_probe probe = { .root_fd = root_fd };
	struct plan_step root = { .op = PLAN_ROOT, .source = directory };
	struct stat status;

	if (root_fd < 0 || fstat(root_fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "--image %.200s", request->name);
	if (refuse_host(&status, request->name, err) < 0 || refuse_mounts(directory, err) < 0)
		return -1;
	if (image_check_root(root_fd, request->name, err) < 0)
		return -1;
	if (plan_append(&image->plan, &root, err) < 0 ||
	    add_made(&image->plan, root_fd, request->name, err) < 0)
		return -1;
	image_probe_system(&probe, image->system, sizeof(image->system));
	image_probe_programs(&probe, image->programs, sizeof(image->programs));
	return image_probe_shell(&probe, request->shell, image->shell, sizeof(image->shell), err);
}
