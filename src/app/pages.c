/* SPDX-License-Identifier: MIT */
#include "app/pages.h"

#include "app/audit.h"
#include "app/status_page.h"
#include "base/attr.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/limits.h"
#include "mcp/endpoint.h"
#include "session/view.h"

#include <stdlib.h>
#include <string.h>

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
/* prometheus.io/docs/instrumenting/exposition_formats */
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

static const struct http_field no_store[] = { { "Cache-Control", "no-store" } };
static const struct http_field later[] = { { "Cache-Control", "no-store" },
					   { "Retry-After", "1" } };

static void say_nothing(struct http_page *page)
{
	*page = (struct http_page){ .status = 503,
				    .fields = later,
				    .field_count = ARRAY_LENGTH(later) };
}

/* Takes the text's bytes. */
static void say(struct http_page *page, int status, const char *type, struct buf *text)
{
	size_t bytes = text->length;
	char *body = buf_take_string(text);

	buf_finish(text);
	if (!body) {
		say_nothing(page);
		return;
	}
	*page = (struct http_page){ .status = status,
				    .content_type = type,
				    .fields = no_store,
				    .field_count = ARRAY_LENGTH(no_store),
				    .body = body,
				    .bytes = bytes };
}

static void say_line(struct http_page *page, int status, const char *line)
{
	struct buf text = BUF_INIT(KIB);

	(void)buf_printf(&text, "%s\n", line);
	say(page, status, TEXT, &text);
}

/* --- each page ---------------------------------------------------------------------------- */

static void tell_health(void *context, void *asker, bool is_ok)
{
	struct http_page page = { 0 };

	(void)context;
	say_line(&page, is_ok ? 200 : 503, is_ok ? "ok" : "not ok");
	http_page_answer(asker, &page);
}

static void serve_health(void *context, struct http_request *request)
{
	struct pages *pages = context;

	health_ask(pages->health, tell_health, pages, request);
}

static void serve_metrics(struct pages *pages, const struct http_page_request *request,
			  struct http_page *page)
{
	struct buf text = BUF_INIT(LIMIT_METRICS_BYTES);
	struct http_server_counts server;
	struct registry_counts counts;

	/* Charged while it is made, as are the others, to whoever asked: they may be asked for
	 * again and again, and never be read. */
	buf_set_budget(&text, budget_share(pages->budget, request->principal));
	http_server_count(pages->server, &server);
	registry_count(pages->registry, &counts);
	metrics_page_append(pages->metrics, &text,
			    &(const struct metrics_now){
				    .backend = pages->backend,
				    .uptime_s = (clock_now_ms() - pages->started_ms) / 1000,
				    .sessions = endpoint_session_count(pages->endpoint),
				    .sandboxes = counts.sandboxes,
				    .sandboxes_pooled = counts.pooled,
				    .sandboxes_creating = counts.creating,
				    .sandboxes_removing = counts.removing,
				    .calls_running = counts.running,
				    .calls_waiting = counts.waiting,
				    .connections = server.connections,
				    .requests = server.requests,
				    .streams = server.streams,
				    .buffered_bytes = budget_used(pages->budget),
				    .max_buffered_bytes = pages->max_buffered_bytes,
				    .audit_lost = pages->audit ? audit_lost(pages->audit) : 0,
				    .loop_stalls = pages->loop_stalls,
			    });
	say(page, 200, PROMETHEUS, &text);
}

static void serve_status_page(struct pages *pages, const struct http_page_request *request,
			      struct http_page *page)
{
	static struct http_field fields[] = {
		{ "Cache-Control", "no-store" },
		{ "Content-Security-Policy", NULL },
		{ "Referrer-Policy", "no-referrer" },
		{ "X-Frame-Options", "DENY" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	struct buf text = BUF_INIT(LIMIT_STATUS_BYTES);

	buf_set_budget(&text, budget_share(pages->budget, request->principal));
	fields[1].value = status_page.content_security_policy;
	(void)buf_append(&text, status_page.html, status_page.bytes);
	say(page, 200, HTML, &text);
	if (page->status != 200)
		return;
	page->fields = fields;
	page->field_count = ARRAY_LENGTH(fields);
}

static void serve_status(struct pages *pages, const struct http_page_request *request,
			 struct http_page *page)
{
	const struct status_source source = {
		.registry = pages->registry,
		.endpoint = pages->endpoint,
		.history = pages->history,
		.backend = pages->backend,
		.started_ms = pages->started_ms,
	};
	const struct status_asker asker = { request->principal, request->is_operator };
	struct buf text = BUF_INIT(LIMIT_STATUS_BYTES);

	buf_set_budget(&text, budget_share(pages->budget, request->principal));
	(void)status_json(&text, &source, &asker);
	say(page, 200, JSON, &text);
}

static const char sandboxes[] = "/sandboxes/";

static void end_sandbox(struct pages *pages, const struct http_page_request *request,
			struct http_page *page)
{
	const char *start = request->path + strlen(sandboxes);
	char id[SANDBOX_ID_BYTES];
	size_t length = strcspn(start, "/");

	page->status = 404;
	if (length < sizeof(id)) {
		memcpy(id, start, length);
		id[length] = '\0';
		if (registry_end_sandbox(pages->registry, id, NULL) == 0)
			page->status = 204;
	}
	if (page->status == 404)
		say_line(page, 404, "There is no sandbox of that id.");
}

/* --- which is which --------------------------------------------------------------------- */

static void serve(void *context, const struct http_page_request *request, struct http_page *page)
{
	static const struct {
		const char *path;
		void (*serve)(struct pages *pages, const struct http_page_request *request,
			      struct http_page *page);
	} table[] = {
		{ "/metrics", serve_metrics },
		{ "/status.json", serve_status },
		{ "/", serve_status_page },
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(table); i++) {
		if (strcmp(request->path, table[i].path) == 0) {
			table[i].serve(context, request, page);
			return;
		}
	}
	end_sandbox(context, request, page);
}

static void on_gone(void *context, struct http_request *request)
{
	struct pages *pages = context;

	health_forget(pages->health, request);
}

struct http_pages pages_handler(struct pages *pages)
{
	return (struct http_pages){
		.serve = serve,
		.serve_health = serve_health,
		.on_gone = on_gone,
		.context = pages,
		.has_status_page = pages->has_status_page,
		.has_metrics = true,
	};
}
