/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What becomes of a request: every check of its head, in one order, before
 * anything of its body is read; then MCP's endpoint, or a page.
 *
 *   400  a field that decides about the request stands in it twice
 *   403  Host or Origin (transport/http/origin.h), on every path
 *   404  there is no such path; also /.well-known/..., so that clients which look
 *        for an authorization server there see at once that there is none
 *   405  the path does not take this method; OPTIONS neither, and no answer has a
 *        field Access-Control-*, so no page of another origin can read one
 *   401  with tokens: none, or nobody's (400: not of that form); on all methods
 *   403  without tokens: another user of this machine; with: no operator
 *   415, 413, 406  MCP: what is sent, how much of it, and what is taken
 *
 * Refusals say in a sentence what to do: as an error of JSON-RPC on MCP's path,
 * since clients show that, else as plain text. Loop thread.
 */

#include "base/error.h"
#include "mcp/endpoint.h"
#include "transport/http/auth.h"
#include "transport/http/connection.h"
#include "transport/http/origin.h"
#include "transport/http/pages.h"

#include <stdbool.h>

#define HTTP_MCP_PATH "/mcp"

struct http_route;

struct http_route_config {
	struct endpoint *endpoint; /* borrowed */
	struct http_pages pages;
	struct origin_config origin; /* but has_tokens, which follows from `tokens` */
	/* Taken, also on failure. NULL: nobody needs one, but then on loopback and by unix sockets
	 * only root and our own user are served ... */
	struct tokens *tokens;
	bool allows_local_users; /* ... unless this is set */
};

/* Before rights are given up (transport/http/peer.h). NULL and ERROR_USAGE: see
 * origin_rules_create. */
struct http_route *http_route_create(const struct http_route_config *config, struct error *err);
/* After the server that it serves. Takes NULL. */
void http_route_destroy(struct http_route *route);

/* For http_server_config. */
struct http_handler http_route_handler(struct http_route *route);
/* The server can be reached from other machines: http_server_is_exposed. */
void http_route_expose(struct http_route *route);
/* Takes `tokens`: those which count from now on. Only where there were some before. */
void http_route_set_tokens(struct http_route *route, struct tokens *tokens);
