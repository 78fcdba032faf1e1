/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "zygote/plan.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* What the reader accepts, the writer writes again, byte for byte. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_reader reader;
	struct plan_step step;
	struct buf again;
	int more;

	if (plan_open(&reader, data, size, NULL) < 0)
		return 0;
	plan_begin(&again);
	while ((more = plan_next(&reader, &step, NULL)) == 1) {
		assert(!step.path || (step.path[0] != '/' && !strstr(step.path, "//")));
		assert(step.op == PLAN_ROOT || step.path);
		assert(plan_append(&again, &step, NULL) == 0);
	}
	assert(more <= 0);
	if (more == 0) {
		assert(again.length == size);
		assert(memcmp(again.data, data, size) == 0);
	}
	buf_finish(&again);
	return 0;
}
