/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "transport/http/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* --- its life ------------------------------------------------------------------- */

static bool has_no_body(const struct http_head *head)
{
	return !head->is_chunked && (!head->has_content_length || head->content_length == 0);
}

void http_request_finish(struct http_connection *connection)
{
	struct http_request *request = TAKE_PTR(connection->request);

	http_holder_leave(connection->server, request->holder);
	budget_give(request->budget, request->charged_bytes);
	buf_finish(&request->body);
	http_head_finish(&request->head);
	free(request->chunked);
	free(request);
}

void http_request_lose(struct http_connection *connection)
{
	const struct http_handler *handler = &connection->server->config.handler;

	handler->on_gone(handler->context, connection->request);
	http_request_finish(connection);
}

void http_request_refuse(struct http_connection *connection, int status, const char *reason)
{
	http_answer_plain(connection, status, reason);
	http_request_lose(connection);
}

/* --- its body --------------------------------------------------------------------- */

static void deliver_body(struct http_connection *connection)
{
	const struct http_handler *handler = &connection->server->config.handler;
	struct http_request *request = connection->request;
	size_t bytes = request->body.length;
	char *body = buf_take_string(&request->body);

	if (!body) {
		http_request_refuse(connection, 503, "the server is short of memory");
		return;
	}
	request->charged_bytes = bytes + 1;
	budget_take_over(request->budget, request->charged_bytes);
	free(TAKE_PTR(request->chunked));
	request->has_body = true;
	http_connection_set_phase(connection, HTTP_PHASE_ANSWER);
	handler->on_body(handler->context, request, body, bytes);
}

static size_t allowed_body_bytes(const struct http_request *request)
{
	size_t max_bytes = request->max_body_bytes;

	if (!request->is_trusted && max_bytes > LIMIT_HTTP_UNTRUSTED_BODY_BYTES)
		return LIMIT_HTTP_UNTRUSTED_BODY_BYTES;
	return max_bytes;
}

static void begin_body(struct http_connection *connection)
{
	struct http_request *request = connection->request;
	const struct http_head *head = &request->head;
	size_t max_bytes = allowed_body_bytes(request);

	if (http_holder_has_too_many(connection->server, request->holder)) {
		http_request_refuse(connection, 503,
				    "this client has too many requests under way; wait for one to "
				    "end");
		return;
	}
	if (head->has_content_length && head->content_length > max_bytes) {
		http_request_refuse(connection, 413, "the body is too large");
		return;
	}
	if (!http_server_has_memory(connection->server, connection,
				    head->has_content_length ? head->content_length : 0)) {
		http_request_refuse(connection, 503, "the server is short of memory");
		return;
	}
	buf_init(&request->body, max_bytes + 1);
	buf_set_budget(&request->body, request->budget);
	if (has_no_body(head)) {
		deliver_body(connection);
		return;
	}
	if (head->is_chunked) {
		request->chunked = alloc_zeroed(sizeof(*request->chunked));
		http_chunked_init(request->chunked, max_bytes);
	}
	if (head->expects_continue && connection->input.length == 0)
		outbox_add(&connection->outbox, continue_line, sizeof(continue_line) - 1);
	http_connection_set_phase(connection, HTTP_PHASE_BODY);
}

/* What the buffer takes from the budget for so many further bytes. */
static size_t growth(const struct buf *body, size_t bytes)
{
	size_t needed = body->length + bytes;
	size_t most = body->max - body->capacity;

	if (needed <= body->capacity)
		return 0;
	needed -= body->capacity;
	if (needed < body->capacity)
		needed = body->capacity;
	return needed < most ? needed : most;
}

/* Room for so many further bytes of the body; NULL: there is none, and the client was told. */
static char *make_room(struct http_connection *connection, size_t bytes)
{
	struct buf *body = &connection->request->body;
	size_t more = growth(body, bytes);
	char *room = NULL;

	if (more == 0 || http_server_has_memory(connection->server, connection, more))
		room = buf_reserve(body, bytes);
	if (!room)
		http_request_refuse(connection, 503, "the server is short of memory");
	return room;
}

static bool append_body(struct http_connection *connection, const char *data, size_t bytes)
{
	char *room = make_room(connection, bytes);

	if (!room)
		return false;
	memcpy(room, data, bytes);
	buf_commit(&connection->request->body, bytes);
	return true;
}

/* What came together with the head. */
static void take_input(struct http_connection *connection, size_t left)
{
	struct buf *input = &connection->input;
	size_t bytes = input->length < left ? input->length : left;

	if (!append_body(connection, input->data, bytes))
		return;
	buf_consume(input, bytes);
	if (input->length == 0)
		buf_finish(input);
}

