/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What of the host's program trees looks empty in sandboxes: some folders by
 * default, any .git, and what the user excluded, less what the user included.
 * Paths here are a sandbox's: "usr/src", without the "/" before it. Any thread,
 * one owner; reading a collected list needs no lock.
 */

#include "backend/native/image_mounts.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Left out by default, NULL-terminated, beside any .git. */
extern const char *const image_hidden_defaults[];

struct image_hidden {
	char **paths; /* no one is below another */
	size_t count;
	char **clones; /* each a .git that is to be shown */
	size_t clone_count;
};

/* Both lists are of absolute paths, NULL-terminated, or NULL. Links in them are followed; what is
 * not there, or not to be reached, is passed over. What is excluded stays so if it is included too.
 * ERROR_CONFIG for what cannot be: not below /usr in the end, or included without being left out by
 * default. */
int image_hidden_collect(struct image_hidden *hidden, const char *const *excluded,
			 const char *const *included, struct error *err);
/* Adds what is mounted in the host's program trees and is not a local file system: nothing here may
 * even look at it, since it may hang, or ask a network. `left_out` gets a sentence about it for the
 * user; empty: there is none. */
void image_hidden_add_foreign(struct image_hidden *hidden, const struct image_mounts *mounts,
			      char *left_out, size_t left_out_bytes);
void image_hidden_finish(struct image_hidden *hidden);

/* Is it one of `paths`, or below one? */
bool image_hidden_is_listed(const struct image_hidden *hidden, const char *path);
/* That, or a .git that is not to be shown, or below one. */
bool image_hidden_covers(const struct image_hidden *hidden, const char *path);
/* "usr/src" is at or below "usr", "usrx" is not. */
bool image_hidden_is_within(const char *path, const char *directory);
