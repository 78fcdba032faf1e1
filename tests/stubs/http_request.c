/* SPDX-License-Identifier: MIT */
#include "tests/stubs/http_request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stub_request_init(struct http_request *request, const char *head)
{
	size_t used;
	int status = 0;
	const char *reason = "unfinished";
	enum http_parse parsed;

	*request = (struct http_request){ .peer = { .address = "192.0.2.7", .fd = -1 } };
	parsed = http_head_parse(&request->head, head, strlen(head), &used, &status, &reason);
	if (parsed != HTTP_PARSE_DONE || used != strlen(head)) {
		(void)fprintf(stderr, "%s\nis no head: %d %s\n", head, status, reason);
		abort();
	}
}

void stub_request_finish(struct http_request *request)
{
	http_head_finish(&request->head);
}

const struct http_head *http_request_head(const struct http_request *request)
{
	return &request->head;
}

const struct http_peer *http_request_peer(const struct http_request *request)
{
	return &request->peer;
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
	(void)name;
	request->is_trusted = true;
}

void http_request_read_body(struct http_request *request, size_t max_bytes)
{
	assert(!request->wants_body && request->status == 0 && !request->is_stream);
	request->wants_body = true;
	request->max_body_bytes = max_bytes;
}

void http_request_release_body(struct http_request *request)
{
	assert(request->wants_body && !request->is_released);
	request->is_released = true;
}

static void note_fields(struct http_request *request, const struct http_field *fields, size_t count)
{
	size_t used = 0;
	size_t i;

	for (i = 0; i < count; i++)
		used += (size_t)snprintf(request->fields + used, sizeof(request->fields) - used,
					 "%s: %s\n", fields[i].name, fields[i].value);
	assert(used < sizeof(request->fields));
}

void http_reply(struct http_request *request, int status, const char *content_type,
		const struct http_field *fields, size_t field_count, char *body, size_t bytes)
{
	assert(request->status == 0 && !request->is_stream);
	assert(body || bytes == 0);
	assert(bytes < sizeof(request->body));
	request->status = status;
	(void)snprintf(request->type, sizeof(request->type), "%s",
		       content_type ? content_type : "-");
	note_fields(request, fields, field_count);
	request->has_body = body != NULL;
	if (body)
		memcpy(request->body, body, bytes);
	free(body);
}

void http_stream_open(struct http_request *request, const struct http_field *fields,
		      size_t field_count)
{
	assert(request->status == 0 && !request->is_stream);
	request->status = 200;
	request->is_stream = true;
	note_fields(request, fields, field_count);
}

void http_stream_send(struct http_request *request, char *message, size_t bytes)
{
	size_t used = strlen(request->events);

	assert(request->is_stream && !request->is_ended);
	assert(used + bytes + 2 < sizeof(request->events));
	memcpy(request->events + used, message, bytes);
	memcpy(request->events + used + bytes, "\n", 2);
	free(message);
}

void http_stream_end(struct http_request *request)
{
	assert(request->is_stream && !request->is_ended);
	request->is_ended = true;
}
