/* SPDX-License-Identifier: MIT */
#include "backend/owner_records.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *const owner_kind_names[OWNER_KINDS] = {
	[OWNER_CGROUP] = "cgroup",
	[OWNER_DIRECTORY] = "directory",
};

void owner_lock_name(const char *id, char name[OWNER_LOCK_BYTES])
{
	(void)snprintf(name, OWNER_LOCK_BYTES, "%s" OWNER_LOCK_SUFFIX, id);
}

bool owner_lock_id(const char *name, char id[OWNER_ID_BYTES])
{
	const size_t digits = OWNER_ID_BYTES - 1;

	if (strspn(name, "0123456789abcdef") != digits ||
	    strcmp(name + digits, OWNER_LOCK_SUFFIX) != 0)
		return false;
	memcpy(id, name, digits);
	id[digits] = '\0';
	return true;
}

/* All of it, whoever else reads or writes there. */
static int read_all(int fd, struct buf *text, struct error *err)
{
	ssize_t got;

	do {
		char *room = buf_reserve(text, LIMIT_PATH_BYTES);

		if (!room)
			return error_set(err, ERROR_CONFIG, "it is too long");
		got = pread(fd, room, LIMIT_PATH_BYTES, (off_t)text->length);
		if (got > 0)
			buf_commit(text, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? error_set_errno(err, "reading it") : 0;
}

static bool read_record(const char *line, enum owner_kind *kind, const char **path)
{
	for (int i = 0; i < OWNER_KINDS; i++) {
		size_t length = strlen(owner_kind_names[i]);

		if (strncmp(line, owner_kind_names[i], length) != 0 || line[length] != ' ')
			continue;
		*kind = (enum owner_kind)i;
		*path = line + length + 1;
		return strlen(*path) < LIMIT_PATH_BYTES;
	}
	return false;
}

int owner_records_each(int fd, int (*visit)(void *context, enum owner_kind kind, const char *path),
		       void *context, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = BUF_INIT(LIMIT_OWNER_FILE_BYTES + LIMIT_PATH_BYTES);
	int count = 0, sum = 0;
	char *line, *end;

	if (read_all(fd, &text, err) < 0)
		return -1;
	for (line = text.data; line; line = end + 1) {
		size_t left = (size_t)(text.data + text.length - line);
		enum owner_kind kind;
		const char *path;

		end = left > 0 ? memchr(line, '\n', left) : NULL;
		if (!end)
			break;
		*end = '\0';
		if (strlen(line) != (size_t)(end - line) || !read_record(line, &kind, &path) ||
		    ++count > LIMIT_OWNER_RECORDS)
			return error_set(err, ERROR_CONFIG,
					 "it holds something that is no record of this version");
		sum += visit(context, kind, path);
	}
	return sum;
}
