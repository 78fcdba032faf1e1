/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whether a full disk may be why a command failed: asked of the kernel, in the
 * sandbox, when it has.
 */

#include "guest_wire/guest_wire.h"

/* The file system at `path`. One that cannot be asked, does not count or cannot be written to has
 * room: it is nothing that deleting files would help. */
enum guest_wire_disk disk_look(const char *path);
/* The worst of where a command is likely to write: the root, /tmp, and where this process stands.
 */
enum guest_wire_disk disk_look_around(void);
