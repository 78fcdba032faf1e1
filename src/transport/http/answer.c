/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "transport/http/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct status_text {
	int status;
	const char *text;
};

/* RFC 9110 section 15, RFC 6585. */
static const struct status_text status_texts[] = {
	{ 200, "OK" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 411, "Length Required" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

/* Empty for any other: the number is what counts. */
static const char *text_of(int status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(status_texts); i++) {
		if (status_texts[i].status == status)
			return status_texts[i].text;
	}
	return "";
}

static void add_fields(struct buf *text, const struct http_field *fields, size_t field_count)
{
	for (size_t i = 0; i < field_count; i++) {
		/* A line's end in a value would be the start of another field. */
		assert(!strpbrk(fields[i].name, "\r\n: "));
		assert(!strpbrk(fields[i].value, "\r\n"));
		(void)buf_printf(text, "%s: %s\r\n", fields[i].name, fields[i].value);
	}
}

/* Whether the client is told that the connection stays, or that it does not. In HTTP/1.1 staying is
 * what goes without saying. */
static const char *connection_field(const struct http_connection *connection)
{
	if (connection->closes)
		return "Connection: close\r\n";
	/* Whoever sent no request that can be read is not listened to any longer. */
	assert(connection->request);
	if (connection->request->head.minor == 0)
		return "Connection: keep-alive\r\n";
	return "";
}

void http_answer_add_head(struct http_connection *connection, const struct http_answer_head *head)
{
	CLEANUP(buf_finish) struct buf text = BUF_INIT(LIMIT_HTTP_ANSWER_HEAD_BYTES);

	(void)buf_printf(&text, "HTTP/1.1 %d %s\r\nDate: %s\r\n", head->status,
			 text_of(head->status), http_server_date(connection->server));
	if (head->content_type)
		(void)buf_printf(&text, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n",
				 head->content_type);
	add_fields(&text, head->fields, head->field_count);
	if (head->has_length)
		(void)buf_printf(&text, "Content-Length: %zu\r\n", head->length_bytes);
	if (head->is_chunked)
		(void)buf_append_string(&text, "Transfer-Encoding: chunked\r\n");
	(void)buf_append_string(&text, connection_field(connection));
	(void)buf_append_string(&text, "\r\n");
	assert(!text.failed);
	outbox_add(&connection->outbox, text.data, text.length);
}

static bool may_have_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* Takes `body`. */
static void add_answer(struct http_connection *connection, struct http_answer_head *head,
		       char *body, size_t bytes)
{
	const struct http_request *request = connection->request;
	bool is_for_head = request && request->head.method == HTTP_HEAD;

	head->has_length = may_have_body(head->status);
	head->length_bytes = bytes;
	http_answer_add_head(connection, head);
	if (head->has_length && !is_for_head)
		outbox_add_taken(&connection->outbox, body, bytes);
	else
		free(body);
}

void http_reply(struct http_request *request, int status, const char *content_type,
		const struct http_field *fields, size_t field_count, char *body, size_t bytes)
{
	struct http_connection *connection = request->connection;
	struct http_answer_head head = {
		.status = status,
		.content_type = content_type,
		.fields = fields,
		.field_count = field_count,
	};

	assert(connection->phase == HTTP_PHASE_ANSWER || connection->phase == HTTP_PHASE_BODY);
	/* Where the next request begins is known only behind the body. */
	if (!request->has_body)
		connection->closes = true;
	add_answer(connection, &head, body, bytes);
	http_request_finish(connection);
	http_connection_answered(connection);
}

void http_answer_plain(struct http_connection *connection, int status, const char *text)
{
	static const struct http_field later = { "Retry-After", "1" };
	struct http_answer_head head = {
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.fields = &later,
		.field_count = status == 503,
	};
	char *body = alloc_printf("%s\n", text);

	connection->closes = true;
	add_answer(connection, &head, body, strlen(body));
	http_connection_answered(connection);
}
