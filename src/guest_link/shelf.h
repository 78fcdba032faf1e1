/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which pairs of saved files are in a sandbox, as far as the server knows: it
 * chooses their numbers and has the oldest removed, so that at most
 * LIMIT_SAVED_PAIRS with LIMIT_SAVED_BYTES are there. The sandbox may have
 * removed or changed them itself; nothing depends on it. Pure.
 */

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

struct shelf {
	uint32_t last_number; /* 0: none was saved yet */
	size_t count;
	struct {
		uint32_t number;
		uint64_t bytes;
	} pairs[2 * LIMIT_SAVED_PAIRS]; /* the oldest first; the second half for doubts */
};

/* What has to happen for one more pair. */
struct shelf_plan {
	uint32_t number;
	uint64_t bytes;
	size_t removed_count; /* from the front of `pairs` */
	uint32_t removed[LIMIT_SAVED_PAIRS];
};

/* `bytes` is at most LIMIT_SAVED_BYTES. The number is used up, whatever comes of it. */
struct shelf_plan shelf_plan(struct shelf *shelf, uint64_t bytes);
/* The pair is there, and what the plan removes is not. */
void shelf_note_pair(struct shelf *shelf, const struct shelf_plan *plan);
/* Whoever was to write it did not say: it may be there, and what the plan removes may be, too.
 * The next plan removes them. */
void shelf_note_doubt(struct shelf *shelf, const struct shelf_plan *plan);
