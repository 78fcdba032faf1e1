/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/table.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct budget {
	uint64_t max_bytes;
	_Atomic uint64_t used_bytes;
	struct budget *shares; /* uthash, by name */
	struct budget *whole;  /* of a share; else NULL */
	char *name;
	UT_hash_handle hh;
};

struct budget *budget_create(uint64_t max_bytes)
{
	struct budget *budget = alloc_zeroed(sizeof(*budget));

	budget->max_bytes = max_bytes;
	return budget;
}

void budget_destroy(struct budget *budget)
{
	struct budget *share, *next;

	if (!budget)
		return;
	assert(budget_used(budget) == 0);
	HASH_ITER (hh, budget->shares, share, next) {
		HASH_DEL(budget->shares, share);
		budget_destroy(share);
	}
	free(budget->name);
	free(budget);
}

static uint64_t share_bytes(uint64_t whole_bytes)
{
	uint64_t bytes = whole_bytes / LIMIT_BUDGET_SHARE;

	if (bytes >= LIMIT_MIN_BUFFERED_BYTES)
		return bytes;
	return whole_bytes < LIMIT_MIN_BUFFERED_BYTES ? whole_bytes : LIMIT_MIN_BUFFERED_BYTES;
}

struct budget *budget_share(struct budget *budget, const char *name)
{
	struct budget *share;

	if (!budget || !name)
		return budget;
	HASH_FIND_STR(budget->shares, name, share);
	if (share)
		return share;
	share = budget_create(share_bytes(budget->max_bytes));
	share->whole = budget;
	share->name = alloc_string(name);
	HASH_ADD_KEYPTR(hh, budget->shares, share->name, strlen(share->name), share);
	return share;
}

static bool take(struct budget *budget, size_t bytes)
{
	uint64_t used = atomic_load(&budget->used_bytes);

	do {
		if (used > budget->max_bytes || bytes > budget->max_bytes - used)
			return false;
	} while (!atomic_compare_exchange_weak(&budget->used_bytes, &used, used + bytes));
	return true;
}

static void give(struct budget *budget, size_t bytes)
{
	uint64_t before = atomic_fetch_sub(&budget->used_bytes, bytes);

	assert(before >= bytes);
}

bool budget_take(struct budget *budget, size_t bytes)
{
	if (!budget)
		return true;
	if (!take(budget, bytes))
		return false;
	if (!budget->whole || take(budget->whole, bytes))
		return true;
	give(budget, bytes);
	return false;
}

static bool has_spare(const struct budget *budget, size_t bytes)
{
	uint64_t used = budget_used(budget);
	uint64_t most = budget->max_bytes - budget->max_bytes / LIMIT_BUDGET_SPARE_SHARE;

	return used <= most && bytes <= most - used;
}

bool budget_has_spare(const struct budget *budget, size_t bytes)
{
	return !budget ||
	       (has_spare(budget, bytes) && (!budget->whole || has_spare(budget->whole, bytes)));
}

void budget_take_over(struct budget *budget, size_t bytes)
{
	if (!budget)
		return;
	atomic_fetch_add(&budget->used_bytes, bytes);
	if (budget->whole)
		atomic_fetch_add(&budget->whole->used_bytes, bytes);
}

void budget_give(struct budget *budget, size_t bytes)
{
	if (!budget)
		return;
	give(budget, bytes);
	if (budget->whole)
		give(budget->whole, bytes);
}

uint64_t budget_used(const struct budget *budget)
{
	return budget ? atomic_load(&budget->used_bytes) : 0;
}
