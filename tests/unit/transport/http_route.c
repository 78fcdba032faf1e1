/* SPDX-License-Identifier: MIT */
#include "transport/http/route.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/limits.h"
#include "base/log.h"
#include "tests/stubs/endpoint.h"
#include "tests/stubs/http_request.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCAL "Host: localhost:8000\r\n"
#define TYPE "Content-Type: application/json\r\n"
#define ADA "Authorization: Bearer 0123456789abcdef\r\n"
#define BOSS "Authorization: Bearer fedcba9876543210\r\n"
#define NOBODY "Authorization: Bearer 0000000000000000\r\n"
#define POST "POST /mcp HTTP/1.1\r\n"

static const char token_file[] = "ada 0123456789abcdef\nboss fedcba9876543210 operator\n";

/* --- a world for one test ---------------------------------------------------------- */

enum access_kind { WITH_TOKENS, FOR_ALL_USERS, FOR_OUR_USER };

struct world {
	struct endpoint endpoint;
	struct http_route *route;
	struct http_handler handler;
	struct http_request request;
	bool has_request;
	char served[256]; /* what the pages were asked: "METHOD path principal [operator]" */
	bool delays_health;
	struct http_request *asks_health, *lost;
};

static void serve(void *context, const struct http_page_request *request, struct http_page *page)
{
	static const struct http_field fields[] = { { "Cache-Control", "no-store" } };
	struct world *world = context;

	(void)snprintf(world->served, sizeof(world->served), "%d %s %s%s", (int)request->method,
		       request->path, request->principal ? request->principal : "-",
		       request->is_operator ? " operator" : "");
	*page = (struct http_page){ .status = 202,
				    .content_type = "text/x-page",
				    .fields = fields,
				    .field_count = 1,
				    .body = alloc_string("page"),
				    .bytes = 4 };
}

static void serve_health(void *context, struct http_request *request)
{
	const struct http_page page = { .status = 200, .body = alloc_string("ok"), .bytes = 2 };
	struct world *world = context;

	world->asks_health = request;
	if (world->delays_health)
		free(page.body);
	else
		http_page_answer(request, &page);
}

static void lose_page(void *context, struct http_request *request)
{
	struct world *world = context;

	world->lost = request;
}

static struct tokens *make_tokens(const char *text)
{
	struct tokens *tokens = tokens_parse("tokens", text, strlen(text), NULL, NULL);

	assert_non_null(tokens);
	return tokens;
}

static void begin(struct world *world, enum access_kind access)
{
	const struct http_route_config config = {
		.endpoint = &world->endpoint,
		.pages = { serve, serve_health, lose_page, world, true, true },
		.tokens = access == WITH_TOKENS ? make_tokens(token_file) : NULL,
		.allows_local_users = access == FOR_ALL_USERS,
	};

	*world = (struct world){ 0 };
	world->route = http_route_create(&config, NULL);
	assert_non_null(world->route);
	world->handler = http_route_handler(world->route);
}

/* Until the head has been judged. */
static struct http_request *send_from(struct world *world, const char *head,
				      const struct http_peer *peer)
{
	struct http_request *request = &world->request;

	if (world->has_request)
		stub_request_finish(request);
	stub_request_init(request, head);
	if (peer)
		request->peer = *peer;
	world->has_request = true;
	world->served[0] = '\0';
	world->handler.on_head(world->handler.context, request);
	/* One of the three that its contract asks for. */
	assert_true((request->status != 0) != request->wants_body);
	return request;
}

static struct http_request *send_head(struct world *world, const char *head)
{
	return send_from(world, head, NULL);
}

static struct http_request *send_body(struct world *world, const char *head, const char *body)
{
	struct http_request *request = send_head(world, head);

	assert_true(request->wants_body);
	world->handler.on_body(world->handler.context, request, alloc_string(body), strlen(body));
	return request;
}

/* The client of a request that waits for something goes away. */
static void lose(struct world *world)
{
	world->handler.on_gone(world->handler.context, &world->request);
}

static void end(struct world *world)
{
	if (world->has_request)
		stub_request_finish(&world->request);
	http_route_destroy(world->route);
}

/* --- heads ------------------------------------------------------------------------- */

/* Which status a head gets; 0: it is served. */
struct row {
	const char *head;
	int status;
};

