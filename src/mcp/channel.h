/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One client: the stdio process, or one HTTP session. Messages go in as bytes
 * and are handled in order of arrival; replies come out whole, in any order.
 * Small messages are parsed on the loop thread, large ones on the server's
 * parser threads, and then later ones wait, so that a cancel never overtakes
 * the request that it means.
 *
 * Loop thread throughout. A channel owns its session: closing the channel
 * cancels its calls and ends its sandboxes.
 */

#include "mcp/server.h"

#include <stddef.h>

struct channel;

struct channel_callbacks {
	/* One JSON message without a line break. Takes `message` (free()); the NUL behind it may
	 * be overwritten. None of these may call back into the channel, but for on_drained. */
	void (*send)(void *context, char *message, size_t bytes);
	/* A message given to channel_receive no longer takes memory: the counterpart for
	 * whoever bounds the queue. */
	void (*on_consumed)(void *context, size_t bytes);
	/* Once, after channel_drain: all that was received has been answered. */
	void (*on_drained)(void *context);
	void *context;
};

struct channel *channel_open(struct mcp_server *server, const struct channel_callbacks *callbacks);
/* Takes `message` (heap, `bytes` long). Replies may come from inside this call. */
void channel_receive(struct channel *channel, char *message, size_t bytes);
/* In the place of a message that was over LIMIT_MESSAGE_BYTES and was skipped. */
void channel_receive_oversize(struct channel *channel);
/* No further message comes. Open subscriptions get their last answer once nothing else is
 * unanswered; then on_drained follows, perhaps from inside this call. */
void channel_drain(struct channel *channel);
/* No callback comes after this. Calls that run are cancelled and not answered. Takes NULL. */
void channel_close(struct channel *channel);
