/* SPDX-License-Identifier: MIT */
#include "guest_link/guest_file.h"

#include "base/fd.h"

#include <stddef.h>

/* Named by the linker after the file. */
extern const char _binary_kilntainers_guest_start[];
extern const char _binary_kilntainers_guest_end[];

int guest_file_open(struct error *err)
{
	size_t bytes = (size_t)(_binary_kilntainers_guest_end - _binary_kilntainers_guest_start);

	return fd_sealed_memory("kilntainers-guest", _binary_kilntainers_guest_start, bytes, err);
}
