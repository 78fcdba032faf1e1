/* SPDX-License-Identifier: MIT */
#include "session/call.h"

#include <stdlib.h>

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
