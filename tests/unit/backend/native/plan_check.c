/* SPDX-License-Identifier: MIT */
#include "plan_check.h"

#include <string.h>

bool plan_check_find(const struct buf *plan, int op, const char *path, struct plan_step *step)
{
	struct plan_reader reader;
	struct plan_step next;
	bool is_found = false;

	if (plan_open(&reader, plan->data, plan->length, NULL) < 0)
		return false;
	while (plan_next(&reader, &next, NULL) == 1) {
		if (!next.path || strcmp(next.path, path) != 0)
			continue;
		if (op != PLAN_CHECK_ANY && (int)next.op != op)
			continue;
		*step = next;
		is_found = true;
	}
	return is_found;
}

int plan_check_count(const struct buf *plan, enum plan_op op)
{
	struct plan_reader reader;
	struct plan_step step;
	int count = 0;

	if (plan_open(&reader, plan->data, plan->length, NULL) < 0)
		return -1;
	while (plan_next(&reader, &step, NULL) == 1)
		count += step.op == op;
	return count;
}

/* Was `path` (its first `length` bytes) made by one of the first `before` steps? */
static bool is_made(const struct buf *plan, unsigned before, const char *path, size_t length,
		    bool as_leaf)
{
	struct plan_reader reader;
	struct plan_step step;

	(void)plan_open(&reader, plan->data, plan->length, NULL);
	for (unsigned i = 0; i < before && plan_next(&reader, &step, NULL) == 1; i++) {
		bool is_leaf = step.op == PLAN_LINK || step.op == PLAN_FILE;

		if (step.path && strlen(step.path) == length &&
		    memcmp(step.path, path, length) == 0 && is_leaf == as_leaf)
			return true;
	}
	return false;
}

const char *plan_check_rules(const struct buf *plan)
{
	static char broken[512];
	struct plan_reader reader;
	struct plan_step step;
	unsigned index = 0;
	int more;

	if (plan_open(&reader, plan->data, plan->length, NULL) < 0)
		return "no plan";
	for (; (more = plan_next(&reader, &step, NULL)) == 1; index++) {
		const char *slash = step.path ? strrchr(step.path, '/') : NULL;

		if (slash && !is_made(plan, index, step.path, (size_t)(slash - step.path), false)) {
			(void)snprintf(broken, sizeof(broken), "no parent: %s", step.path);
			return broken;
		}
		if (step.path && is_made(plan, index, step.path, strlen(step.path), true)) {
			(void)snprintf(broken, sizeof(broken), "made twice: %s", step.path);
			return broken;
		}
	}
	return more < 0 ? "malformed" : NULL;
}
