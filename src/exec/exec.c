/* SPDX-License-Identifier: MIT */
#include "exec/exec.h"

#include <errno.h>

/* What a shell says in the same case. */
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_TIMEOUT 124
#define EXIT_OUTPUT_LIMIT 1
#define EXIT_SIGNAL_BASE 128

int exec_result_exit_code(const struct exec_result *result)
{
	switch (result->end) {
	case EXEC_END_EXIT:
		return result->code;
	case EXEC_END_SIGNAL:
		return EXIT_SIGNAL_BASE + result->code;
	case EXEC_END_OUTPUT_LIMIT:
		return EXIT_OUTPUT_LIMIT;
	case EXEC_END_NOT_STARTED:
		return result->start_step == EXEC_START_PROGRAM && result->code == ENOENT
			       ? EXIT_NOT_FOUND
			       : EXIT_NOT_EXECUTABLE;
	case EXEC_END_TIMEOUT:
	case EXEC_END_CANCELLED:
		break;
	}
	return EXIT_TIMEOUT;
}
