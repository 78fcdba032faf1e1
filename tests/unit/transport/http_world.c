/* SPDX-License-Identifier: MIT */
#include "tests/unit/transport/http_world.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the handler ---------------------------------------------------------------------- */

static bool is_path(const struct http_request *request, const char *path)
{
	return strcmp(http_request_head(request)->path, path) == 0;
}

static void hold(struct world *world, struct http_request *request)
{
	assert_true(world->held_count < WORLD_HELD);
	http_request_set_user(request, &world->held[world->held_count]);
	world->held[world->held_count++] = request;
}

static void let_go(struct http_request *request)
{
	struct http_request **place = http_request_user(request);

	if (place)
		*place = NULL;
}

static void reply_text(struct http_request *request, int status, const char *text)
{
	http_reply(request, status, "text/plain", NULL, 0, alloc_string(text), strlen(text));
}

static void on_head(void *context, struct http_request *request)
{
	struct world *world = context;

	world->heads++;
	assert_null(http_request_user(request));
	if (is_path(request, "/now")) {
		reply_text(request, 200, "now");
	} else if (is_path(request, "/refused")) {
		struct http_field field = { "WWW-Authenticate", "Bearer" };

		http_reply(request, 401, "text/plain", &field, 1, alloc_string("who?"), 4);
	} else if (is_path(request, "/early")) {
		http_stream_open(request, NULL, 0);
		hold(world, request);
	} else if (is_path(request, "/echo-stranger")) {
		http_request_read_body(request, WORLD_MAX_BODY_BYTES);
	} else {
		http_request_trust(request, http_head_find(http_request_head(request), "Name"));
		http_request_read_body(request, WORLD_MAX_BODY_BYTES);
	}
}

static void on_body(void *context, struct http_request *request, char *body, size_t bytes)
{
	struct world *world = context;
	struct http_field field = { "Mcp-Session-Id", "abc" };

	world->bodies++;
	world->body_bytes = bytes;
	assert_int_equal(body[bytes], '\0');
	if (strncmp(http_request_head(request)->path, "/echo", 5) == 0) {
		http_reply(request, 200, "application/json", &field, 1, body, bytes);
		return;
	}
	free(body);
	http_request_release_body(request);
	hold(world, request);
	if (is_path(request, "/stream"))
		http_stream_open(request, &field, 1);
}

static void on_gone(void *context, struct http_request *request)
{
	struct world *world = context;

	world->gone++;
	let_go(request);
}

static void on_tick(void *context)
{
	(void)context;
}

/* --- the world ------------------------------------------------------------------------ */

void world_prepare(struct world *world, struct http_server_config *config)
{
	struct error err = ERROR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	*world = (struct world){ .loop = loop_create(&err), .budget = budget_create(64 * MIB) };
	assert_non_null(world->loop);
	world->tick = loop_timer_create(world->loop, on_tick, NULL);
	world->patience = (struct http_patience){ WORLD_LONG_MS, WORLD_LONG_MS, WORLD_LONG_MS,
						  WORLD_LONG_MS, WORLD_LONG_MS, WORLD_LONG_MS };
	*config = (struct http_server_config){
		.loop = world->loop,
		.handler = { on_head, on_body, on_gone, world },
		.budget = world->budget,
		.patience = &world->patience,
	};
}

void world_open(struct world *world, const struct http_server_config *config)
{
	struct error err = ERROR_INIT;

	world->server = http_server_create(config, &err);
	if (!world->server)
		fail_msg("%s", err.message);
	assert_int_equal(http_server_listen_tcp(world->server, "127.0.0.1", 0, &err), 0);
	assert_int_not_equal(http_server_port(world->server), 0);
}

void world_open_plain(struct world *world)
{
	struct http_server_config config;

	world_prepare(world, &config);
	world_open(world, &config);
}

void world_close(struct world *world)
{
	http_server_destroy(world->server);
	assert_int_equal(budget_used(world->budget), 0);
	budget_destroy(world->budget);
	loop_timer_destroy(world->tick);
	loop_destroy(world->loop);
}

void world_turn(struct world *world)
{
	loop_timer_start(world->tick, 1);
	assert_int_equal(loop_run_once(world->loop), 0);
}

void world_on_idle(void *context)
{
	struct world *world = context;

	assert_false(world->is_idle);
	world->is_idle = true;
}

unsigned world_connections(const struct world *world)
{
	struct http_server_counts counts;

	http_server_count(world->server, &counts);
	return counts.connections;
}

void world_answer(struct world *world, unsigned index, const char *text)
{
	struct http_request *request = world->held[index];

	assert_non_null(request);
	let_go(request);
	reply_text(request, 200, text);
}

/* --- clients --------------------------------------------------------------------------- */

void client_use(struct client *client, struct world *world, int fd)
{
	*client = (struct client){ .world = world, .fd = fd };
	buf_init(&client->received, 64 * MIB);
}

void client_open(struct client *client, struct world *world)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)http_server_port(world->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	client_use(client, world, fd);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
	buf_finish(&client->received);
}

bool client_send_bytes(struct client *client, const char *data, size_t bytes)
{
	uint64_t until_ms = clock_now_ms() + 60000;

	while (bytes > 0) {
		ssize_t sent = send(client->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent > 0) {
			data += sent;
			bytes -= (size_t)sent;
		}
		if (clock_now_ms() > until_ms)
			return false;
		world_turn(client->world);
	}
	return true;
}

void client_send(struct client *client, const char *text)
{
	assert_true(client_send_bytes(client, text, strlen(text)));
}

void client_read(struct client *client)
{
	char data[16384];
	ssize_t bytes;

	while ((bytes = recv(client->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		assert_int_equal(buf_append(&client->received, data, (size_t)bytes), 0);
	client->has_ended = client->has_ended || bytes == 0;
	client->is_reset = client->is_reset || (bytes < 0 && errno != EAGAIN);
}

static char *find(const struct client *client, const char *text)
{
	if (client->received.length == 0)
		return NULL;
	return memmem(client->received.data, client->received.length, text, strlen(text));
}

void client_expect(struct client *client, const char *text)
{
	uint64_t until_ms = clock_now_ms() + 60000;
	const char *found;

	while (!(found = find(client, text))) {
		if (clock_now_ms() > until_ms || client->has_ended || client->is_reset)
			fail_msg("no \"%s\" in: %.*s", text, (int)client->received.length,
				 client->received.data ? client->received.data : "");
		world_turn(client->world);
		client_read(client);
	}
	buf_consume(&client->received, (size_t)(found - client->received.data) + strlen(text));
}

void client_expect_end(struct client *client)
{
	world_wait(client->world, (client_read(client), client->has_ended || client->is_reset));
	assert_false(client->is_reset);
	if (client->received.length > 0)
		fail_msg("before the end came: %.*s", (int)client->received.length,
			 client->received.data);
}

void client_wait_for_end(struct client *client)
{
	world_wait(client->world, (client_read(client), client->has_ended || client->is_reset));
}
