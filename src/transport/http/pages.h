/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The paths beside MCP: which there are, which methods each takes and who may
 * ask. What they say is made by whoever creates the server; here are neither
 * its figures nor its words. Loop thread.
 *
 *   /healthz             open: whether the server works, nothing else
 *   /metrics             operators
 *   /                    open: the status page, a static file that holds nothing
 *   /status.json         whoever may use the server; the page shows it
 *   /sandboxes/ID/end    operators, POST
 *
 * Without tokens everybody who may use the server is an operator.
 */

#include "transport/http/connection.h"

#include <stdbool.h>
#include <stddef.h>

struct http_page_request {
	const char *path;
	enum http_method method; /* GET, HEAD (answered as GET) or POST, as the path takes it */
	const char *principal;	 /* NULL: nobody in particular */
	bool is_operator;	 /* also without tokens */
};

struct http_page {
	int status;
	const char *content_type; /* static; NULL: none */
	const struct http_field *fields;
	size_t field_count;
	char *body; /* heap; NULL: empty */
	size_t bytes;
};

struct http_pages {
	/* Fills in the answer, which is all zeros before. Both are borrowed for the call; what it
	 * puts into the page must last until it is called again, and `body` is taken. */
	void (*serve)(void *context, const struct http_page_request *request,
		      struct http_page *page);
	/* /healthz alone, whose answer may have to be found out first: http_page_answer, now or
	 * later, unless on_gone comes before. */
	void (*serve_health)(void *context, struct http_request *request);
	void (*on_gone)(void *context, struct http_request *request);
	void *context;
	/* Otherwise their paths are not there. /healthz always is. */
	bool has_status_page, has_metrics;
};

enum page_access { PAGE_OPEN, PAGE_TOKEN, PAGE_OPERATOR };

struct page_rule {
	/* The path is `path`; or, with an `end`, `path`, an id, and `end`. */
	const char *path, *end;
	const char *allowed_methods; /* as in Allow */
	bool is_post;
	enum page_access access;
	bool may_take_time; /* serve_health */
};

/* NULL: there is no such page. */
const struct page_rule *pages_find(const struct http_pages *pages, const char *path);
bool page_allows(const struct page_rule *rule, enum http_method method);
/* Answers; one that may take time is asked for when its body, which must be empty, has come. */
void pages_serve(const struct http_pages *pages, const struct page_rule *rule,
		 struct http_request *request, const char *principal, bool is_operator);
void http_page_answer(struct http_request *request, const struct http_page *page);
