/* SPDX-License-Identifier: MIT */
#pragma once

/* Time that never jumps (CLOCK_MONOTONIC). Any thread. Cannot fail. */

#include <stdint.h>

uint64_t clock_now_us(void);
uint64_t clock_now_ms(void);

/* "No deadline" wherever a deadline in clock_now_ms() time is asked for. */
#define CLOCK_NEVER UINT64_MAX

/* Milliseconds from now to `deadline_ms` as poll(2) wants them: 0 if it has
 * passed, -1 for CLOCK_NEVER, at most INT_MAX. */
int clock_poll_timeout(uint64_t deadline_ms);
