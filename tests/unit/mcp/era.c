/* SPDX-License-Identifier: MIT */
#include "mcp/era.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

static enum era classify(const char *params)
{
	json_t *value = json_loads(params, JSON_DECODE_ANY, NULL);
	enum era era = era_classify(value);

	json_decref(value);
	return era;
}

static void the_version_key_alone_claims_the_modern_era(void **state)
{
	static const struct {
		const char *params;
		enum era era;
	} rows[] = {
		{ "{\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\"}}", ERA_MODERN },
		{ "{\"_meta\":{\"" MCP_META_VERSION "\":\"2025-11-25\"}}", ERA_MODERN },
		{ "{\"_meta\":{\"" MCP_META_VERSION "\":5}}", ERA_MODERN },
		{ "{\"_meta\":{\"" MCP_META_VERSION "\":null}}", ERA_MODERN },
		{ "{\"_meta\":{\"" MCP_META_CAPABILITIES "\":{}}}", ERA_LEGACY },
		{ "{\"_meta\":{\"progressToken\":1}}", ERA_LEGACY },
		{ "{\"_meta\":[]}", ERA_LEGACY },
		{ "{\"" MCP_META_VERSION "\":\"2026-07-28\"}", ERA_LEGACY },
		{ "{}", ERA_LEGACY },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_int_equal(classify(rows[i].params), rows[i].era);
	assert_int_equal(era_classify(NULL), ERA_LEGACY);
}

static void versions_are_found_by_their_whole_name(void **state)
{
	enum mcp_version version = MCP_2024_11_05;

	(void)state;
	assert_true(mcp_version_find("2025-06-18", &version));
	assert_int_equal(version, MCP_2025_06_18);
	assert_string_equal(mcp_version_name(version), "2025-06-18");
	assert_false(mcp_version_find("2025-06", &version));
	assert_false(mcp_version_find("2024-10-07", &version));
	assert_int_equal(version, MCP_2025_06_18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_version_key_alone_claims_the_modern_era),
		cmocka_unit_test(versions_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
