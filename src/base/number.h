/* SPDX-License-Identifier: MIT */
#pragma once

/* Strict number parsing: the whole string or nothing, no sign surprises, no
 * locale, no octal. Any thread. */

#include "base/error.h"

#include <stdint.h>

/* A decimal integer in [min, max]. `what` names it in the error: "--port". */
int number_parse_int(const char *text, int64_t min, int64_t max, const char *what, int64_t *value,
		     struct error *err);
/* A size in bytes as Docker writes it: 1048576, 512k, 512m, 1g, 1.5g (powers of
 * 1024; b, k, m, g, t, either case, an optional trailing b or ib). At least 1. */
int number_parse_bytes(const char *text, const char *what, uint64_t *bytes, struct error *err);
/* A duration: 90s, 15m, 2h or 7d, or a number of seconds. */
int number_parse_duration(const char *text, const char *what, int64_t *seconds, struct error *err);
/* A decimal fraction > 0 and <= max, in thousandths: "1.5" -> 1500. */
int number_parse_milli(const char *text, int64_t max_milli, const char *what, int64_t *milli,
		       struct error *err);

#define NUMBER_TEXT_BYTES 32
/* A size for people, exactly: "1 GiB", "1536 MiB", "1000 bytes". */
void number_format_bytes(char text[NUMBER_TEXT_BYTES], uint64_t bytes);
