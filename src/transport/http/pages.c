/* SPDX-License-Identifier: MIT */
#include "transport/http/pages.h"

#include "base/attr.h"

#include <string.h>

#define ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define GET_METHODS "GET, HEAD"

enum page_set { SET_ALWAYS, SET_METRICS, SET_STATUS };

static const struct {
	enum page_set set;
	struct page_rule rule;
} pages_table[] = {
	{ SET_ALWAYS, { "/healthz", NULL, GET_METHODS, false, PAGE_OPEN, true } },
	{ SET_METRICS, { "/metrics", NULL, GET_METHODS, false, PAGE_OPERATOR, false } },
	{ SET_STATUS, { "/", NULL, GET_METHODS, false, PAGE_OPEN, false } },
	{ SET_STATUS, { "/status.json", NULL, GET_METHODS, false, PAGE_TOKEN, false } },
	{ SET_STATUS, { "/sandboxes/", "/end", "POST", true, PAGE_OPERATOR, false } },
};

static bool has_set(const struct http_pages *pages, enum page_set set)
{
	if (set == SET_METRICS)
		return pages->has_metrics;
	return set == SET_ALWAYS || pages->has_status_page;
}

static bool is_path(const struct page_rule *rule, const char *path)
{
	size_t bytes = strlen(rule->path);
	size_t id_bytes;

	if (!rule->end)
		return strcmp(path, rule->path) == 0;
	if (strncmp(path, rule->path, bytes) != 0)
		return false;
	id_bytes = strspn(path + bytes, ID_CHARACTERS);
	return id_bytes > 0 && strcmp(path + bytes + id_bytes, rule->end) == 0;
}

const struct page_rule *pages_find(const struct http_pages *pages, const char *path)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(pages_table); i++) {
		if (has_set(pages, pages_table[i].set) && is_path(&pages_table[i].rule, path))
			return &pages_table[i].rule;
	}
	return NULL;
}

bool page_allows(const struct page_rule *rule, enum http_method method)
{
	if (rule->is_post)
		return method == HTTP_POST;
	return method == HTTP_GET || method == HTTP_HEAD;
}

void http_page_answer(struct http_request *request, const struct http_page *page)
{
	http_reply(request, page->status, page->content_type, page->fields, page->field_count,
		   page->body, page->bytes);
}

void pages_serve(const struct http_pages *pages, const struct page_rule *rule,
		 struct http_request *request, const char *principal, bool is_operator)
{
	const struct http_head *head = http_request_head(request);
	const struct http_page_request asked = { head->path, head->method, principal, is_operator };
	struct http_page page = { 0 };

	if (rule->may_take_time) {
		http_request_read_body(request, 0);
		return;
	}
	pages->serve(pages->context, &asked, &page);
	http_page_answer(request, &page);
}
