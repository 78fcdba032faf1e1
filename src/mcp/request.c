/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/alloc.h"
#include "base/escape.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

struct request *request_create(struct channel *channel, struct batch *batch, const char *id,
			       enum mcp_version version)
{
	struct request *request = alloc_zeroed(sizeof(*request));

	request->channel = channel;
	request->batch = batch;
	request->id = id ? alloc_string(id) : NULL;
	/* A batch is answered in one message, and so its answers share what one may hold. */
	request->frame = (struct result_frame){
		.id = request->id,
		.version = version,
		.max_bytes = LIMIT_REPLY_BYTES / (batch ? batch->request_count : 1),
	};
	if (batch)
		batch->open_count++;
	request->next = channel->requests;
	if (request->next)
		request->next->previous = request;
	channel->requests = request;
	channel->request_count++;
	return request;
}

struct request *request_find(const struct channel *channel, const char *id)
{
	struct request *request = channel->requests;

	while (request && (!request->id || strcmp(request->id, id) != 0))
		request = request->next;
	return request;
}

/* From now on the channel knows nothing of it. */
static void detach(struct request *request)
{
	struct channel *channel = request->channel;

	if (!channel)
		return;
	if (request->previous)
		request->previous->next = request->next;
	else
		channel->requests = request->next;
	if (request->next)
		request->next->previous = request->previous;
	channel->request_count--;
	channel->subscription_count -= request->is_subscription;
	request->channel = NULL;
	if (request->batch)
		batch_release(request->batch);
	request->batch = NULL;
	channel_settle(channel);
}

void request_drop(struct request *request)
{
	detach(request);
	free(request->id);
	free(request->progress_token);
	free(request);
}

static void deliver(struct request *request, struct buf *message)
{
	struct batch *batch = request->batch;

	if (!batch) {
		channel_send(request->channel, message);
		return;
	}
	(void)buf_append_byte(&batch->out, batch->out.length ? ',' : '[');
	(void)buf_append(&batch->out, message->data, message->length);
}

void request_answer(struct request *request, struct buf *message)
{
	if (message->failed || message->length == 0) {
		request_fail(request, JSONRPC_INTERNAL_ERROR, "No memory for the answer.", NULL);
		return;
	}
	if (request->channel)
		deliver(request, message);
	request_drop(request);
}

void request_fail(struct request *request, enum jsonrpc_code code, const char *text,
		  const char *data)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	jsonrpc_error(&message, request->id, code, text, data);
	if (request->channel)
		deliver(request, &message);
	buf_finish(&message);
	request_drop(request);
}

void request_fail_quoting(struct request *request, enum jsonrpc_code code, const char *text,
			  const char *quoted)
{
	struct buf whole = BUF_INIT(1024);

	(void)buf_append_string(&whole, text);
	(void)escape_append(&whole, quoted, strlen(quoted), REQUEST_QUOTED_BYTES, ESCAPE_TEXT);
	(void)buf_append_byte(&whole, '\0');
	request_fail(request, code, whole.data, NULL);
	buf_finish(&whole);
}

void request_abandon(struct request *request)
{
	struct mcp_server *server = request->channel->server;

	detach(request);
	if (request->is_waiting_for_facts)
		mcp_server_forget(server, request);
	if (request->call)
		call_cancel(request->call); /* it is dropped when the call is over */
	else
		request_drop(request);
}

struct batch *batch_create(struct channel *channel, size_t request_count)
{
	struct batch *batch = alloc_zeroed(sizeof(*batch));

	batch->channel = channel;
	batch->request_count = request_count;
	batch->open_count = 1;
	/* The brackets and commas come on top of what the answers share. */
	buf_init(&batch->out, LIMIT_REPLY_BYTES + LIMIT_BATCH_MESSAGES + 2);
	return batch;
}

void batch_release(struct batch *batch)
{
	if (--batch->open_count > 0)
		return;
	if (batch->channel && batch->out.length > 0) {
		(void)buf_append_byte(&batch->out, ']');
		channel_send(batch->channel, &batch->out);
	}
	buf_finish(&batch->out);
	free(batch);
}
