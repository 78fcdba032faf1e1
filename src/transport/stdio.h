/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * MCP over standard input and output: one JSON message per line. Moves bytes
 * and parses none of them. One thread blocks reading, one blocks writing;
 * neither descriptor is ever made non-blocking, because that would outlive us
 * in whoever shares it. A client that sends without reading, or reads without
 * taking, makes the reader pause: what is held in memory is bounded.
 *
 * The order of an end (everything on the loop thread but the last step):
 *   end-of-file: on_end_of_input, then on_drained once all is answered and
 *     written, or the caller's patience ends first;
 *   then stdio_transport_end, registry_shut_down, loop_stop;
 *   after loop_run returned: stdio_transport_destroy, mcp_server_destroy.
 */

#include "base/error.h"
#include "base/loop.h"
#include "mcp/server.h"

struct stdio_transport;

struct stdio_transport_config {
	struct loop *loop;
	struct mcp_server *server;
	int input_fd;  /* 0; borrowed */
	int output_fd; /* 1; borrowed */
	/* The client closed our standard input; every line before it has been handed on. */
	void (*on_end_of_input)(void *context);
	/* After on_end_of_input: all is answered and written. */
	void (*on_drained)(void *context);
	/* The client no longer reads (EPIPE): there is nobody left to answer. */
	void (*on_output_lost)(void *context);
	void *context;
};

/* SIGPIPE must be ignored. Starts both threads; on failure NULL and nothing runs. */
struct stdio_transport *stdio_transport_start(const struct stdio_transport_config *config,
					      struct error *err);
/* Closes the channel: calls are cancelled without an answer, nothing further is read and none of
 * the callbacks above comes any more. What was sent before is still written. */
void stdio_transport_end(struct stdio_transport *transport);
/* Gives the writer up to LIMIT_STDIO_FLUSH_MS for what is left. A thread that is still blocked in
 * a system call is left to the end of the process, with what it uses. Takes NULL. */
void stdio_transport_destroy(struct stdio_transport *transport);
