/* SPDX-License-Identifier: MIT */
#include "guest/disk.h"

#include "base/attr.h"

#include <sys/statvfs.h>

enum guest_wire_disk disk_look(const char *path)
{
	struct statvfs status;

	if (statvfs(path, &status) < 0 || (status.f_flag & ST_RDONLY))
		return GUEST_WIRE_DISK_HAS_ROOM;
	/* Sizes of 0 are of file systems that keep no count. */
	if (status.f_blocks > 0 && status.f_bavail == 0)
		return GUEST_WIRE_DISK_FULL;
	if (status.f_files > 0 && status.f_favail == 0)
		return GUEST_WIRE_DISK_NO_FILES;
	return GUEST_WIRE_DISK_HAS_ROOM;
}

enum guest_wire_disk disk_look_around(void)
{
	static const char *const places[] = { "/", "/tmp", "." };
	enum guest_wire_disk found = GUEST_WIRE_DISK_HAS_ROOM;

	for (size_t i = 0; i < ARRAY_LENGTH(places) && found == GUEST_WIRE_DISK_HAS_ROOM; i++)
		found = disk_look(places[i]);
	return found;
}
