/* SPDX-License-Identifier: MIT */

/*
 * Makes what a native server leaves behind when it is killed, for leftovers.py:
 *
 *   leaver cgroup|directory PARENT...
 *
 * An owner that writes down and makes a directory of its name in each PARENT,
 * prints the name, and waits for stdin's end. Then it ends as a server does.
 */

#include "backend/owner.h"
#include "base/alloc.h"
#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make(struct owner *owner, enum owner_kind kind, const char *parent)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s/%s", parent, owner_name(owner));

	if (owner_record(owner, kind, path, NULL) < 0)
		return -1;
	return mkdir(path, 0700);
}

int main(int argc, char **argv)
{
	enum owner_kind kind;
	struct owner *owner;
	char ignored;

	if (argc < 3)
		return 2;
	kind = strcmp(argv[1], "cgroup") == 0 ? OWNER_CGROUP : OWNER_DIRECTORY;
	owner = owner_create();
	for (int i = 2; i < argc; i++) {
		if (make(owner, kind, argv[i]) < 0)
			return 1;
	}
	(void)printf("%s\n", owner_name(owner));
	(void)fflush(stdout);
	(void)!read(STDIN_FILENO, &ignored, 1);
	owner_destroy(owner);
	return 0;
}
