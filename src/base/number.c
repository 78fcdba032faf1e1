/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include "base/attr.h"
#include "base/limits.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Digits only, up to the first other character. False if there are none or too many. */
static bool take_digits(const char **text, uint64_t *value)
{
	const char *at = *text;
	uint64_t result = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (__builtin_mul_overflow(result, 10, &result) ||
		    __builtin_add_overflow(result, digit, &result))
			return false;
	}
	*text = at;
	*value = result;
	return true;
}

int number_parse_int(const char *text, int64_t min, int64_t max, const char *what, int64_t *value,
		     struct error *err)
{
	const char *at = text;
	bool is_negative = *at == '-';
	uint64_t magnitude;
	int64_t result;

	if (is_negative || *at == '+')
		at++;
	if (!take_digits(&at, &magnitude) || *at != '\0' || magnitude > (uint64_t)INT64_MAX)
		return error_set(err, ERROR_USAGE, "%s must be a whole number, got: %s", what,
				 text);
	result = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (result < min || result > max)
		return error_set(err, ERROR_USAGE, "%s must be between %lld and %lld, got: %s",
				 what, (long long)min, (long long)max, text);
	*value = result;
	return 0;
}

/* "12.345" -> 12345; more than three places are refused, not rounded. */
static bool take_milli(const char **text, uint64_t *milli)
{
	uint64_t whole;
	uint64_t thousandths = 0;
	unsigned places;

	if (!take_digits(text, &whole))
		return false;
	if (**text == '.') {
		(*text)++;
		for (places = 0; isdigit((unsigned char)**text); places++, (*text)++) {
			if (places == 3)
				return false;
			thousandths = thousandths * 10 + (uint64_t)(**text - '0');
		}
		if (places == 0)
			return false;
		for (; places < 3; places++)
			thousandths *= 10;
	}
	return !__builtin_mul_overflow(whole, 1000, milli) &&
	       !__builtin_add_overflow(*milli, thousandths, milli);
}

static bool take_unit(const char *text, uint64_t *unit)
{
	static const char units[] = "bkmgt";
	const char *found;

	if (*text == '\0') {
		*unit = 1;
		return true;
	}
	found = strchr(units, tolower((unsigned char)*text));
	if (!found)
		return false;
	*unit = 1ULL << (10 * (found - units));
	text++;
	return *text == '\0' ||
	       (*unit > 1 && (strcasecmp(text, "b") == 0 || strcasecmp(text, "ib") == 0));
}

int number_parse_bytes(const char *text, const char *what, uint64_t *bytes, struct error *err)
{
	const char *at = text;
	uint64_t milli;
	uint64_t unit;
	uint64_t result;

	if (!take_milli(&at, &milli) || !take_unit(at, &unit))
		return error_set(err, ERROR_USAGE,
				 "%s must be a size such as 512m or 1.5g, got: %s", what, text);
	if (__builtin_mul_overflow(milli, unit, &result) || result / 1000 > (uint64_t)INT64_MAX)
		return error_set(err, ERROR_USAGE, "%s is too large: %s", what, text);
	if (result / 1000 < 1)
		return error_set(err, ERROR_USAGE, "%s must be at least 1 byte, got: %s", what,
				 text);
	*bytes = result / 1000;
	return 0;
}

int number_parse_duration(const char *text, const char *what, int64_t *seconds, struct error *err)
{
	static const struct {
		char name;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *at = text;
	uint64_t count, result;
	size_t i = 0;

	if (take_digits(&at, &count)) {
		while (i < ARRAY_LENGTH(units) && units[i].name != *at)
			i++;
		if (*at == '\0')
			i = 0;
		if (i < ARRAY_LENGTH(units) && (*at == '\0' || at[1] == '\0') &&
		    !__builtin_mul_overflow(count, units[i].seconds, &result) &&
		    result <= (uint64_t)INT64_MAX) {
			*seconds = (int64_t)result;
			return 0;
		}
	}
	return error_set(err, ERROR_USAGE,
			 "%s must be a duration such as 90s, 15m, 2h or 7d, got: %s", what, text);
}

int number_parse_milli(const char *text, int64_t max_milli, const char *what, int64_t *milli,
		       struct error *err)
{
	const char *at = text;
	uint64_t result;

	if (!take_milli(&at, &result) || *at != '\0' || result == 0)
		return error_set(err, ERROR_USAGE,
				 "%s must be a number above 0 such as 1.5, got: %s", what, text);
	if (result > (uint64_t)max_milli)
		return error_set(err, ERROR_USAGE, "%s is too large: %s", what, text);
	*milli = (int64_t)result;
	return 0;
}

void number_format_bytes(char text[NUMBER_TEXT_BYTES], uint64_t bytes)
{
	static const struct {
		uint64_t bytes;
		const char *name;
	} units[] = { { 1024 * MIB, "GiB" }, { MIB, "MiB" }, { KIB, "KiB" }, { 1, "bytes" } };
	size_t i = 0;

	while (units[i].bytes > 1 && (bytes % units[i].bytes != 0 || bytes < units[i].bytes))
		i++;
	(void)snprintf(text, NUMBER_TEXT_BYTES, "%" PRIu64 " %s", bytes / units[i].bytes,
		       units[i].name);
}
