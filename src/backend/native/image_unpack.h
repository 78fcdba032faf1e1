/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Creates the files of an archive below one directory, whatever the archive says.
 * Names are walked by the kernel with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS;
 * absolute names, ".." and names that go through a symbolic link end the whole
 * thing. Devices, FIFOs and sockets are skipped. Set-user-id and set-group-id
 * bits are dropped (in a sandbox they have no effect), and a directory always
 * keeps its owner's rwx, so that an ordinary user can remove it again. Numeric
 * owners are kept when run as root, 65534 taking the place of what a sandbox
 * has no id for; otherwise everything belongs to the caller.
 *
 * Knows nothing of archive formats. One thread, one owner.
 */

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum unpack_kind { UNPACK_FILE, UNPACK_DIRECTORY, UNPACK_SYMLINK, UNPACK_HARD_LINK, UNPACK_OTHER };

struct unpack_entry {
	enum unpack_kind kind;
	const char *name;
	const char *target; /* of links; of a hard link: a name in the archive */
	mode_t mode;
	int64_t uid;
	int64_t gid;
	int64_t bytes; /* of a file, holes included */
	struct timespec modified;
};

struct unpack_limits {
	uint64_t entries;
	uint64_t bytes; /* sum of unpack_entry.bytes */
};

struct unpack;

/* `directory_fd` is borrowed: a directory that is empty, and out of reach of others. */
struct unpack *unpack_create(int directory_fd, const struct unpack_limits *limits);
/* Takes NULL. What was made stays. */
void unpack_destroy(struct unpack *unpack);
/* Makes the next entry; the one before is complete with that. An earlier entry of the same
 * name gives way, except a directory that is not empty. ERROR_CONFIG if the archive is at
 * fault. */
int unpack_add(struct unpack *unpack, const struct unpack_entry *entry, struct error *err);
/* Data of the file that unpack_add made last (for other kinds: ignored), within its size. */
int unpack_write(struct unpack *unpack, const void *data, size_t bytes, int64_t offset,
		 struct error *err);
/* Completes the last entry. */
int unpack_finish(struct unpack *unpack, struct error *err);
