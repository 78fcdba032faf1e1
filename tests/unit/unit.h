/* SPDX-License-Identifier: MIT */
#pragma once

/* cmocka in the order it wants its headers in. Tests read as sentences:
 * a_long_message_is_cut_not_overrun. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
