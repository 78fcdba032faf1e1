/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The files of a control group, as far as they hold numbers. Any thread.
 */

#include "base/error.h"

#include <stdint.h>

int cgroup_file_write(int directory_fd, const char *name, const char *text, struct error *err);
int cgroup_file_write_number(int directory_fd, const char *name, uint64_t number,
			     struct error *err);
/* What a kernel may lack: accounting of swap, mostly. */
int cgroup_file_write_where_known(int directory_fd, const char *name, uint64_t number,
				  struct error *err);
/* Of an open file: the number after `key` in lines "key number"; of a file that is one number, with
 * key NULL. 0 if it cannot be read; `fd` may be -1. */
uint64_t cgroup_file_count(int fd, const char *key);
/* Of a file that is one number. 0 if it cannot be read. */
uint64_t cgroup_file_number(int directory_fd, const char *name);
