/* SPDX-License-Identifier: MIT */
#include "tests/unit/mcp/site.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* --- the transport ------------------------------------------------------------- */

static void happen(struct post *post)
{
	if (post->stops_loop)
		loop_stop(post->site->loop);
}

static void end(struct post *post)
{
	assert_int_equal(post->consumed_bytes, post->body_bytes);
	post->is_over = true;
	post->exchange = NULL;
	happen(post);
	if (post->on_over)
		post->on_over(post);
}

static void check_alive(const struct post *post)
{
	assert_false(post->is_over);
	assert_false(post->is_abandoned);
}

static void on_answer(void *context, int status, char *body, size_t bytes, const char *session_id)
{
	struct post *post = context;

	check_alive(post);
	assert_false(post->is_stream);
	assert_int_equal(body ? strlen(body) : 0, bytes);
	if (body)
		assert_null(strchr(body, '\n'));
	post->status = status;
	post->body = body;
	if (session_id)
		(void)snprintf(post->session_id, sizeof(post->session_id), "%s", session_id);
	end(post);
}

static void on_open_stream(void *context)
{
	struct post *post = context;

	check_alive(post);
	assert_false(post->is_stream);
	post->is_stream = true;
	post->status = 200;
	happen(post);
	if (post->on_event)
		post->on_event(post);
}

static void on_send(void *context, char *message, size_t bytes)
{
	struct post *post = context;

	check_alive(post);
	assert_true(post->is_stream);
	assert_true(post->event_count < POST_EVENTS);
	assert_int_equal(strlen(message), bytes);
	assert_null(strchr(message, '\n'));
	post->events[post->event_count++] = message;
	happen(post);
	if (post->on_event)
		post->on_event(post);
}

static void on_end_stream(void *context)
{
	struct post *post = context;

	check_alive(post);
	assert_true(post->is_stream);
	end(post);
}

static void on_consumed(void *context, size_t bytes)
{
	struct post *post = context;

	check_alive(post);
	assert_int_equal(post->consumed_bytes, 0);
	post->consumed_bytes += bytes;
}

struct post *site_send(struct site *site, const struct wire *wire)
{
	struct post *post = alloc_zeroed(sizeof(*post));
	const struct exchange_callbacks callbacks = {
		.answer = on_answer,
		.open_stream = on_open_stream,
		.send = on_send,
		.end_stream = on_end_stream,
		.on_consumed = on_consumed,
		.context = post,
	};
	struct exchange *exchange;

	assert_true(site->post_count < SITE_POSTS);
	site->posts[site->post_count++] = post;
	post->site = site;
	post->on_over = wire->on_over;
	post->on_event = wire->on_event;
	post->body_bytes = wire->body ? strlen(wire->body) : 0;
	exchange = endpoint_receive(site->endpoint, &wire->request,
				    wire->body ? alloc_string(wire->body) : NULL, post->body_bytes,
				    &callbacks);
	assert_int_equal(exchange == NULL, post->is_over);
	post->exchange = exchange;
	return post;
}

void post_abandon(struct post *post)
{
	struct exchange *exchange = post->exchange;

	assert_non_null(exchange);
	post->exchange = NULL;
	post->is_abandoned = true;
	exchange_abandon(exchange);
}

void post_wait(struct post *post)
{
	post->stops_loop = true;
	loop_run(post->site->loop);
	post->stops_loop = false;
}

/* --- the site --------------------------------------------------------------------- */

struct site *site_open_with(const struct site_options *options)
{
	struct site *site = alloc_zeroed(sizeof(*site));
	struct error err = ERROR_INIT;

	site->loop = loop_create(&err);
	stub_registry_init(&site->registry);
	site->budget = site->registry.budget = budget_create(64 * MIB);
	site->server = mcp_server_create(&(struct mcp_server_config){
		.loop = site->loop,
		.registry = &site->registry,
		.sandbox_scope = options->scope,
		.protocol = options->protocol,
		.is_http = true,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	});
	site->endpoint = endpoint_create(&(struct endpoint_config){
		.server = site->server,
		.max_sessions = options->max_sessions,
		.session_ms = options->session_ms,
	});
	return site;
}

struct site *site_open(void)
{
	return site_open_with(&(struct site_options){ 0 });
}

static void free_post(struct post *post)
{
	size_t i;

	for (i = 0; i < post->event_count; i++)
		free(post->events[i]);
	free(post->body);
	free(post);
}

void site_close(struct site *site)
{
	size_t i;

	for (i = 0; i < site->post_count; i++) {
		if (site->posts[i]->exchange)
			post_abandon(site->posts[i]);
	}
	endpoint_destroy(site->endpoint);
	stub_registry_finish(&site->registry);
	mcp_server_destroy(site->server);
	budget_destroy(site->budget);
	loop_destroy(site->loop);
	for (i = 0; i < site->post_count; i++)
		free_post(site->posts[i]);
	free(site);
}

/* --- clients ---------------------------------------------------------------------- */

struct post *site_say(struct site *site, const char *session, const char *body)
{
	return site_send(site,
			 &(struct wire){ .request = { .session_id = session }, .body = body });
}

struct post *site_say_modern(struct site *site, const char *method, const char *body)
{
	return site_send(site, &(struct wire){ .request = { .protocol_version = "2026-07-28",
							    .method_header = method,
							    .name_header = "sandbox_exec" },
					       .body = body });
}

void site_initialize(struct site *site, const char *principal, const char *version, char id[64])
{
	struct post *post;
	char body[256];

	(void)snprintf(body, sizeof(body), INITIALIZE("%s"), version);
	post = site_send(site,
			 &(struct wire){ .request = { .principal = principal }, .body = body });
	post_expect(post, 200, "\"protocolVersion\"");
	assert_int_equal(strlen(post->session_id), 32);
	memcpy(id, post->session_id, 64);
}

/* --- what came back ------------------------------------------------------------------ */

void post_expect(const struct post *post, int status, const char *part)
{
	assert_true(post->is_over);
	assert_false(post->is_stream);
	assert_non_null(post->body);
	if (post->status != status || !strstr(post->body, part))
		fail_msg("not %d with %s but %d: %.2000s", status, part, post->status, post->body);
}

void post_expect_empty(const struct post *post, int status)
{
	assert_true(post->is_over);
	assert_false(post->is_stream);
	assert_int_equal(post->status, status);
	assert_null(post->body);
}

void post_expect_error(const struct post *post, int status, const char *id, int code)
{
	char start[256];

	(void)snprintf(start, sizeof(start),
		       "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":\"", id,
		       code);
	post_expect(post, status, start);
	assert_string_equal(post->session_id, "");
}

void post_expect_stream(const struct post *post, bool is_over, size_t event_count)
{
	assert_true(post->is_stream);
	assert_int_equal(post->is_over, is_over);
	assert_int_equal(post->event_count, event_count);
}

struct call *site_call(struct site *site, size_t index)
{
	assert_true(index < site->registry.call_count);
	assert_non_null(site->registry.calls[index]);
	return site->registry.calls[index];
}

void site_finish(struct site *site, size_t index, const char *out)
{
	stub_finish(site_call(site, index), &(struct stub_outcome){ .out = out });
}
