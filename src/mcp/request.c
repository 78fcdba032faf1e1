/* SPDX-License-Identifier: MIT */
#include "mcp/state.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct request *request_create(struct client *client, struct sink *sink, struct batch *batch,
			       const char *id)
{
	struct request *request = alloc_zeroed(sizeof(*request));

	request->client = client;
	request->sink = sink;
	request->batch = batch;
	request->id = id ? alloc_string(id) : NULL;
	/* A batch is answered in one message, and so its answers share what one may hold. */
	request->frame = (struct result_frame){
		.id = request->id,
		.version = client->version,
		.max_bytes = LIMIT_REPLY_BYTES / (batch ? batch->request_count : 1),
	};
	if (batch) {
		batch->open_count++;
		batch->has_requests = true;
	}
	request->next = client->requests;
	if (request->next)
		request->next->previous = request;
	client->requests = request;
	client->request_count++;
	return request;
}

static struct sink *sink_of(const struct request *request)
{
	return request->batch ? request->batch->sink : request->sink;
}

bool request_is_wanted(const struct request *request)
{
	return sink_of(request) != NULL;
}

struct request *request_find(const struct client *client, const char *id)
{
	struct request *unwanted = NULL;
	struct request *request;

	for (request = client->requests; request; request = request->next) {
		if (!request->id || strcmp(request->id, id) != 0)
			continue;
		if (request_is_wanted(request))
			return request;
		unwanted = request;
	}
	return unwanted;
}

void request_notify(const struct request *request, struct buf *message)
{
	struct sink *sink = sink_of(request);

	if (sink)
		sink->notify(sink, message);
}

/* From now on its client knows nothing of it. */
static void detach(struct request *request)
{
	struct client *client = request->client;

	if (!client)
		return;
	if (request->previous)
		request->previous->next = request->next;
	else
		client->requests = request->next;
	if (request->next)
		request->next->previous = request->previous;
	client->request_count--;
	client->subscription_count -= request->is_subscription;
	client->server->subscription_count -= request->is_subscription;
	if (request->is_subscription)
		LL_DELETE2(client->server->subscriptions, request, next_subscription);
	request->client = NULL;
	if (client->on_settled)
		client->on_settled(client->settled_context);
}

static void free_request(struct request *request)
{
	free(request->id);
	free(request->progress_token);
	free(request);
}

static void drop_batch_output(struct batch *batch)
{
	buf_finish(&batch->out);
	budget_give(batch->budget, batch->charged_bytes);
	batch->charged_bytes = 0;
}

/* The answer is there and cannot be refused any more, so it counts whether there is room or not. */
static void add_to_batch(struct batch *batch, const struct buf *answer)
{
	if (!batch->sink)
		return;
	(void)buf_append_byte(&batch->out, batch->out.length ? ',' : '[');
	(void)buf_append(&batch->out, answer->data, answer->length);
	budget_take_over(batch->budget, batch->out.capacity - batch->charged_bytes);
	batch->charged_bytes = batch->out.capacity;
}

/* With the answer, or NULL. The client may be gone afterwards: over HTTP it goes with its answer.
 */
static void detach_with(struct request *request, struct buf *answer, int http_status)
{
	struct batch *batch = TAKE_PTR(request->batch);
	struct sink *sink = TAKE_PTR(request->sink);

	detach(request);
	if (batch) {
		if (answer)
			add_to_batch(batch, answer);
		batch_release(batch);
	} else if (sink && answer) {
		sink->answer(sink, answer, http_status);
	} else if (sink) {
		sink->end_without_answer(sink);
	}
}

void request_drop(struct request *request)
{
	detach_with(request, NULL, 0);
	free_request(request);
}

void request_answer(struct request *request, struct buf *message)
{
	if (message->failed || message->length == 0) {
		request_fail(request, JSONRPC_INTERNAL_ERROR, "No memory for the answer.", NULL);
		return;
	}
	detach_with(request, message, 200);
	free_request(request);
}

static int status_of(const struct request *request, enum jsonrpc_code code)
{
	if (request->http_status)
		return request->http_status;
	switch (code) {
	case JSONRPC_PARSE_ERROR:
	case JSONRPC_INVALID_REQUEST:
	case JSONRPC_HEADER_MISMATCH:
	case JSONRPC_MISSING_CAPABILITY:
	case JSONRPC_UNSUPPORTED_VERSION:
		return 400;
	case JSONRPC_METHOD_NOT_FOUND:
		return request->frame.version >= MCP_2026_07_28 ? 404 : 200;
	case JSONRPC_INVALID_PARAMS:
	case JSONRPC_INTERNAL_ERROR:
		break;
	}
	return 200;
}

void request_fail(struct request *request, enum jsonrpc_code code, const char *text,
		  const char *data)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	jsonrpc_error(&message, request->id, code, text, data);
	detach_with(request, &message, status_of(request, code));
	buf_finish(&message);
	free_request(request);
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
	struct call *call = request->call;

	if (request->is_waiting_for_facts)
		mcp_server_forget(request->client->server, request);
	detach_with(request, NULL, 0);
	if (call)
		call_cancel(call); /* the request goes when the call is over */
	else
		free_request(request);
}

struct batch *batch_create(struct sink *sink, size_t request_count, struct budget *budget)
{
	struct batch *batch = alloc_zeroed(sizeof(*batch));

	batch->sink = sink;
	batch->budget = budget;
	batch->request_count = request_count;
	batch->open_count = 1;
	/* The brackets and commas come on top of what the answers share. */
	buf_init(&batch->out, LIMIT_REPLY_BYTES + LIMIT_BATCH_MESSAGES + 2);
	return batch;
}

void batch_release(struct batch *batch)
{
	struct sink *sink = batch->sink;

	if (--batch->open_count > 0)
		return;
	if (sink && batch->out.length > 0) {
		(void)buf_append_byte(&batch->out, ']');
		sink->answer(sink, &batch->out, 200);
	} else if (sink && batch->has_requests) {
		sink->end_without_answer(sink);
	}
	drop_batch_output(batch);
	free(batch);
}

void batch_forget_sink(struct batch *batch)
{
	batch->sink = NULL;
	drop_batch_output(batch);
}
