/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_find.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PIDS] = "pids",
	[CGROUP_CPU] = "cpu",
};

struct word {
	const char *text;
	size_t length;
};

/* The next word of a line, and the line's rest. Words of mountinfo hold no spaces: the kernel
 * writes them as \040, and a group of that name is one that we do not use. */
static struct word take_word(const char **line, char separator)
{
	struct word word = { *line, 0 };

	while ((*line)[0] != '\0' && (*line)[0] != '\n' && (*line)[0] != separator)
		(*line)++;
	word.length = (size_t)(*line - word.text);
	if ((*line)[0] == separator)
		(*line)++;
	return word;
}

static bool is_word(struct word word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

static bool has_item(struct word list, const char *item)
{
	const char *at = list.text;
	const char *end = list.text + list.length;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t length = (size_t)((comma ? comma : end) - at);

		if (is_word((struct word){ at, length }, item))
			return true;
		at += length + 1;
	}
	return false;
}

static const char *next_line(const char *line)
{
	const char *newline = strchr(line, '\n');

	return newline ? newline + 1 : line + strlen(line);
}

/* The group of a hierarchy as /proc/PID/cgroup names it: "4:memory:/path", "0::/path". Its length
 * is 0 if there is none. */
static struct word find_group(const char *groups, const char *controller)
{
	for (; *groups != '\0'; groups = next_line(groups)) {
		const char *line = groups;
		struct word number = take_word(&line, ':');
		struct word controllers = take_word(&line, ':');

		if (controller ? has_item(controllers, controller)
			       : is_word(number, "0") && controllers.length == 0)
			return take_word(&line, '\0');
	}
	return (struct word){ "", 0 };
}

struct mount_line {
	struct word root, point, type, options;
};

/* "36 35 0:30 /root /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory" */
static void read_mount_line(const char *line, struct mount_line *mount)
{
	struct word word;

	for (int i = 0; i < 3; i++)
		(void)take_word(&line, ' ');
	mount->root = take_word(&line, ' ');
	mount->point = take_word(&line, ' ');
	do {
		word = take_word(&line, ' ');
	} while (word.length > 0 && !is_word(word, "-"));
	mount->type = take_word(&line, ' ');
	(void)take_word(&line, ' ');
	mount->options = take_word(&line, ' ');
}

static bool has_dot_dot(struct word path)
{
	for (size_t i = 0; i + 3 <= path.length; i++) {
		if (memcmp(path.text + i, "/..", 3) == 0)
			return true;
	}
	return false;
}

/* The directory of `group` under a mount that shows the hierarchy from its root on. */
static char *join(const struct mount_line *mount, struct word group)
{
	size_t root = is_word(mount->root, "/") ? 0 : mount->root.length;

	if (group.length == 0 || has_dot_dot(group) ||
	    memchr(mount->point.text, '\\', mount->point.length))
		return NULL;
	if (group.length < root || memcmp(group.text, mount->root.text, root) != 0)
		return NULL;
	if (group.length > root && group.text[root] != '/')
		return NULL;
	group.text += root;
	group.length -= root;
	if (is_word(group, "/"))
		group.length = 0;
	return alloc_printf("%.*s%.*s", (int)mount->point.length, mount->point.text,
			    (int)group.length, group.text);
}

void cgroup_find_parse(const char *groups, const char *mounts, struct cgroup_place *place)
{
	*place = (struct cgroup_place){ .v2 = NULL };
	for (; *mounts != '\0'; mounts = next_line(mounts)) {
		struct mount_line mount;

		read_mount_line(mounts, &mount);
		if (is_word(mount.type, "cgroup2") && !place->v2)
			place->v2 = join(&mount, find_group(groups, NULL));
		if (!is_word(mount.type, "cgroup"))
			continue;
		for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
			const char *name = cgroup_controller_names[i];

			if (has_item(mount.options, name) && !place->v1[i])
				place->v1[i] = join(&mount, find_group(groups, name));
		}
	}
}

int cgroup_find(pid_t pid, struct cgroup_place *place, struct error *err)
{
	CLEANUP(buf_finish) struct buf groups = BUF_INIT(LIMIT_MOUNTS_BYTES);
	CLEANUP(buf_finish) struct buf mounts = BUF_INIT(LIMIT_MOUNTS_BYTES);
	char path[64] = "/proc/self/cgroup";

	if (pid > 0)
		(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (fd_read_file(path, &groups, err) < 0 ||
	    fd_read_file("/proc/self/mountinfo", &mounts, err) < 0 ||
	    buf_append_byte(&groups, '\0') < 0 || buf_append_byte(&mounts, '\0') < 0)
		return -1;
	cgroup_find_parse(groups.data, mounts.data, place);
	return 0;
}

void cgroup_place_finish(struct cgroup_place *place)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		cleanup_free(&place->v1[i]);
	cleanup_free(&place->v2);
}
