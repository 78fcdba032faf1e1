/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/buf.h"
#include "guest_wire/guest_wire.h"
#include "guest_wire/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What the guest makes of a command's memory file, and back. */
static void walk_request(const struct guest_wire_exec *told, const uint8_t *data, size_t size)
{
	static struct guest_request_strings strings;
	struct guest_wire_exec exec = *told;
	struct guest_wire_exec again;
	struct guest_request request;
	struct buf out = BUF_INIT(GUEST_REQUEST_MAX_BYTES);
	char *copy;

	if (size > GUEST_REQUEST_MAX_BYTES)
		return;
	/* Of exactly this size, so that reading over its end is seen. */
	copy = malloc(size ? size : 1);
	assert(copy);
	if (size > 0)
		memcpy(copy, data, size);
	exec.request_bytes = (uint32_t)size;
	if (guest_request_read(&request, &strings, &exec, copy) == 0 &&
	    guest_request_write(&out, &again, &request, NULL) == 0) {
		assert(again.request_bytes == exec.request_bytes);
		assert(again.argument_count == exec.argument_count);
		assert(again.environment_count == exec.environment_count);
		assert(out.length == size && memcmp(out.data, copy, size) == 0);
	}
	buf_finish(&out);
	free(copy);
}

/* The first byte is the length of a packet, which follows; the rest is a command's request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_message message;
	size_t bytes;

	if (size == 0)
		return 0;
	bytes = data[0] < size - 1 ? data[0] : size - 1;
	if (guest_wire_decode(&message, data + 1, bytes) < 0)
		return 0;
	/* One message has one form. */
	assert(guest_wire_encode(packet, &message) == bytes);
	assert(memcmp(packet, data + 1, bytes) == 0);
	if (message.type == GUEST_WIRE_EXEC)
		walk_request(&message.exec, data + 1 + bytes, size - 1 - bytes);
	return 0;
}
