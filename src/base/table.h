/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Hash tables: uthash with a function of our choice. Its own falls through in a
 * switch that clang complains of. A key is a SHA-256, which no function spreads
 * worse than another, or a name that the operator chose.
 */

#define HASH_FUNCTION(key, bytes, value) HASH_FNV(key, bytes, value)
#include <uthash.h>
