/* SPDX-License-Identifier: MIT */
#include "backend/fake/directory.h"

#include "base/alloc.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Directories that are open at once while a tree is walked. */
#define OPEN_MAX_DIRECTORIES 16

char *directory_make(struct error *err)
{
	const char *parent = getenv("TMPDIR");
	char *path = alloc_printf("%s/kilntainers-fake-XXXXXX", parent ? parent : "/tmp");

	if (!mkdtemp(path)) {
		(void)error_set_kind_errno(err, ERROR_UNAVAILABLE,
					   "creating a directory like %s (set TMPDIR to a place "
					   "that can be written to)",
					   path);
		free(path);
		return NULL;
	}
	return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	(void)remove(path);
	return 0;
}

void directory_remove(char *path)
{
	if (!path)
		return;
	/* Never through a symbolic link, never onto another file system. */
	(void)nftw(path, remove_entry, OPEN_MAX_DIRECTORIES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(path);
}
