/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

/* Repaired text is valid, and repairing it again changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once, twice;

	buf_init(&once, 3 * size + 1);
	buf_init(&twice, 3 * size + 1);
	assert(utf8_repair(&once, data, size) == 0);
	assert(utf8_is_valid(once.data, once.length));
	assert(utf8_repair(&twice, once.data, once.length) == 0);
	assert(once.length == twice.length);
	assert(once.length == 0 || memcmp(once.data, twice.data, once.length) == 0);
	if (utf8_is_valid(data, size))
		assert(once.length == size);
	buf_finish(&twice);
	buf_finish(&once);
	return 0;
}
