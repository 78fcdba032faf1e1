/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What MCP 2026-07-28 repeats of a message in the headers of its POST, so that
 * a proxy can route without reading bodies; a server must see that both say the
 * same. Legacy revisions have one of these, for the version. Pure.
 */

#include "mcp/jsonrpc.h"

#include <stdbool.h>

/* Borrowed; NULL: absent. */
struct mcp_headers {
	const char *version; /* MCP-Protocol-Version */
	const char *method;  /* Mcp-Method */
	const char *name;    /* Mcp-Name */
};

/* What the header for the version says of a message whose body names none. */
enum header_era {
	HEADER_ERA_NONE,
	HEADER_ERA_LEGACY, /* a revision that we serve */
	HEADER_ERA_MODERN, /* ours, or a later date */
	HEADER_ERA_UNKNOWN,
};

enum header_era headers_era(const struct mcp_headers *headers);

/* Both return why a modern request must be refused with -32020, or NULL if it is fine. */
const char *headers_refuse_version(const struct mcp_headers *headers, const char *body_version);
const char *headers_refuse_method(const struct mcp_headers *headers,
				  const struct jsonrpc_message *message);

/* Whether a header says `text`: as it stands, or as "=?base64?...?=" of it. */
bool headers_value_is(const char *value, const char *text);
