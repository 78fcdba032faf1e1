/* SPDX-License-Identifier: MIT */
#include "mcp/era.h"

#include "base/attr.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
	[MCP_2024_11_05] = "2024-11-05", [MCP_2025_03_26] = "2025-03-26",
	[MCP_2025_06_18] = "2025-06-18", [MCP_2025_11_25] = "2025-11-25",
	[MCP_2026_07_28] = "2026-07-28",
};

enum era era_classify(const json_t *params)
{
	/* The key alone is the claim: a value of the wrong type is a modern request with a
	 * mistake, which gets the modern answer. */
	const json_t *meta = json_object_get(params, "_meta");

	return json_object_get(meta, MCP_META_VERSION) ? ERA_MODERN : ERA_LEGACY;
}

bool mcp_version_find(const char *name, enum mcp_version *version)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*version = (enum mcp_version)i;
			return true;
		}
	}
	return false;
}

const char *mcp_version_name(enum mcp_version version)
{
	return names[version];
}
