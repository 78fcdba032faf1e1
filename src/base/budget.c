/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct budget {
	uint64_t max_bytes;
	_Atomic uint64_t used_bytes;
};

struct budget *budget_create(uint64_t max_bytes)
{
	struct budget *budget = alloc_zeroed(sizeof(*budget));

	budget->max_bytes = max_bytes;
	return budget;
}

void budget_destroy(struct budget *budget)
{
	assert(budget_used(budget) == 0);
	free(budget);
}

bool budget_take(struct budget *budget, size_t bytes)
{
	uint64_t used;

	if (!budget)
		return true;
	used = atomic_load(&budget->used_bytes);
	do {
		if (used > budget->max_bytes || bytes > budget->max_bytes - used)
			return false;
	} while (!atomic_compare_exchange_weak(&budget->used_bytes, &used, used + bytes));
	return true;
}

bool budget_has_spare(const struct budget *budget, size_t bytes)
{
	uint64_t used = budget_used(budget);
	uint64_t most;

	if (!budget)
		return true;
	most = budget->max_bytes - budget->max_bytes / LIMIT_BUDGET_SPARE_SHARE;
	return used <= most && bytes <= most - used;
}

void budget_take_over(struct budget *budget, size_t bytes)
{
	if (budget)
		atomic_fetch_add(&budget->used_bytes, bytes);
}

void budget_give(struct budget *budget, size_t bytes)
{
	uint64_t before;

	if (!budget)
		return;
	before = atomic_fetch_sub(&budget->used_bytes, bytes);
	assert(before >= bytes);
}

uint64_t budget_used(const struct budget *budget)
{
	return budget ? atomic_load(&budget->used_bytes) : 0;
}
