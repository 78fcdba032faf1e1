/* SPDX-License-Identifier: MIT */
#include "base/landlock.h"

#include "base/attr.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(number) (1ULL << (number))

/* How many file access rights each version of the interface knows, from 1. All that are known are
 * handled: without REFER every rename between directories would fail, whatever is allowed. */
static const unsigned file_rights[] = { 13, 14, 15, 15, 16 };

/* By number, since older headers lack the last two. */
enum { RIGHT_TRUNCATE = 14, RIGHT_DEVICE_IOCTL = 15 };

#define RIGHTS_TO_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All others are of directories, and a rule for a file must not have them. */
#define RIGHTS_OF_FILES                                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | BIT(RIGHT_TRUNCATE) | BIT(RIGHT_DEVICE_IOCTL))

static uint64_t known_rights(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return 0;
	if ((size_t)version > ARRAY_LENGTH(file_rights))
		version = (long)ARRAY_LENGTH(file_rights);
	return BIT(file_rights[version - 1]) - 1;
}

int landlock_make(int *ruleset, struct error *err)
{
	struct landlock_ruleset_attr attributes = { .handled_access_fs = known_rights() };

	*ruleset = -1;
	if (attributes.handled_access_fs == 0)
		return 0;
	/* The first version of the structure, which every kernel takes. */
	*ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
				sizeof(attributes.handled_access_fs), 0);
	return *ruleset < 0 ? error_set_errno(err, "making a Landlock rule set") : 0;
}

int landlock_allow(int ruleset, const char *path, enum landlock_reach reach, struct error *err)
{
	struct landlock_path_beneath_attr beneath = { 0 };
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat status;

	if (ruleset < 0)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set_errno(err, "opening %s for a Landlock rule", path);
	beneath.allowed_access = known_rights();
	if (reach == LANDLOCK_REACH_READ)
		beneath.allowed_access &= RIGHTS_TO_READ;
	if (!S_ISDIR(status.st_mode))
		beneath.allowed_access &= RIGHTS_OF_FILES;
	beneath.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return error_set_errno(err, "making a Landlock rule for %s", path);
	return 0;
}

int landlock_enter(int ruleset, struct error *err)
{
	if (ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_set_errno(err, "entering the Landlock rule set");
	return 0;
}
