/* SPDX-License-Identifier: MIT */
#pragma once

/* Looks into a root file system for what the tool description says of it. Any thread. */

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct image_hidden;

struct image_probe {
	int root_fd; /* borrowed */
	/* NULL: all of the root is the image. Else only what is in one of these directories
	 * (absolute, NULL-terminated), and what everyone may execute. */
	const char *const *visible;
	const struct image_hidden *hidden; /* in these directories; NULL: nothing */
};

/* Finds a program: an absolute path, or a name in the sandbox's PATH. False if it is not
 * there, or not executable; else `path` is where it is. */
bool image_probe_program(const struct image_probe *probe, const char *name, char *path,
			 size_t path_bytes);
/* Chooses the shell: `wanted` (ERROR_CONFIG if it is not there), or the first of /bin/bash and
 * /bin/sh, or "" if the image has neither. */
int image_probe_shell(const struct image_probe *probe, const char *wanted, char *shell,
		      size_t shell_bytes, struct error *err);
/* "python3, git, node" */
void image_probe_programs(const struct image_probe *probe, char *programs, size_t bytes);
/* "Debian 12 userland", by its os-release; "" if it has none. */
void image_probe_system(const struct image_probe *probe, char *system, size_t bytes);
/* Is there any program at all where programs are? */
bool image_probe_has_programs(const struct image_probe *probe);

/* The pure part of image_probe_system, over the text of an os-release file. */
void image_probe_os_release(const char *text, size_t text_bytes, char *system, size_t bytes);