static void check_rows(enum access_kind access, const struct row *rows, size_t count)
{
	struct world world;
	size_t i;

	begin(&world, access);
	for (i = 0; i < count; i++) {
		struct http_request *request = send_head(&world, rows[i].head);

		if (request->status != rows[i].status)
			fail_msg("%d, not %d: %s", request->status, rows[i].status, rows[i].head);
		if (request->wants_body)
			lose(&world);
	}
	assert_int_equal(world.endpoint.received, 0);
	end(&world);
}

static void every_check_comes_before_the_next(void **state)
{
	static const struct row rows[] = {
		/* Each head has one fault less than the one before. */
		{ "PUT /nothing HTTP/1.1\r\nHost: evil\r\n" NOBODY NOBODY
		  "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n",
		  400 },
		{ "PUT /nothing HTTP/1.1\r\nHost: evil\r\n" NOBODY
		  "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n",
		  403 },
		{ "PUT /nothing HTTP/1.1\r\n" LOCAL NOBODY
		  "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n",
		  404 },
		{ "PUT /mcp HTTP/1.1\r\n" LOCAL NOBODY
		  "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n",
		  405 },
		{ POST LOCAL NOBODY "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n", 401 },
		{ POST LOCAL ADA "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n", 415 },
		{ POST LOCAL ADA TYPE "Content-Length: 99999999\r\nAccept: text/html\r\n\r\n",
		  413 },
		{ POST LOCAL ADA TYPE "Content-Length: 2\r\nAccept: text/html\r\n\r\n", 406 },
		{ POST LOCAL ADA TYPE "Content-Length: 2\r\n\r\n", 0 },
	};

	(void)state;
	check_rows(WITH_TOKENS, rows, ARRAY_LENGTH(rows));
}

static void host_and_origin_count_on_every_path(void **state)
{
	static const char *const paths[] = { "/mcp",	     "/",	 "/healthz",
					     "/metrics",     "/nothing", "/.well-known/x",
					     "/status.json", "*",	 "/sandboxes/a/end" };
	static const char *const faults[] = {
		"Host: evil.example\r\n",
		LOCAL "Origin: http://evil.example\r\n",
		LOCAL "Origin: null\r\n",
		LOCAL "Sec-Fetch-Site: cross-site\r\n",
	};
	struct world world;
	char head[512];
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(paths) * ARRAY_LENGTH(faults); i++) {
		const char *path = paths[i / ARRAY_LENGTH(faults)];

		(void)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\n%s" BOSS "\r\n",
			       *path == '*' ? "OPTIONS" : "GET", path,
			       faults[i % ARRAY_LENGTH(faults)]);
		if (send_head(&world, head)->status != 403)
			fail_msg("%d: %s", world.request.status, head);
		assert_false(world.request.is_trusted);
		assert_string_equal(world.served, "");
	}
	end(&world);
}

static void what_decides_may_stand_there_once(void **state)
{
	static const char *const names[] = {
		"Authorization",  "authorization", "Content-Type", "Origin",
		"Sec-Fetch-Site", "Mcp-Method",	   "mcp-name",	   "MCP-Protocol-Version",
		"Mcp-Session-Id", "Mcp-Param-X",
	};
	struct world world;
	char head[512];
	size_t i;

	(void)state;
	begin(&world, FOR_ALL_USERS);
	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		(void)snprintf(head, sizeof(head), POST LOCAL TYPE "%s: a\r\nX: y\r\n%s: a\r\n\r\n",
			       names[i], names[i]);
		if (send_head(&world, head)->status != 400)
			fail_msg("%d: %s", world.request.status, head);
		assert_non_null(strstr(world.request.body, "twice"));
	}
	send_head(&world, POST LOCAL TYPE "X: y\r\nX: y\r\nAccept: */*\r\nAccept: */*\r\n\r\n");
	assert_int_equal(world.request.status, 0);
	lose(&world);
	end(&world);
}

static void what_is_not_there_is_not_found(void **state)
{
	static const char *const paths[] = {
		"/mcp/",
		"/MCP",
		"/mcpx",
		"/mc",
		"//mcp",
		"/healthz/",
		"/sse",
		"/.well-known/oauth-protected-resource",
		"/.well-known",
		"/.well-known/oauth-authorization-server/mcp",
		"/%6dcp",
		"/sandboxes//end",
		"/sandboxes/a",
		"/sandboxes/a/../end",
		"/sandboxes",
		"/sandboxes/a/end/",
		"/sandboxes/a%2f/end",
		"/status",
	};
	struct world world;
	char head[512];
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(paths); i++) {
		(void)snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n" LOCAL "\r\n", paths[i]);
		if (send_head(&world, head)->status != 404)
			fail_msg("%d: %s", world.request.status, head);
		assert_string_equal(world.request.type, "text/plain; charset=utf-8");
		assert_string_equal(world.request.fields, "");
		assert_true(world.request.has_body);
	}
	/* A question mark ends the path, and nothing behind it is looked at. */
	send_head(&world, "POST /mcp?token=0123456789abcdef HTTP/1.1\r\n" LOCAL TYPE "\r\n");
	assert_int_equal(world.request.status, 401);
	end(&world);
}

