/* SPDX-License-Identifier: MIT */
#include "session/call.h"

#include <stdlib.h>
#include <string.h>

/* Of one allocation, beside what was asked for. */
#define HEAP_BYTES 16

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 + HEAP_BYTES : 0;
}

size_t call_request_bytes(const struct call_request *request)
{
	size_t bytes = text_bytes(request->command) + text_bytes(request->working_directory);
	size_t i;

	for (i = 0; request->args && request->args[i]; i++)
		bytes += sizeof(*request->args) + text_bytes(request->args[i]);
	return bytes + request->stdin_bytes;
}

void call_request_finish(struct call_request *request)
{
	size_t i;

	for (i = 0; request->args && request->args[i]; i++)
		free(request->args[i]);
	free(request->args);
	free(request->command);
	free(request->working_directory);
	free(request->stdin_data);
	*request = (struct call_request){ .target = request->target };
}
