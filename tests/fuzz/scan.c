/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What passes is text of a bounded depth; mending changes nothing but halves of pairs, and once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = malloc(size + 1);
	char *twice = malloc(size + 1);
	enum scan_verdict verdict;

	memcpy(once, data, size);
	verdict = scan_json(once, size);
	assert(strlen(scan_verdict_text(verdict)) > 0);
	if (verdict == SCAN_FINE) {
		assert(utf8_is_valid(once, size));
		scan_mend_surrogates(once, size);
		memcpy(twice, once, size);
		scan_mend_surrogates(twice, size);
		assert(memcmp(once, twice, size) == 0);
		assert(scan_json(once, size) == SCAN_FINE);
	}
	free(once);
	free(twice);
	return 0;
}