static void a_method_that_a_path_does_not_take_is_told_which_it_does(void **state)
{
	static const struct {
		const char *head, *fields;
	} rows[] = {
		{ "PUT /mcp HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST, STUB\n" },
		{ "HEAD /mcp HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST, STUB\n" },
		{ "PATCH /mcp HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST, STUB\n" },
		{ "BREW /mcp HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST, STUB\n" },
		{ "OPTIONS /mcp HTTP/1.1\r\n" LOCAL "Origin: http://localhost:3000\r\n"
		  "Access-Control-Request-Method: POST\r\n\r\n",
		  "Allow: POST, STUB\n" },
		{ "POST / HTTP/1.1\r\n" LOCAL "\r\n", "Allow: GET, HEAD\n" },
		{ "DELETE /healthz HTTP/1.1\r\n" LOCAL "\r\n", "Allow: GET, HEAD\n" },
		{ "OPTIONS /status.json HTTP/1.1\r\n" LOCAL "\r\n", "Allow: GET, HEAD\n" },
		{ "POST /metrics HTTP/1.1\r\n" LOCAL "\r\n", "Allow: GET, HEAD\n" },
		{ "GET /sandboxes/a/end HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST\n" },
		{ "DELETE /sandboxes/a/end HTTP/1.1\r\n" LOCAL "\r\n", "Allow: POST\n" },
	};
	struct world world;
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		send_head(&world, rows[i].head);
		assert_int_equal(world.request.status, 405);
		assert_string_equal(world.request.fields, rows[i].fields);
	}
	end(&world);
}

static void a_token_is_wanted_on_all_methods(void **state)
{
	static const struct {
		const char *field;
		int status;
		const char *fields;
	} rows[] = {
		{ "", 401, "WWW-Authenticate: Bearer\n" },
		{ "Authorization: Basic YTpi\r\n", 401, "WWW-Authenticate: Bearer\n" },
		{ NOBODY, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\n" },
		{ "Authorization: Bearer a b\r\n", 400,
		  "WWW-Authenticate: Bearer error=\"invalid_request\"\n" },
		{ ADA, 0, "" },
		{ BOSS, 0, "" },
	};
	static const char *const methods[] = { "POST", "GET", "DELETE" };
	struct world world;
	char head[512];
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(rows) * ARRAY_LENGTH(methods); i++) {
		size_t row = i / ARRAY_LENGTH(methods);

		(void)snprintf(head, sizeof(head), "%s /mcp HTTP/1.1\r\n" LOCAL TYPE "%s\r\n",
			       methods[i % ARRAY_LENGTH(methods)], rows[row].field);
		send_head(&world, head);
		assert_int_equal(world.request.status, rows[row].status);
		assert_string_equal(world.request.fields, rows[row].fields);
		assert_int_equal(world.request.is_trusted, rows[row].status == 0);
		if (world.request.wants_body)
			lose(&world);
	}
	end(&world);
}

static void refusals_of_mcp_are_errors_of_json_rpc(void **state)
{
	static const char *const heads[] = {
		POST "Host: evil.example\r\n\r\n",
		POST LOCAL "\r\n",
		POST LOCAL "Authorization: Bearer\r\n\r\n",
		POST LOCAL NOBODY "\r\n",
		POST LOCAL ADA "\r\n",
		POST LOCAL ADA TYPE "Content-Length: 16777217\r\n\r\n",
		POST LOCAL ADA TYPE "Accept: text/html\r\n\r\n",
		"PUT /mcp HTTP/1.1\r\n" LOCAL "\r\n",
	};
	struct world world;
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(heads); i++) {
		const char *version, *message;
		json_t *body, *id;
		int code;

		send_head(&world, heads[i]);
		assert_string_equal(world.request.type, "application/json");
		body = json_loads(world.request.body, 0, NULL);
		assert_non_null(body);
		assert_int_equal(json_unpack(body, "{s:s, s:o, s:{s:i, s:s}}", "jsonrpc", &version,
					     "id", &id, "error", "code", &code, "message",
					     &message),
				 0);
		assert_string_equal(version, "2.0");
		assert_true(json_is_null(id));
		assert_int_equal(code, -32600);
		assert_true(strlen(message) > 20 && message[strlen(message) - 1] == '.');
		json_decref(body);
	}
	end(&world);
}

