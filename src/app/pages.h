/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the pages beside MCP say (transport/http/pages.h has their paths and who
 * may ask). Loop thread.
 */

#include "app/health.h"
#include "app/metrics_page.h"
#include "app/status.h"
#include "transport/http/pages.h"
#include "transport/http/server.h"

#include <stdbool.h>

struct audit;
struct budget;

/* All borrowed; what may be NULL says so. */
struct pages {
	struct registry *registry;
	struct endpoint *endpoint;
	struct http_server *server;
	struct health *health;
	const struct metrics_page *metrics;
	const struct history *history;
	struct budget *budget; /* of answers */
	const struct histogram *loop_stalls;
	const struct audit *audit; /* NULL: no audit log */
	uint64_t max_buffered_bytes;
	const char *backend;
	uint64_t started_ms; /* by clock_now_ms */
	bool has_status_page;
};

/* For http_route_config. `pages` is filled in before the first request. */
struct http_pages pages_handler(struct pages *pages);
