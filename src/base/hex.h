/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Writes 2 * bytes lower-case digits and a NUL. */
void hex_encode(char *text, const void *data, size_t bytes);