static void what_is_sent_is_json_of_a_bounded_length(void **state)
{
	static const struct row rows[] = {
		{ POST LOCAL "Content-Type: text/plain\r\n\r\n", 415 },
		{ POST LOCAL "Content-Type: application/json; charset=utf-8\r\n\r\n", 0 },
		{ POST LOCAL TYPE "Content-Length: 16777216\r\n\r\n", 0 },
		{ POST LOCAL TYPE "Content-Length: 16777217\r\n\r\n", 413 },
		{ POST LOCAL TYPE "Content-Length: 18446744073709551615\r\n\r\n", 413 },
		{ POST LOCAL TYPE "Transfer-Encoding: chunked\r\n\r\n", 0 },
		{ "GET /mcp HTTP/1.1\r\n" LOCAL "\r\n", 0 },
		{ "DELETE /mcp HTTP/1.1\r\n" LOCAL "Content-Type: text/plain\r\n\r\n", 0 },
		{ "DELETE /mcp HTTP/1.1\r\n" LOCAL "Content-Length: 16777217\r\n\r\n", 413 },
	};

	(void)state;
	check_rows(FOR_ALL_USERS, rows, ARRAY_LENGTH(rows));
}

static void an_accept_that_rules_us_out_is_told(void **state)
{
	static const struct row rows[] = {
		{ POST LOCAL TYPE "Accept: application/json, text/event-stream\r\n\r\n", 0 },
		{ POST LOCAL TYPE "Accept: application/json\r\n\r\n", 0 },
		{ POST LOCAL TYPE "Accept: text/html\r\n\r\n", 406 },
		{ POST LOCAL TYPE "Accept: text/html\r\nAccept: */*\r\n\r\n", 0 },
		{ "GET /mcp HTTP/1.1\r\n" LOCAL "Accept: text/event-stream\r\n\r\n", 0 },
		{ "GET /mcp HTTP/1.1\r\n" LOCAL "Accept: application/json\r\n\r\n", 406 },
		{ "DELETE /mcp HTTP/1.1\r\n" LOCAL "Accept: text/html\r\n\r\n", 0 },
	};

	(void)state;
	check_rows(FOR_ALL_USERS, rows, ARRAY_LENGTH(rows));
}

/* --- which local user it is -------------------------------------------------------- */

/* A connection from this process to itself; `peer` is its server's end. */
static int connect_to_ourselves(struct http_peer *peer)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
	*peer = (struct http_peer){ .is_loopback = true, .address = "127.0.0.1" };
	peer->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer->fd >= 0);
	(void)close(listener);
	return client;
}

static void without_tokens_our_own_user_and_root_are_served(void **state)
{
	struct http_peer peer;
	struct world world;
	int client = connect_to_ourselves(&peer);

	(void)state;
	begin(&world, FOR_OUR_USER);
	send_from(&world, POST LOCAL TYPE "\r\n", &peer);
	assert_int_equal(world.request.status, 0);
	assert_true(world.request.is_trusted);
	lose(&world);
	send_from(&world, "GET /metrics HTTP/1.1\r\n" LOCAL "\r\n", &peer);
	assert_string_equal(world.served, "0 /metrics - operator");
	peer = (struct http_peer){ .is_unix = true, .has_uid = true, .uid = geteuid(), .fd = -1 };
	send_from(&world, POST LOCAL TYPE "\r\n", &peer);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	peer.uid = 0;
	send_from(&world, POST LOCAL TYPE "\r\n", &peer);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	(void)close(client);
	end(&world);
}

