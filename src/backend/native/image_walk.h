/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Goes through a directory tree, by descriptors and without following links, as
 * deep as LIMIT_TREE_DEPTH. One thread, one owner.
 */

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

enum walk_event {
	WALK_ENTRY,  /* something in the directory; for a directory, walk_enter may follow */
	WALK_LEAVE,  /* all of the directory `name` was seen; it can be removed now */
	WALK_FINISH, /* all was seen */
};

struct walk_entry {
	int parent_fd; /* borrowed until the next call */
	char name[NAME_MAX + 1];
	bool is_directory;
	bool is_link;
};

struct walk;

/* Takes `directory_fd`, also on failure. */
struct walk *walk_create(int directory_fd, struct error *err);
/* Takes NULL. */
void walk_destroy(struct walk *walk);
/* A walk_event, or -1. */
int walk_next(struct walk *walk, struct walk_entry *entry, struct error *err);
/* Into the directory that walk_next just gave. */
int walk_enter(struct walk *walk, const struct walk_entry *entry, struct error *err);

/* Removes all that is in the directory, and it too. No error if it is not there. */
int walk_remove(int parent_fd, const char *name, struct error *err);
