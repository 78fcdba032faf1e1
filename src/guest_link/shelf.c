/* SPDX-License-Identifier: MIT */
#include "guest_link/shelf.h"

#include "base/attr.h"

#include <assert.h>
#include <string.h>

struct shelf_plan shelf_plan(struct shelf *shelf, uint64_t bytes)
{
	struct shelf_plan plan = { .number = ++shelf->last_number, .bytes = bytes };
	uint64_t total = bytes;

	assert(bytes <= LIMIT_SAVED_BYTES);
	for (size_t i = 0; i < shelf->count; i++)
		total += shelf->pairs[i].bytes;
	while (plan.removed_count < LIMIT_SAVED_PAIRS &&
	       (shelf->count - plan.removed_count >= LIMIT_SAVED_PAIRS ||
		total > LIMIT_SAVED_BYTES)) {
		total -= shelf->pairs[plan.removed_count].bytes;
		plan.removed[plan.removed_count] = shelf->pairs[plan.removed_count].number;
		plan.removed_count++;
	}
	return plan;
}

static void add(struct shelf *shelf, const struct shelf_plan *plan, size_t removed_count)
{
	shelf->count -= removed_count;
	memmove(shelf->pairs, shelf->pairs + removed_count, shelf->count * sizeof(shelf->pairs[0]));
	shelf->pairs[shelf->count].number = plan->number;
	shelf->pairs[shelf->count].bytes = plan->bytes;
	shelf->count++;
}

void shelf_note_pair(struct shelf *shelf, const struct shelf_plan *plan)
{
	add(shelf, plan, plan->removed_count);
}

void shelf_note_doubt(struct shelf *shelf, const struct shelf_plan *plan)
{
	add(shelf, plan, shelf->count == ARRAY_LENGTH(shelf->pairs));
}
