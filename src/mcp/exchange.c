/* SPDX-License-Identifier: MIT */
#include "mcp/endpoint_state.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* --- the end -------------------------------------------------------------------- */

void exchange_pin(struct exchange *exchange)
{
	exchange->pins++;
	assert(exchange->pins > 0);
}

void exchange_unpin(struct exchange *exchange)
{
	exchange->pins--;
	if (!exchange->is_over || exchange->pins > 0)
		return;
	free(exchange->principal);
	free(exchange->version_header);
	free(exchange->method_header);
	free(exchange->name_header);
	free(exchange);
}

/* From now on nobody knows it but those who have pinned it. */
static void leave(struct exchange *exchange)
{
	struct legacy_session *session = TAKE_PTR(exchange->session);

	exchange->is_over = true;
	DL_DELETE(exchange->endpoint->exchanges, exchange);
	loop_timer_destroy(TAKE_PTR(exchange->stream_timer));
	if (exchange->own_client)
		client_forget_sink(exchange->own_client, &exchange->sink);
	client_destroy(TAKE_PTR(exchange->own_client));
	if (session && session->stream == exchange)
		session->stream = NULL;
	if (session)
		client_forget_sink(session->client, &exchange->sink);
	if (session && session->intake && !exchange->is_read)
		intake_withdraw(session->intake, exchange);
	intake_destroy(TAKE_PTR(exchange->own_intake));
}

void exchange_open_stream(struct exchange *exchange)
{
	if (exchange->is_stream)
		return;
	exchange->is_stream = true;
	exchange->callbacks.open_stream(exchange->callbacks.context);
}

/* Takes the bytes of `message`; NULL for an answer without a body. */
static void finish(struct exchange *exchange, int status, struct buf *message)
{
	const struct exchange_callbacks callbacks = exchange->callbacks;
	const char *session_id = exchange->session_id[0] ? exchange->session_id : NULL;
	size_t bytes = message ? message->length : 0;
	char *text = message ? buf_take_string(message) : NULL;

	exchange_pin(exchange);
	leave(exchange);
	if (exchange->body_bytes > 0)
		callbacks.on_consumed(callbacks.context, exchange->body_bytes);
	if (exchange->ends_as_stream)
		exchange_open_stream(exchange);
	if (!exchange->is_stream) {
		callbacks.answer(callbacks.context, status, text, text ? bytes : 0, session_id);
	} else {
		if (text)
			callbacks.send(callbacks.context, text, bytes);
		if (!exchange->is_abandoned)
			callbacks.end_stream(callbacks.context);
	}
	exchange_unpin(exchange);
}

void exchange_accept(struct exchange *exchange, int status)
{
	if (!exchange->is_over)
		finish(exchange, status, NULL);
}

void exchange_refuse(struct exchange *exchange, int status, enum jsonrpc_code code, const char *id,
		     const char *text)
{
	struct buf message = BUF_INIT(LIMIT_REPLY_BYTES);

	if (exchange->is_over)
		return;
	jsonrpc_error(&message, id, code, text, NULL);
	finish(exchange, status, &message);
	buf_finish(&message);
}

void exchange_end_stream(struct exchange *exchange)
{
	if (exchange->is_over)
		return;
	exchange->ends_as_stream = true;
	finish(exchange, 200, NULL);
}

void exchange_bereave(struct exchange *exchange)
{
	const struct client *client = exchange->session->client;
	const struct request *request = client->requests;
	char *id;

	if (exchange->method == ENDPOINT_GET) {
		exchange_end_stream(exchange);
		return;
	}
	while (request && request->sink != &exchange->sink)
		request = request->next;
	id = request && request->id ? alloc_string(request->id) : NULL;
	exchange_refuse(exchange, 404, JSONRPC_INVALID_REQUEST, id, "The session has ended.");
	free(id);
}

void exchange_abandon(struct exchange *exchange)
{
	exchange_pin(exchange);
	/* The connection may break under its last message. */
	exchange->is_abandoned = true;
	if (!exchange->is_over)
		leave(exchange);
	exchange_unpin(exchange);
}

/* --- answers --------------------------------------------------------------------- */

static void on_stream_time(void *context)
{
	exchange_open_stream(context);
}

static struct exchange *exchange_of(struct sink *sink)
{
	return CONTAINER_OF(sink, struct exchange, sink);
}

static void notify(struct sink *sink, struct buf *message)
{
	struct exchange *exchange = exchange_of(sink);
	size_t bytes = message->length;
	char *text;

	/* A batch is answered by one array, and there is no place beside it. */
	if (exchange->is_over || exchange->is_batch || !(text = buf_take_string(message)))
		return;
	exchange_pin(exchange);
	exchange_open_stream(exchange);
	if (exchange->is_over)
		free(text);
	else
		exchange->callbacks.send(exchange->callbacks.context, text, bytes);
	exchange_unpin(exchange);
}

static void answer(struct sink *sink, struct buf *message, int http_status)
{
	struct exchange *exchange = exchange_of(sink);

	if (!exchange->is_over)
		finish(exchange, http_status, message);
}

static void end_without_answer(struct sink *sink)
{
	struct exchange *exchange = exchange_of(sink);

	/* A client that has cancelled waits for nothing; one whose call the server has given up
	 * does. */
	if (exchange->endpoint->is_draining && !exchange->is_stream)
		exchange_refuse(exchange, 503, JSONRPC_INTERNAL_ERROR, NULL,
				"The server is stopping.");
	else
		exchange_end_stream(exchange);
}

static void expect_call(struct sink *sink, const struct request *request)
{
	struct exchange *exchange = exchange_of(sink);
	struct loop *loop = exchange->endpoint->server->config.loop;

	if (exchange->is_over || exchange->is_stream)
		return;
	if (!exchange->is_modern && request->progress_token) {
		exchange_open_stream(exchange);
		return;
	}
	exchange->stream_timer = loop_timer_create(loop, on_stream_time, exchange);
	loop_timer_start(exchange->stream_timer,
			 exchange->is_modern ? LIMIT_MODERN_STREAM_MS : LIMIT_LEGACY_STREAM_MS);
}

/* --- the beginning ----------------------------------------------------------------- */

static char *copy(const char *text)
{
	return text ? alloc_string(text) : NULL;
}

struct exchange *exchange_create(struct endpoint *endpoint, const struct endpoint_request *request,
				 const struct exchange_callbacks *callbacks)
{
	struct exchange *exchange = alloc_zeroed(sizeof(*exchange));

	exchange->endpoint = endpoint;
	exchange->callbacks = *callbacks;
	exchange->method = request->method;
	exchange->principal = copy(request->principal);
	exchange->version_header = copy(request->protocol_version);
	exchange->method_header = copy(request->method_header);
	exchange->name_header = copy(request->name_header);
	exchange->names_session = request->session_id != NULL;
	exchange->headers = (struct mcp_headers){
		.version = exchange->version_header,
		.method = exchange->method_header,
		.name = exchange->name_header,
	};
	exchange->sink = (struct sink){
		.notify = notify,
		.answer = answer,
		.end_without_answer = end_without_answer,
		.expect_call = expect_call,
		.headers = &exchange->headers,
	};
	DL_APPEND(endpoint->exchanges, exchange);
	return exchange;
}