/* Straight to where it belongs, and not a byte of the next request. */
static enum http_body_step receive_sized(struct http_connection *connection, size_t left,
					 size_t *allowance)
{
	size_t wanted = left < *allowance ? left : *allowance;
	ssize_t received;
	char *room;

	if (!connection->is_readable || wanted == 0)
		return HTTP_BODY_WAITS;
	room = make_room(connection, wanted);
	if (!room)
		return HTTP_BODY_MOVED;
	received = wire_receive(&connection->wire, room, wanted);
	if (received == WIRE_WAIT) {
		connection->is_readable = false;
		return HTTP_BODY_WAITS;
	}
	if (received <= 0) {
		connection->is_broken = true;
		return HTTP_BODY_MOVED;
	}
	http_connection_note_read(connection, (size_t)received, wanted, allowance);
	buf_commit(&connection->request->body, (size_t)received);
	return HTTP_BODY_MOVED;
}

static enum http_body_step step_sized(struct http_connection *connection, size_t *allowance)
{
	struct http_request *request = connection->request;
	/* Never more than max_body_bytes: that was looked at before. */
	size_t left = (size_t)request->head.content_length - request->body.length;

	if (left == 0) {
		deliver_body(connection);
		return HTTP_BODY_MOVED;
	}
	if (connection->input.length > 0) {
		take_input(connection, left);
		return HTTP_BODY_MOVED;
	}
	return receive_sized(connection, left, allowance);
}

static enum http_body_step step_chunked(struct http_connection *connection)
{
	struct buf *input = &connection->input;
	enum http_parse parse = HTTP_PARSE_MORE;
	size_t used = 0;

	/* All that has come, since consuming it chunk by chunk would move it as often. */
	while (parse == HTTP_PARSE_MORE && used < input->length) {
		struct http_chunked_step step = { 0 };

		parse = http_chunked_feed(connection->request->chunked, input->data + used,
					  input->length - used, &step);
		if (parse == HTTP_PARSE_BAD) {
			http_request_refuse(connection, step.status, step.reason);
			return HTTP_BODY_MOVED;
		}
		if (step.body_bytes > 0 && !append_body(connection, step.body, step.body_bytes))
			return HTTP_BODY_MOVED;
		used += step.used;
	}
	buf_consume(input, used);
	if (input->length == 0)
		buf_finish(input);
	if (parse == HTTP_PARSE_DONE)
		deliver_body(connection);
	return HTTP_BODY_MOVED;
}

enum http_body_step http_request_step_body(struct http_connection *connection, size_t *allowance)
{
	if (connection->request->chunked)
		return step_chunked(connection);
	return step_sized(connection, allowance);
}

/* What the connection holds from now on. So far that is nothing: the answer before is out, and the
 * body not begun. */
static void charge_to(struct http_request *request, struct budget *budget)
{
	struct outbox *outbox = &request->connection->outbox;

	assert(!outbox->first);
	assert(request->body.capacity == 0);
	request->budget = outbox->budget = budget;
}

void http_request_start(struct http_connection *connection)
{
	const struct http_handler *handler = &connection->server->config.handler;
	struct http_request *request = alloc_zeroed(sizeof(*request));

	request->connection = connection;
	charge_to(request, connection->server->config.budget);
	request->head = connection->head;
	request->has_body = has_no_body(&request->head);
	connection->head = (struct http_head){ 0 };
	connection->request = request;
	connection->had_request = true;
	connection->closes = !request->head.keeps_alive || connection->server->is_draining;
	http_connection_set_phase(connection, HTTP_PHASE_ANSWER);
	handler->on_head(handler->context, request);
	if (connection->phase != HTTP_PHASE_ANSWER)
		return;
	assert(request->wants_body);
	begin_body(connection);
}

/* --- what its handler calls --------------------------------------------------------- */

const struct http_head *http_request_head(const struct http_request *request)
{
	return &request->head;
}

const struct http_peer *http_request_peer(const struct http_request *request)
{
	return &request->connection->peer;
}

void http_request_set_user(struct http_request *request, void *user)
{
	request->user = user;
}

void *http_request_user(const struct http_request *request)
{
	return request->user;
}

void http_request_trust(struct http_request *request, const char *name)
{
	request->is_trusted = request->connection->was_trusted = true;
	http_server_untrusted_remove(request->connection);
	assert(!request->holder);
	if (!name)
		return;
	request->holder = http_holder_enter(request->connection->server, name);
	charge_to(request, budget_share(request->connection->server->config.budget, name));
}

void http_request_read_body(struct http_request *request, size_t max_bytes)
{
	assert(!request->wants_body);
	request->wants_body = true;
	request->max_body_bytes = max_bytes;
}

void http_request_release_body(struct http_request *request)
{
	budget_give(request->budget, request->charged_bytes);
	request->charged_bytes = 0;
}
