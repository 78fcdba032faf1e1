/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include <string.h>

void method_handle(const struct method *methods, size_t count, struct request *request,
		   const struct incoming_item *item)
{
	const char *name = item->message->method;
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(name, methods[i].name) == 0) {
			methods[i].handle(request, item);
			return;
		}
	}
	request_fail_quoting(request, JSONRPC_METHOD_NOT_FOUND, "Method not found: ", name);
}
