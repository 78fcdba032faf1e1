/* SPDX-License-Identifier: MIT */
#pragma once

/* What tests of images ask of a plan. Uses no cmocka, so that it works in a child process too. */

#include "zygote/plan.h"

#include <stdbool.h>

/* The step with this path (the last one, of any kind unless `op` says which), or NULL. */
#define PLAN_CHECK_ANY (-1)
bool plan_check_find(const struct buf *plan, int op, const char *path, struct plan_step *step);
/* How many steps of this kind there are. */
int plan_check_count(const struct buf *plan, enum plan_op op);
/* NULL, or which rule of zygote/plan.h the plan breaks: parents first, nothing made twice. */
const char *plan_check_rules(const struct buf *plan);
