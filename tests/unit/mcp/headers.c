/* SPDX-License-Identifier: MIT */
#include "mcp/headers.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

static void a_value_stands_as_it_is_or_in_base64(void **state)
{
	static const struct {
		const char *value, *text;
		bool is_equal;
	} rows[] = {
		{ "sandbox_exec", "sandbox_exec", true },
		{ "sandbox_exec", "Sandbox_exec", false },
		{ "", "", true },
		{ "=?base64?\?=", "", true },
		{ "=?base64?YQ==?=", "a", true },
		{ "=?base64?YWI=?=", "ab", true },
		{ "=?base64?YWJj?=", "abc", true },
		{ "=?base64?w6TDtsO8?=", "\xC3\xA4\xC3\xB6\xC3\xBC", true },
		{ "=?base64?Pz8/Pj4+?=", "?\?\?>>>", true },
		{ "=?base64?YWJj?=", "abd", false },
		{ "=?base64?YWJj?=", "abcd", false },
		{ "=?base64?YWJj?=", "ab", false },
		/* Not the one code of a text: a letter over, other padding, bits that say nothing,
		 * another alphabet, white space. */
		{ "=?base64?YWI?=", "ab", false },
		{ "=?base64?YWJ=?=", "ab", false },
		{ "=?base64?YR==?=", "a", false },
		{ "=?base64?Y===?=", "a", false },
		{ "=?base64?=A==?=", "a", false },
		{ "=?base64?====?=", "", false },
		{ "=?base64?YQ=Q?=", "a", false },
		{ "=?base64?Pz8_Pj4-?=", "?\?\?>>>", false },
		{ "=?base64?YWJ j?=", "abc", false },
		{ "=?base64?YWJj\n?=", "abc", false },
		/* A text that looks like a code is one. */
		{ "=?base64?YQ==?=", "=?base64?YQ==?=", false },
		{ "=?base64?PT9iYXNlNjQ/WVE9PT89?=", "=?base64?YQ==?=", true },
		/* What only begins or ends like one is not. */
		{ "=?base64?=", "=?base64?=", true },
		{ "=?base64?", "=?base64?", true },
		{ "=?base64?YQ==", "=?base64?YQ==", true },
		{ "=?BASE64?YQ==?=", "=?BASE64?YQ==?=", true },
		{ "?=", "?=", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (headers_value_is(rows[i].value, rows[i].text) != rows[i].is_equal)
			fail_msg("%s and %s", rows[i].value, rows[i].text);
	}
}

static void versions_are_told_by_their_date(void **state)
{
	static const struct {
		const char *version;
		enum header_era era;
	} rows[] = {
		{ NULL, HEADER_ERA_NONE },
		{ "2024-11-05", HEADER_ERA_LEGACY },
		{ "2025-03-26", HEADER_ERA_LEGACY },
		{ "2025-11-25", HEADER_ERA_LEGACY },
		{ "2026-07-28", HEADER_ERA_MODERN },
		{ "2026-07-29", HEADER_ERA_MODERN },
		{ "9999-99-99", HEADER_ERA_MODERN },
		{ "2026-07-27", HEADER_ERA_UNKNOWN },
		{ "2024-10-07", HEADER_ERA_UNKNOWN },
		{ "2026-07-2", HEADER_ERA_UNKNOWN },
		{ "2026-07-280", HEADER_ERA_UNKNOWN },
		{ "2027/01/01", HEADER_ERA_UNKNOWN },
		{ "v999.0.0", HEADER_ERA_UNKNOWN },
		{ "", HEADER_ERA_UNKNOWN },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct mcp_headers headers = { .version = rows[i].version };

		assert_int_equal(headers_era(&headers), rows[i].era);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_stands_as_it_is_or_in_base64),
		cmocka_unit_test(versions_are_told_by_their_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
