/* SPDX-License-Identifier: MIT */
#include "tests/stubs/endpoint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that an exchange is: that it is there. */
struct exchange {
	struct endpoint *endpoint;
};

static struct exchange the_exchange;

const char *endpoint_allowed_methods(const struct endpoint *endpoint)
{
	assert(endpoint);
	return "POST, STUB";
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

struct exchange *endpoint_receive(struct endpoint *endpoint, const struct endpoint_request *request,
				  char *body, size_t bytes,
				  const struct exchange_callbacks *callbacks)
{
	static const char *const methods[] = { "POST", "GET", "DELETE" };

	endpoint->received++;
	endpoint->bytes = bytes;
	(void)snprintf(endpoint->asked, sizeof(endpoint->asked), "%s %s %s %s %s %s",
		       methods[request->method], or_dash(request->principal),
		       or_dash(request->session_id), or_dash(request->protocol_version),
		       or_dash(request->method_header), or_dash(request->name_header));
	(void)snprintf(endpoint->body, sizeof(endpoint->body), "%s", or_dash(body));
	endpoint->callbacks = *callbacks;
	if (body)
		callbacks->on_consumed(callbacks->context, bytes);
	free(body);
	if (endpoint->act) {
		endpoint->act(callbacks);
		return NULL;
	}
	the_exchange.endpoint = endpoint;
	return &the_exchange;
}

void exchange_abandon(struct exchange *exchange)
{
	exchange->endpoint->abandoned++;
}
