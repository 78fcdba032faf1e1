/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/limits.h"
#include "transport/http/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char event_start[] = "event: message\ndata: ";
static const char event_end[] = "\n\n";
static const char comment[] = ": \n\n";
static const char last_chunk[] = "0\r\n\r\n";

/* The fields of every stream, in front of the caller's: proxies are to pass on each event at once
 * (X-Accel-Buffering is nginx's). */
static const struct http_field stream_fields[] = {
	{ "Cache-Control", "no-cache" },
	{ "X-Accel-Buffering", "no" },
};

/* HTTP/1.0 knows no chunks: there the stream ends with the connection. */
static bool is_chunked(const struct http_connection *connection)
{
	return connection->request->head.minor > 0;
}

static void begin_chunk(struct http_connection *connection, size_t bytes)
{
	char size[24];
	int length;

	if (!is_chunked(connection))
		return;
	length = snprintf(size, sizeof(size), "%zx\r\n", bytes);
	outbox_add(&connection->outbox, size, (size_t)length);
}

static void end_chunk(struct http_connection *connection)
{
	if (is_chunked(connection))
		outbox_add(&connection->outbox, "\r\n", 2);
}

static void delay_comment(struct http_connection *connection)
{
	connection->comment_ms = clock_now_ms() + connection->server->patience.comment_ms;
}

void http_stream_open(struct http_request *request, const struct http_field *fields,
		      size_t field_count)
{
	struct http_connection *connection = request->connection;
	size_t own = ARRAY_LENGTH(stream_fields);
	struct http_field *all = alloc_array(own + field_count, sizeof(*all));

	assert(connection->phase == HTTP_PHASE_ANSWER);
	assert(request->has_body);
	memcpy(all, stream_fields, sizeof(stream_fields));
	if (field_count > 0)
		memcpy(all + own, fields, field_count * sizeof(*fields));
	if (!is_chunked(connection))
		connection->closes = true;
	http_answer_add_head(connection, &(struct http_answer_head){
						 .status = 200,
						 .content_type = "text/event-stream",
						 .fields = all,
						 .field_count = own + field_count,
						 .is_chunked = is_chunked(connection),
					 });
	free(all);
	http_connection_set_phase(connection, HTTP_PHASE_STREAM);
	http_connection_flush(connection);
}

void http_stream_send(struct http_request *request, char *message, size_t bytes)
{
	struct http_connection *connection = request->connection;

	assert(connection->phase == HTTP_PHASE_STREAM);
	assert(!memchr(message, '\n', bytes));
	if (connection->is_broken) {
		free(message);
		return;
	}
	begin_chunk(connection, sizeof(event_start) - 1 + bytes + sizeof(event_end) - 1);
	outbox_add(&connection->outbox, event_start, sizeof(event_start) - 1);
	outbox_add_taken(&connection->outbox, message, bytes);
	outbox_add(&connection->outbox, event_end, sizeof(event_end) - 1);
	end_chunk(connection);
	delay_comment(connection);
	http_connection_flush(connection);
}

void http_stream_comment(struct http_connection *connection)
{
	delay_comment(connection);
	/* What is waiting says as much as a comment would. */
	if (connection->outbox.unsent_bytes > 0)
		return;
	begin_chunk(connection, sizeof(comment) - 1);
	outbox_add(&connection->outbox, comment, sizeof(comment) - 1);
	end_chunk(connection);
	http_connection_flush(connection);
}

void http_stream_end(struct http_request *request)
{
	struct http_connection *connection = request->connection;

	assert(connection->phase == HTTP_PHASE_STREAM);
	if (is_chunked(connection))
		outbox_add(&connection->outbox, last_chunk, sizeof(last_chunk) - 1);
	http_request_finish(connection);
	http_connection_answered(connection);
}
