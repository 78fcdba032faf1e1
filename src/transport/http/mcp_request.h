/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One request of MCP's path that has passed every check of its head: its body
 * goes to the endpoint, and what that says goes back, as JSON or as a stream.
 * A client that goes away takes its exchange with it. Loop thread.
 */

#include "mcp/endpoint.h"
#include "transport/http/connection.h"

/* Asks for the body, of whatever method: a stream cannot be opened before it is read. `principal`
 * is copied; NULL: the unnamed one. */
void mcp_request_start(struct endpoint *endpoint, struct http_request *request,
		       const char *principal);
/* As the functions of struct http_handler, for a request that was started. */
void mcp_request_take_body(struct http_request *request, char *body, size_t bytes);
void mcp_request_lose(struct http_request *request);
