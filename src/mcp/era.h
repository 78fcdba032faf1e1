/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * MCP's revisions, and which of its two eras a message belongs to. Legacy
 * (2024-11-05 to 2025-11-25): a handshake by `initialize`, then sessions.
 * Modern (2026-07-28): no handshake; every request names its version in _meta.
 * Both may be mixed on one connection, so every message is judged by itself. Pure.
 */

#include <jansson.h>
#include <stdbool.h>

/* In the order of time: later ones have what earlier ones have. */
enum mcp_version {
	MCP_2024_11_05,
	MCP_2025_03_26, /* batches, tool annotations, messages in progress */
	MCP_2025_06_18, /* structuredContent, outputSchema, titles; no batches any more */
	MCP_2025_11_25,
	MCP_2026_07_28, /* the modern era */
};

#define MCP_NEWEST_LEGACY MCP_2025_11_25

/* How long a client may keep what tools/list and server/discover said: neither changes while the
 * server lives. */
#define MCP_CACHE_MS 3600000

enum era { ERA_LEGACY, ERA_MODERN };

/* Keys of a request's params._meta in 2026-07-28. */
#define MCP_META_VERSION "io.modelcontextprotocol/protocolVersion"
#define MCP_META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define MCP_META_SERVER_INFO "io.modelcontextprotocol/serverInfo"
#define MCP_META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

/* By the body alone, as on stdio, where there are no headers. `params` may be NULL. */
enum era era_classify(const json_t *params);

/* Whether the version is one that we speak. */
bool mcp_version_find(const char *name, enum mcp_version *version);
const char *mcp_version_name(enum mcp_version version);
