/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * An endpoint that serves nothing: it notes what it is asked, and the test says
 * what it answers, from inside or later. For tests of what hands requests to it.
 */

#include "mcp/endpoint.h"

#include <stdbool.h>

/* One at a time. */
struct endpoint {
	/* What it does when a request comes: nothing (NULL), or this, which must end it. */
	void (*act)(const struct exchange_callbacks *callbacks);
	unsigned received, abandoned;
	/* "METHOD principal session version method name", "-" for what is absent */
	char asked[512];
	char body[512]; /* "-": none */
	size_t bytes;
	struct exchange_callbacks callbacks;
};
