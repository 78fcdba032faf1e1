/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The MCP server: what all clients share (the tool's text, limits, the
 * threads that parse large messages). It knows no sockets and no backend by
 * name. Loop thread throughout; creating it starts no thread and takes no time.
 */

#include "base/loop.h"
#include "session/registry.h"

#include <stdbool.h>
#include <stdint.h>

struct mcp_server;

/* Which eras are served: a client of the other one is told in the words of its own era that it is
 * not, so that one which speaks both goes on in the era that is. */
enum mcp_protocol { MCP_PROTOCOL_BOTH, MCP_PROTOCOL_LEGACY, MCP_PROTOCOL_MODERN };

/* Everything is borrowed and outlives the server. */
struct mcp_server_config {
	struct loop *loop;
	struct registry *registry;
	enum sandbox_scope sandbox_scope;
	enum mcp_protocol protocol;
	bool is_http;			   /* many clients; else the one of stdio */
	uint64_t timeout_s;		   /* of a command whose call names none */
	uint64_t max_timeout_s;		   /* larger ones are refused */
	uint64_t output_limit_bytes;	   /* told to the model; the registry enforces it */
	const char *description_override;  /* the whole tool description, or NULL */
	const char *description_extension; /* appended after a blank line, or NULL */
};

struct mcp_server *mcp_server_create(const struct mcp_server_config *config);
/* After every channel and endpoint was closed and registry_shut_down reported that all is gone,
 * before loop_destroy. Takes NULL. */
void mcp_server_destroy(struct mcp_server *server);
