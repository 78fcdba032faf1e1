/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_file.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a file of counters; what matters stands in the first lines. */
#define COUNTERS_BYTES 512

int cgroup_file_write(int directory_fd, const char *name, const char *text, struct error *err)
{
	CLEANUP(cleanup_fd)
	int fd = openat(directory_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "writing \"%s\" to %s of a control group", text, name);
	return 0;
}

int cgroup_file_write_number(int directory_fd, const char *name, uint64_t number, struct error *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	return cgroup_file_write(directory_fd, name, text, err);
}

int cgroup_file_write_where_known(int directory_fd, const char *name, uint64_t number,
				  struct error *err)
{
	if (faccessat(directory_fd, name, F_OK, 0) < 0)
		return 0;
	return cgroup_file_write_number(directory_fd, name, number, err);
}

uint64_t cgroup_file_count(int fd, const char *key)
{
	char text[COUNTERS_BYTES];
	ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	size_t length = key ? strlen(key) : 0;
	const char *line = text;

	if (got <= 0)
		return 0;
	text[got] = '\0';
	while (line && key && (strncmp(line, key, length) != 0 || line[length] != ' ')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line ? strtoull(line + length, NULL, 10) : 0;
}

uint64_t cgroup_file_number(int directory_fd, const char *name)
{
	CLEANUP(cleanup_fd)
	int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);

	return cgroup_file_count(fd, NULL);
}
