/* SPDX-License-Identifier: MIT */
#pragma once

/* Unguessable bits from the kernel. Any thread. Ends the process if the kernel
 * has none to give: nothing here may go on with a guessable id. */

#include <stddef.h>

void random_fill(void *data, size_t bytes);
/* Writes 2 * bytes lower-case hex digits and a NUL: `text` holds 2 * bytes + 1. */
void random_hex(char *text, size_t bytes);