static void without_tokens_other_users_are_refused_with_the_remedy(void **state)
{
	struct http_peer other = { .is_unix = true, .has_uid = true, .uid = 54321, .fd = -1 };
	struct world world;

	(void)state;
	begin(&world, FOR_OUR_USER);
	send_from(&world, POST LOCAL TYPE "\r\n", &other);
	assert_int_equal(world.request.status, 403);
	assert_false(world.request.is_trusted);
	assert_non_null(strstr(world.request.body, "--allow-local-users"));
	assert_non_null(strstr(world.request.body, "--auth-token-file"));
	send_from(&world, "GET /metrics HTTP/1.1\r\n" LOCAL "\r\n", &other);
	assert_int_equal(world.request.status, 403);
	send_from(&world, "GET /status.json HTTP/1.1\r\n" LOCAL "\r\n", &other);
	assert_int_equal(world.request.status, 403);
	assert_string_equal(world.served, "");
	send_from(&world, "GET /healthz HTTP/1.1\r\n" LOCAL "\r\n", &other);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	end(&world);
	begin(&world, FOR_ALL_USERS);
	send_from(&world, POST LOCAL TYPE "\r\n", &other);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	end(&world);
}

static void who_cannot_be_told_is_refused_with_the_remedy(void **state)
{
	struct http_peer nobody = { .is_unix = true, .fd = -1 };
	struct http_peer closed;
	struct world world;
	int client = connect_to_ourselves(&closed);

	(void)state;
	(void)close(client);
	begin(&world, FOR_OUR_USER);
	send_from(&world, POST LOCAL TYPE "\r\n", &nobody);
	assert_int_equal(world.request.status, 403);
	send_from(&world, POST LOCAL TYPE "\r\n", &closed);
	assert_int_equal(world.request.status, 403);
	assert_non_null(strstr(world.request.body, "does not tell which of its users"));
	assert_non_null(strstr(world.request.body, "--allow-local-users"));
	assert_non_null(strstr(world.request.body, "--auth-token-file"));
	/* A client may bind any address of this machine before it connects. */
	closed.is_loopback = false;
	send_from(&world, POST LOCAL TYPE "\r\n", &closed);
	assert_int_equal(world.request.status, 403);
	/* Once others can reach us without a token, that was asked for. */
	http_route_expose(world.route);
	send_from(&world, POST LOCAL TYPE "\r\n", &closed);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	closed.is_loopback = true;
	send_from(&world, POST LOCAL TYPE "\r\n", &closed);
	assert_int_equal(world.request.status, 403);
	(void)close(closed.fd);
	end(&world);
}

/* --- pages ------------------------------------------------------------------------- */

static void pages_are_for_whom_they_are_for(void **state)
{
	static const struct {
		const char *line, *field;
		int status;
		const char *served;
	} rows[] = {
		{ "GET /", "", 202, "0 / -" },
		{ "GET /status.json", "", 401, "" },
		{ "GET /status.json", NOBODY, 401, "" },
		{ "GET /status.json", ADA, 202, "0 /status.json ada" },
		{ "GET /status.json", BOSS, 202, "0 /status.json boss operator" },
		{ "GET /metrics", "", 401, "" },
		{ "GET /metrics", ADA, 403, "" },
		{ "HEAD /metrics", BOSS, 202, "1 /metrics boss operator" },
		{ "POST /sandboxes/0123456789ab/end", "", 401, "" },
		{ "POST /sandboxes/0123456789ab/end", ADA, 403, "" },
		{ "POST /sandboxes/0123456789ab/end", BOSS, 202,
		  "2 /sandboxes/0123456789ab/end boss operator" },
	};
	struct world world;
	char head[512];
	size_t i;

	(void)state;
	begin(&world, WITH_TOKENS);
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		(void)snprintf(head, sizeof(head), "%s HTTP/1.1\r\n" LOCAL "%s\r\n", rows[i].line,
			       rows[i].field);
		send_head(&world, head);
		assert_int_equal(world.request.status, rows[i].status);
		assert_string_equal(world.served, rows[i].served);
		assert_string_equal(world.request.type, rows[i].status == 202
								? "text/x-page"
								: "text/plain; charset=utf-8");
	}
	send_head(&world, "GET /metrics HTTP/1.1\r\n" LOCAL ADA "\r\n");
	assert_string_equal(world.request.fields,
			    "WWW-Authenticate: Bearer error=\"insufficient_scope\"\n");
	send_head(&world, "GET / HTTP/1.1\r\n" LOCAL "\r\n");
	assert_string_equal(world.request.fields, "Cache-Control: no-store\n");
	assert_string_equal(world.request.body, "page");
	end(&world);
}

