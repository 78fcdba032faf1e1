/* SPDX-License-Identifier: MIT */
#include "transport/http/mcp_request.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <stdlib.h>

/* Seconds, for a client that comes in a bad moment. */
#define RETRY_AFTER "1"

/* Lives from mcp_request_start until the answer is complete or nobody is there to have it. */
struct mcp_request {
	struct endpoint *endpoint;
	struct http_request *request;
	struct exchange *exchange; /* NULL: the endpoint does not have it yet */
	char *principal;	   /* NULL: the unnamed one */
};

static void free_request(struct mcp_request *mcp)
{
	free(mcp->principal);
	free(mcp);
}

/* --- what the endpoint says ----------------------------------------------------- */

static void answer(void *context, int status, char *body, size_t bytes, const char *session_id)
{
	struct mcp_request *mcp = context;
	struct http_field fields[3];
	size_t count = 0;

	if (session_id)
		fields[count++] = (struct http_field){ "Mcp-Session-Id", session_id };
	if (status == 405)
		fields[count++] =
			(struct http_field){ "Allow", endpoint_allowed_methods(mcp->endpoint) };
	if (status == 503)
		fields[count++] = (struct http_field){ "Retry-After", RETRY_AFTER };
	http_reply(mcp->request, status, body ? "application/json" : NULL, fields, count, body,
		   bytes);
	free_request(mcp);
}

static void open_stream(void *context)
{
	struct mcp_request *mcp = context;

	http_stream_open(mcp->request, NULL, 0);
}

static void send_message(void *context, char *message, size_t bytes)
{
	struct mcp_request *mcp = context;

	http_stream_send(mcp->request, message, bytes);
}

static void end_stream(void *context)
{
	struct mcp_request *mcp = context;

	http_stream_end(mcp->request);
	free_request(mcp);
}

static void consume(void *context, size_t bytes)
{
	struct mcp_request *mcp = context;

	(void)bytes;
	http_request_release_body(mcp->request);
}

/* --- what the connection says --------------------------------------------------- */

void mcp_request_start(struct endpoint *endpoint, struct http_request *request,
		       const char *principal)
{
	struct mcp_request *mcp = alloc_zeroed(sizeof(*mcp));

	mcp->endpoint = endpoint;
	mcp->request = request;
	mcp->principal = principal ? alloc_string(principal) : NULL;
	http_request_set_user(request, mcp);
	http_request_read_body(request, LIMIT_MESSAGE_BYTES);
}

static enum endpoint_method method_of(const struct http_head *head)
{
	if (head->method == HTTP_GET)
		return ENDPOINT_GET;
	return head->method == HTTP_DELETE ? ENDPOINT_DELETE : ENDPOINT_POST;
}

void mcp_request_take_body(struct http_request *request, char *body, size_t bytes)
{
	struct mcp_request *mcp = http_request_user(request);
	const struct http_head *head = http_request_head(request);
	const struct endpoint_request asked = {
		.method = method_of(head),
		.principal = mcp->principal,
		.session_id = http_head_find(head, "Mcp-Session-Id"),
		.protocol_version = http_head_find(head, "MCP-Protocol-Version"),
		.method_header = http_head_find(head, "Mcp-Method"),
		.name_header = http_head_find(head, "Mcp-Name"),
	};
	const struct exchange_callbacks callbacks = {
		.answer = answer,
		.open_stream = open_stream,
		.send = send_message,
		.end_stream = end_stream,
		.on_consumed = consume,
		.context = mcp,
	};
	struct exchange *exchange;

	/* Only a POST has something to say in it. */
	if (asked.method != ENDPOINT_POST) {
		free(TAKE_PTR(body));
		bytes = 0;
		http_request_release_body(request);
	}
	exchange = endpoint_receive(mcp->endpoint, &asked, body, bytes, &callbacks);
	/* Without one it is over, and `mcp` gone. */
	if (exchange)
		mcp->exchange = exchange;
}

void mcp_request_lose(struct http_request *request)
{
	struct mcp_request *mcp = http_request_user(request);

	if (mcp->exchange)
		exchange_abandon(mcp->exchange);
	free_request(mcp);
}
