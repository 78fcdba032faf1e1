/* SPDX-License-Identifier: MIT */
#include "mcp/channel.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "mcp/intake.h"
#include "mcp/state.h"

#include <stdlib.h>

struct channel {
	struct sink sink; /* of everything that is received */
	struct mcp_server *server;
	struct channel_callbacks callbacks;
	struct client *client;
	struct intake *intake;
	struct loop_timer *drain_timer; /* not NULL: nothing further comes */
	bool is_drained;
};

/* --- what goes out ----------------------------------------------------------- */

static void send_message(struct sink *sink, struct buf *message)
{
	struct channel *channel = CONTAINER_OF(sink, struct channel, sink);
	size_t bytes = message->length;
	char *text = buf_take_string(message);

	if (text)
		channel->callbacks.send(channel->callbacks.context, text, bytes);
}

static void send_answer(struct sink *sink, struct buf *message, int http_status)
{
	(void)http_status;
	send_message(sink, message);
}

static void end_without_answer(struct sink *sink)
{
	(void)sink;
}

static void expect_call(struct sink *sink, const struct request *request)
{
	(void)sink;
	(void)request;
}

/* --- what comes in ----------------------------------------------------------- */

static void settle(void *context);

struct channel *channel_open(struct mcp_server *server, const struct channel_callbacks *callbacks)
{
	struct channel *channel = alloc_zeroed(sizeof(*channel));

	channel->sink = (struct sink){
		.notify = send_message,
		.answer = send_answer,
		.end_without_answer = end_without_answer,
		.expect_call = expect_call,
	};
	channel->server = server;
	channel->callbacks = *callbacks;
	channel->client = client_create(
		server, session_open(registry_principal(server->config.registry, NULL)));
	channel->client->on_settled = settle;
	channel->client->settled_context = channel;
	channel->intake = intake_create(server);
	return channel;
}

static void handle_message(void *context, const struct incoming *incoming, size_t bytes)
{
	struct channel *channel = context;

	channel->callbacks.on_consumed(channel->callbacks.context, bytes);
	client_handle(channel->client, &channel->sink, incoming);
	settle(channel);
}

static void refuse_oversize(void *context, const struct incoming *incoming, size_t bytes)
{
	struct channel *channel = context;

	_Static_assert(LIMIT_MESSAGE_BYTES == 16 * MIB, "the error names the limit");
	(void)incoming;
	(void)bytes;
	client_refuse(channel->client, &channel->sink, "The message is larger than 16 MiB.");
	settle(channel);
}

void channel_receive(struct channel *channel, char *message, size_t bytes)
{
	intake_receive(channel->intake, message, bytes, handle_message, channel);
}

void channel_receive_oversize(struct channel *channel)
{
	intake_receive(channel->intake, NULL, 0, refuse_oversize, channel);
}

/* --- the end ---------------------------------------------------------------- */

static bool is_idle(const struct channel *channel)
{
	const struct client *client = channel->client;

	return intake_is_idle(channel->intake) &&
	       client->request_count == client->subscription_count;
}

/* From the loop and not from where the last thing ended, so that the owner may close the channel
 * in on_drained. */
static void drained(void *context)
{
	struct channel *channel = context;

	if (!is_idle(channel) || channel->is_drained)
		return;
	channel->is_drained = true;
	while (channel->client->requests)
		modern_end_subscription(channel->client->requests);
	channel->callbacks.on_drained(channel->callbacks.context);
}

/* Whenever there is less to do than before. */
static void settle(void *context)
{
	struct channel *channel = context;

	if (channel->drain_timer && !channel->is_drained && is_idle(channel))
		loop_timer_start(channel->drain_timer, 0);
}

void channel_drain(struct channel *channel)
{
	if (!channel->drain_timer)
		channel->drain_timer =
			loop_timer_create(channel->server->config.loop, drained, channel);
	settle(channel);
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	loop_timer_destroy(channel->drain_timer);
	intake_destroy(channel->intake);
	client_destroy(channel->client);
	free(channel);
}