static void pages_that_were_not_asked_for_are_not_there(void **state)
{
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\n" LOCAL "\r\n",
		"GET /status.json HTTP/1.1\r\n" LOCAL "\r\n",
		"POST /sandboxes/a/end HTTP/1.1\r\n" LOCAL "\r\n",
		"GET /metrics HTTP/1.1\r\n" LOCAL "\r\n",
	};
	struct world world = { 0 };
	const struct http_route_config config = { .endpoint = &world.endpoint,
						  .pages = { serve, serve_health, lose_page, &world,
							     false, false },
						  .allows_local_users = true };
	size_t i;

	(void)state;
	world.route = http_route_create(&config, NULL);
	world.handler = http_route_handler(world.route);
	for (i = 0; i < ARRAY_LENGTH(heads); i++)
		assert_int_equal(send_head(&world, heads[i])->status, 404);
	send_body(&world, "GET /healthz HTTP/1.1\r\n" LOCAL "\r\n", "");
	assert_int_equal(world.request.status, 200);
	end(&world);
}

static void health_is_open_and_may_take_time(void **state)
{
	static const struct http_page not_ok = { .status = 503 };
	struct world world;

	(void)state;
	begin(&world, WITH_TOKENS);
	send_body(&world, "HEAD /healthz HTTP/1.1\r\n" LOCAL NOBODY "\r\n", "");
	assert_int_equal(world.request.status, 200);
	assert_int_equal(world.request.max_body_bytes, 0);
	assert_false(world.request.is_trusted);
	world.delays_health = true;
	send_body(&world, "GET /healthz HTTP/1.1\r\n" LOCAL "\r\n", "");
	assert_int_equal(world.request.status, 0);
	assert_ptr_equal(world.asks_health, &world.request);
	http_page_answer(&world.request, &not_ok);
	assert_int_equal(world.request.status, 503);
	send_body(&world, "GET /healthz HTTP/1.1\r\n" LOCAL "\r\n", "");
	lose(&world);
	assert_ptr_equal(world.lost, &world.request);
	assert_string_equal(world.served, "");
	end(&world);
}

/* --- MCP --------------------------------------------------------------------------- */

static void the_endpoint_is_told_who_asks_and_by_which_headers(void **state)
{
	struct world world;

	(void)state;
	begin(&world, WITH_TOKENS);
	send_body(&world,
		  POST LOCAL TYPE ADA "mcp-session-id: s1\r\nMcp-Protocol-Version: v\r\n"
				      "Mcp-Method: m\r\nMcp-Name: n\r\n\r\n",
		  "{}");
	assert_string_equal(world.endpoint.asked, "POST ada s1 v m n");
	assert_string_equal(world.endpoint.body, "{}");
	assert_int_equal(world.endpoint.bytes, 2);
	assert_int_equal(world.request.max_body_bytes, LIMIT_MESSAGE_BYTES);
	assert_true(world.request.is_released);
	lose(&world);
	send_body(&world, "GET /mcp HTTP/1.1\r\n" LOCAL BOSS "Mcp-Session-Id: s2\r\n\r\n", "");
	assert_string_equal(world.endpoint.asked, "GET boss s2 - - -");
	assert_string_equal(world.endpoint.body, "-");
	lose(&world);
	send_body(&world, "DELETE /mcp HTTP/1.1\r\n" LOCAL ADA "\r\n", "dropped");
	assert_string_equal(world.endpoint.asked, "DELETE ada - - - -");
	assert_string_equal(world.endpoint.body, "-");
	assert_int_equal(world.endpoint.bytes, 0);
	assert_true(world.request.is_released);
	lose(&world);
	end(&world);
	begin(&world, FOR_ALL_USERS);
	send_body(&world, POST LOCAL TYPE ADA "\r\n", "");
	assert_string_equal(world.endpoint.asked, "POST - - - - -");
	assert_string_equal(world.endpoint.body, "");
	lose(&world);
	end(&world);
}

static void answer_at_once(const struct exchange_callbacks *callbacks)
{
	callbacks->answer(callbacks->context, 200, alloc_string("{\"a\":1}"), 7, "session-1");
}

static void stream_at_once(const struct exchange_callbacks *callbacks)
{
	callbacks->open_stream(callbacks->context);
	callbacks->send(callbacks->context, alloc_string("one"), 3);
	callbacks->end_stream(callbacks->context);
}

static void an_answer_may_come_from_inside(void **state)
{
	struct world world;

	(void)state;
	begin(&world, FOR_ALL_USERS);
	world.endpoint.act = answer_at_once;
	send_body(&world, POST LOCAL TYPE "\r\n", "{}");
	assert_int_equal(world.request.status, 200);
	assert_string_equal(world.request.type, "application/json");
	assert_string_equal(world.request.fields, "Mcp-Session-Id: session-1\n");
	assert_string_equal(world.request.body, "{\"a\":1}");
	world.endpoint.act = stream_at_once;
	send_body(&world, POST LOCAL TYPE "\r\n", "{}");
	assert_true(world.request.is_ended);
	assert_string_equal(world.request.events, "one\n");
	assert_int_equal(world.endpoint.abandoned, 0);
	end(&world);
}

