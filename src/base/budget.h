/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * So many bytes and no more, shared by all that hold what clients and commands
 * make large: request bodies, captured output, replies that are not sent yet.
 * Each limit on one of them is small; thousands at once are bounded here. Who
 * holds bytes takes them from the budget first, and gives back the same number.
 *
 * Every function takes NULL: a budget without an end. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

struct budget *budget_create(uint64_t max_bytes);
/* Once everything was given back. Its shares go with it. */
void budget_destroy(struct budget *budget);
/* What `name` may have of it: LIMIT_BUDGET_SHARE, so that nobody shuts out the others. What is
 * taken from a share is taken from the whole as well. The same one each time, for as long as the
 * whole lives. NULL: the whole itself. Of the functions here, one thread's alone. */
struct budget *budget_share(struct budget *budget, const char *name);

/* All of it, or, if that would be more than there is, false and nothing. */
bool budget_take(struct budget *budget, size_t bytes);
/* Whether so many could be taken and LIMIT_BUDGET_SPARE_SHARE would still be left: for what is
 * large, so that what is small finds room whatever the large ones do. Takes nothing. */
bool budget_has_spare(const struct budget *budget, size_t bytes);
/* Whether it fits or not: for what is there already and cannot be refused any more. Until as much
 * was given back nobody else gets anything. */
void budget_take_over(struct budget *budget, size_t bytes);
void budget_give(struct budget *budget, size_t bytes);
/* What is taken just now; above the maximum after budget_take_over. */
uint64_t budget_used(const struct budget *budget);
