/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The life of a server, whatever its transport: what is made for it, how it is
 * told to end, and how it ends.
 *
 *   1. life_begin makes the loop, the registry and the MCP server, and no thread.
 *   2. life_run runs until the end is over.
 *   3. The end begins with SIGTERM or SIGINT (on_signal), or with what the
 *      transport sees. Whoever begins it says why, by life_announce_end: from
 *      there on the process has LIMIT_SHUTDOWN_MS, more with many sandboxes,
 *      whatever hangs, and a second signal ends it at once. Running calls may be
 *      given some of that time (life_be_patient).
 *   4. life_end, any number of times: the transport hears nobody any more
 *      (on_end, once), every sandbox is removed, life_run returns.
 *   5. life_finish, after the transport was destroyed.
 *
 * Main thread, which is the loop's.
 */

#include "app/config.h"
#include "base/loop.h"
#include "mcp/server.h"

#include <stdbool.h>

struct life_events {
	void (*on_signal)(void *context);
	void (*on_end)(void *context);
	void *context;
};

struct life {
	struct loop *loop;
	struct registry *registry;
	struct mcp_server *mcp;
	struct life_events events;
	struct loop_signal *signals[2];
	struct loop_timer *patience;
	bool is_ending;
};

/* On failure life_finish is due, as after success. */
int life_begin(struct life *life, const struct config *config, struct backend *backend,
	       const struct life_events *events, struct error *err);
void life_run(struct life *life);
void life_announce_end(struct life *life, const char *reason);
/* After LIMIT_EOF_GRACE_MS the end comes by itself. */
void life_be_patient(struct life *life);
void life_end(struct life *life);
void life_finish(struct life *life);
