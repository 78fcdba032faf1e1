/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Messages of one client on their way from bytes to what they say, one after
 * another. Small ones are parsed on the loop thread, large ones on the server's
 * parser threads, and then later ones wait, so that a cancel never overtakes
 * the request that it means.
 *
 * Loop thread throughout. A callback may call any function here.
 */

#include "mcp/incoming.h"
#include "mcp/server.h"

#include <stdbool.h>
#include <stddef.h>

struct intake;

/* `incoming` is borrowed; `bytes` is the size of the message, which no longer takes memory. */
typedef void intake_fn(void *context, const struct incoming *incoming, size_t bytes);

struct intake *intake_create(struct mcp_server *server);
/* What was received and not handed on is forgotten. */
void intake_destroy(struct intake *intake);
/* Takes `text` (heap, `bytes` long). on_message comes once, perhaps from inside. NULL stands for a
 * message that was too large, and was skipped: `incoming` then has no message. */
void intake_receive(struct intake *intake, char *text, size_t bytes, intake_fn *on_message,
		    void *context);
/* Forgets the message that was received with this context, if it was not handed on yet. */
void intake_withdraw(struct intake *intake, const void *context);
bool intake_is_idle(const struct intake *intake);
