/* SPDX-License-Identifier: MIT */
#include "backend/native/image_build.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "zygote/plan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int image_add_directory(struct buf *plan, const char *path, mode_t mode, struct error *err)
{
	struct plan_step step = { .op = PLAN_DIRECTORY, .path = path, .mode = mode };

	return plan_append(plan, &step, err);
}

int image_add_empty(struct buf *plan, const char *path, mode_t mode, struct error *err)
{
	struct plan_step step = { .op = PLAN_EMPTY, .path = path, .mode = mode };

	return plan_append(plan, &step, err);
}

int image_add_link(struct buf *plan, const char *path, const char *target, struct error *err)
{
	struct plan_step step = { .op = PLAN_LINK, .path = path, .source = target };

	return plan_append(plan, &step, err);
}

int image_add_overlay(struct buf *plan, const char *path, const char *source, struct error *err)
{
	struct plan_step step = { .op = PLAN_OVERLAY, .path = path, .source = source };

	return plan_append(plan, &step, err);
}

int image_add_text(struct buf *plan, const char *path, mode_t mode, const char *text,
		   struct error *err)
{
	struct plan_step step = {
		.op = PLAN_FILE, .path = path, .mode = mode, .data = text, .bytes = strlen(text)
	};

	return plan_append(plan, &step, err);
}

int image_add_copy(struct buf *plan, const char *path, int parent_fd, const char *name,
		   struct error *err)
{
	/* Without O_NONBLOCK a FIFO would hold us here. */
	CLEANUP(cleanup_fd)
	int fd = openat(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(cleanup_free) void *data = NULL;
	struct plan_step step = { .op = PLAN_FILE, .path = path };
	struct stat status;
	ssize_t bytes;

	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	if (!(status.st_mode & S_IROTH) || status.st_size > (off_t)LIMIT_HOST_FILE_BYTES)
		return 0;
	data = malloc((size_t)status.st_size + 1);
	if (!data)
		return error_set_errno(err, "reading %s", path);
	bytes = fd_read_full(fd, data, (size_t)status.st_size, err);
	if (bytes < 0)
		return error_wrap(err, "reading %s", path);
	step.mode = status.st_mode & 0755;
	step.data = data;
	step.bytes = (size_t)bytes;
	return plan_append(plan, &step, err) < 0 ? -1 : 1;
}

int image_add_copy_or_link(struct buf *plan, const char *path, int parent_fd, const char *name,
			   struct error *err)
{
	char target[LIMIT_PATH_BYTES];
	ssize_t length = readlinkat(parent_fd, name, target, sizeof(target));

	if (length < 0)
		return image_add_copy(plan, path, parent_fd, name, err);
	if (length == 0 || (size_t)length == sizeof(target))
		return 0;
	target[length] = '\0';
	return image_add_link(plan, path, target, err) < 0 ? -1 : 1;
}

int image_add_identity(struct buf *plan, struct error *err)
{
	static const char hosts[] = "127.0.0.1\tlocalhost sandbox\n"
				    "::1\tlocalhost ip6-localhost ip6-loopback\n";
	/* Nobody listens there: a look-up is refused at once instead of timing out. */
	static const char resolver[] = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

	if (image_add_text(plan, "etc/hosts", 0644, hosts, err) < 0 ||
	    image_add_text(plan, "etc/hostname", 0644, "sandbox\n", err) < 0 ||
	    image_add_text(plan, "etc/resolv.conf", 0644, resolver, err) < 0)
		return -1;
	return image_add_link(plan, "etc/mtab", "../proc/self/mounts", err);
}