static void an_answer_may_come_later(void **state)
{
	static const struct {
		int status;
		const char *fields;
	} rows[] = {
		{ 202, "" },
		{ 204, "" },
		{ 404, "" },
		{ 405, "Allow: POST, STUB\n" },
		{ 503, "Retry-After: 1\n" },
	};
	struct world world;
	size_t i;

	(void)state;
	begin(&world, FOR_ALL_USERS);
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct exchange_callbacks *callbacks = &world.endpoint.callbacks;

		send_body(&world, POST LOCAL TYPE "\r\n", "{}");
		assert_int_equal(world.request.status, 0);
		callbacks->answer(callbacks->context, rows[i].status, NULL, 0, NULL);
		assert_int_equal(world.request.status, rows[i].status);
		assert_string_equal(world.request.fields, rows[i].fields);
		assert_string_equal(world.request.type, "-");
		assert_false(world.request.has_body);
	}
	end(&world);
}

static void a_stream_carries_what_the_endpoint_sends(void **state)
{
	struct world world;
	const struct exchange_callbacks *callbacks = &world.endpoint.callbacks;

	(void)state;
	begin(&world, FOR_ALL_USERS);
	send_body(&world, POST LOCAL TYPE "\r\n", "{}");
	callbacks->open_stream(callbacks->context);
	assert_true(world.request.is_stream);
	callbacks->send(callbacks->context, alloc_string("one"), 3);
	callbacks->send(callbacks->context, alloc_string("two"), 3);
	assert_string_equal(world.request.events, "one\ntwo\n");
	assert_false(world.request.is_ended);
	callbacks->end_stream(callbacks->context);
	assert_true(world.request.is_ended);
	end(&world);
}

static void who_goes_away_abandons_the_exchange_if_there_is_one(void **state)
{
	struct world world;
	const struct exchange_callbacks *callbacks = &world.endpoint.callbacks;

	(void)state;
	begin(&world, FOR_ALL_USERS);
	/* Before its body came. */
	send_head(&world, POST LOCAL TYPE "\r\n");
	lose(&world);
	assert_int_equal(world.endpoint.received, 0);
	assert_int_equal(world.endpoint.abandoned, 0);
	/* While its call runs. */
	send_body(&world, POST LOCAL TYPE "\r\n", "{}");
	lose(&world);
	assert_int_equal(world.endpoint.abandoned, 1);
	/* From its stream. */
	send_body(&world, POST LOCAL TYPE "\r\n", "{}");
	callbacks->open_stream(callbacks->context);
	lose(&world);
	assert_int_equal(world.endpoint.abandoned, 2);
	assert_false(world.request.is_ended);
	end(&world);
}

/* --- life -------------------------------------------------------------------------- */

static void a_reload_counts_from_the_next_request_on(void **state)
{
	struct world world;

	(void)state;
	begin(&world, WITH_TOKENS);
	send_head(&world, POST LOCAL TYPE ADA "\r\n");
	http_route_set_tokens(world.route, make_tokens("eve 0000000000000000\n"));
	/* Who was let in keeps the name. */
	world.handler.on_body(world.handler.context, &world.request, alloc_string("{}"), 2);
	assert_string_equal(world.endpoint.asked, "POST ada - - - -");
	lose(&world);
	send_head(&world, POST LOCAL TYPE ADA "\r\n");
	assert_int_equal(world.request.status, 401);
	send_body(&world, POST LOCAL TYPE NOBODY "\r\n", "{}");
	assert_string_equal(world.endpoint.asked, "POST eve - - - -");
	lose(&world);
	end(&world);
}

static void tokens_and_exposure_open_the_server_to_proxies(void **state)
{
	static const char head[] = POST "Host: proxy.example\r\n" TYPE ADA "\r\n";
	struct world world;

	(void)state;
	begin(&world, WITH_TOKENS);
	assert_int_equal(send_head(&world, head)->status, 403);
	http_route_expose(world.route);
	assert_int_equal(send_head(&world, head)->status, 0);
	lose(&world);
	end(&world);
	begin(&world, FOR_ALL_USERS);
	http_route_expose(world.route);
	assert_int_equal(send_head(&world, head)->status, 403);
	end(&world);
}

static void the_address_of_a_connection_is_a_good_host(void **state)
{
	struct http_peer peer;
	struct world world;
	int client = connect_to_ourselves(&peer);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	begin(&world, FOR_ALL_USERS);
	send_from(&world, POST "Host: [::ffff:127.0.0.1]\r\n" TYPE "\r\n", &peer);
	assert_int_equal(world.request.status, 0);
	lose(&world);
	if (six >= 0 && bind(six, (struct sockaddr *)&address, sizeof(address)) == 0) {
		peer.fd = six;
		send_from(&world, POST "Host: [::1]\r\n" TYPE "\r\n", &peer);
		assert_int_equal(world.request.status, 0);
		lose(&world);
	}
	(void)close(six);
	(void)close(client);
	end(&world);
}

static void a_name_that_cannot_be_one_is_an_error(void **state)
{
	static const char *const hosts[] = { "http://kiln.example", NULL };
	struct world world = { 0 };
	struct error err = ERROR_INIT;
	const struct http_route_config config = { .endpoint = &world.endpoint,
						  .origin = { .allowed_hosts = hosts },
						  .tokens = make_tokens(token_file) };

	(void)state;
	assert_null(http_route_create(&config, &err));
	assert_int_equal(err.kind, ERROR_USAGE);
	http_route_destroy(NULL);
}

/* What stderr gets while `count` requests come. */
static void note_log(struct world *world, const char *head, int count, char *text, size_t size)
{
	int saved = dup(STDERR_FILENO);
	int ends[2];
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	while (count-- > 0)
		send_head(world, head);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(ends[1]);
	got = read(ends[0], text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	(void)close(ends[0]);
}

static void guessed_tokens_are_logged_at_a_rate_and_never_as_such(void **state)
{
	struct world world;
	char text[65536];
	const char *at = text;
	unsigned lines = 0;

	(void)state;
	begin(&world, WITH_TOKENS);
	note_log(&world, POST LOCAL NOBODY "\r\n", 5000, text, sizeof(text));
	while ((at = strstr(at, "request_refused"))) {
		lines++;
		at++;
	}
	assert_true(lines >= LIMIT_REFUSALS_LOGGED && lines < 2500);
	assert_non_null(strstr(text, "from=\"192.0.2.7\" reason=\"This server does not know that "
				     "token.\" suppressed=0\n"));
	assert_null(strstr(text, "0000000000"));
	/* Who has none yet asks in order to hear that one is wanted. */
	note_log(&world, POST LOCAL "\r\n", 10, text, sizeof(text));
	assert_string_equal(text, "");
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_check_comes_before_the_next),
		cmocka_unit_test(host_and_origin_count_on_every_path),
		cmocka_unit_test(what_decides_may_stand_there_once),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(a_method_that_a_path_does_not_take_is_told_which_it_does),
		cmocka_unit_test(a_token_is_wanted_on_all_methods),
		cmocka_unit_test(refusals_of_mcp_are_errors_of_json_rpc),
		cmocka_unit_test(what_is_sent_is_json_of_a_bounded_length),
		cmocka_unit_test(an_accept_that_rules_us_out_is_told),
		cmocka_unit_test(without_tokens_our_own_user_and_root_are_served),
		cmocka_unit_test(without_tokens_other_users_are_refused_with_the_remedy),
		cmocka_unit_test(who_cannot_be_told_is_refused_with_the_remedy),
		cmocka_unit_test(pages_are_for_whom_they_are_for),
		cmocka_unit_test(pages_that_were_not_asked_for_are_not_there),
		cmocka_unit_test(health_is_open_and_may_take_time),
		cmocka_unit_test(the_endpoint_is_told_who_asks_and_by_which_headers),
		cmocka_unit_test(an_answer_may_come_from_inside),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(a_stream_carries_what_the_endpoint_sends),
		cmocka_unit_test(who_goes_away_abandons_the_exchange_if_there_is_one),
		cmocka_unit_test(a_reload_counts_from_the_next_request_on),
		cmocka_unit_test(tokens_and_exposure_open_the_server_to_proxies),
		cmocka_unit_test(the_address_of_a_connection_is_a_good_host),
		cmocka_unit_test(a_name_that_cannot_be_one_is_an_error),
		cmocka_unit_test(guessed_tokens_are_logged_at_a_rate_and_never_as_such),
	};

	return cmocka_run_group_tests_name("transport-http_route", tests, NULL, NULL);
}
