/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/transport/http_world.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path_, length_, body_)                                                                \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length_ "\r\n\r\n" body_

/* A client with an open stream, whose head it has read. */
static void open_stream(struct world *world, struct client *client,
			const struct http_server_config *config)
{
	world_open(world, config);
	client_open(client, world);
	client_send(client, POST("/stream", "2", "{}"));
	client_expect(client, "\r\n\r\n");
	assert_int_equal(world->held_count, 1);
}

static void open_plain_stream(struct world *world, struct client *client)
{
	struct http_server_config config;

	world_prepare(world, &config);
	open_stream(world, client, &config);
}

static void close_both(struct world *world, struct client *client)
{
	client_close(client);
	world_close(world);
}

static void send_event(struct world *world, const char *text)
{
	http_stream_send(world->held[0], alloc_string(text), strlen(text));
}

static void end_stream(struct world *world)
{
	struct http_request *request = world->held[0];

	world->held[0] = NULL;
	http_stream_end(request);
}

static void a_stream_is_chunked_and_says_what_it_is(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world_open(&world, &config);
	client_open(&client, &world);
	client_send(&client, POST("/stream", "2", "{}"));
	client_expect(&client, "HTTP/1.1 200 OK\r\n");
	client_expect(&client, "Content-Type: text/event-stream\r\n"
			       "X-Content-Type-Options: nosniff\r\n"
			       "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
			       "Mcp-Session-Id: abc\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_event(&world, "{\"id\":1}");
	client_expect(&client, "1f\r\nevent: message\ndata: {\"id\":1}\n\n\r\n");
	send_event(&world, "{\"id\":2}");
	send_event(&world, "{\"id\":3}");
	end_stream(&world);
	client_expect(&client, "1f\r\nevent: message\ndata: {\"id\":2}\n\n\r\n"
			       "1f\r\nevent: message\ndata: {\"id\":3}\n\n\r\n0\r\n\r\n");
	close_both(&world, &client);
	assert_int_equal(world.gone, 0);
}

static void the_next_request_comes_behind_the_streams_end(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	client_send(&client, GET("/now"));
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	assert_int_equal(world.heads, 1);
	end_stream(&world);
	client_expect(&client, "0\r\n\r\nHTTP/1.1 200 OK\r\n");
	client_expect(&client, "\r\n\r\nnow");
	close_both(&world, &client);
}

static void a_stream_may_begin_at_the_head(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world_open(&world, &config);
	client_open(&client, &world);
	client_send(&client, GET("/early"));
	client_expect(&client, "Transfer-Encoding: chunked\r\n\r\n");
	end_stream(&world);
	client_expect(&client, "0\r\n\r\n");
	close_both(&world, &client);
}

static void a_stream_of_http_1_0_ends_with_the_connection(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world_open(&world, &config);
	client_open(&client, &world);
	client_send(&client, "POST /stream HTTP/1.0\r\nContent-Length: 2\r\n"
			     "Connection: keep-alive\r\n\r\n{}");
	client_expect(&client, "Connection: close\r\n\r\n");
	send_event(&world, "1");
	end_stream(&world);
	client_expect(&client, "event: message\ndata: 1\n\n");
	client_expect_end(&client);
	close_both(&world, &client);
}

static void a_quiet_stream_has_comments(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world.patience.comment_ms = 20;
	open_stream(&world, &client, &config);
	for (int i = 0; i < 3; i++)
		client_expect(&client, "4\r\n: \n\n\r\n");
	close_both(&world, &client);
}

/* Closing is no reset; the comment that follows it at once brings one. */
static void who_closes_an_open_stream_is_gone(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_null(world.held[0]);
	assert_int_equal(world_connections(&world), 0);
	close_both(&world, &client);
}

static void who_closes_before_the_stream_opens_is_gone_then(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world_open(&world, &config);
	client_open(&client, &world);
	client_send(&client, POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 1);
	client_close(&client);
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	assert_non_null(world.held[0]);
	http_stream_open(world.held[0], NULL, 0);
	world_wait(&world, world.gone == 1);
	close_both(&world, &client);
}

static void who_closes_with_a_request_unread_is_gone(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	client_send(&client, GET("/now") GET("/now"));
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_int_equal(world.heads, 1);
	close_both(&world, &client);
}

static void who_has_only_finished_sending_keeps_the_stream(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	client_expect(&client, "4\r\n: \n\n\r\n");
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	send_event(&world, "{}");
	end_stream(&world);
	client_expect(&client, "data: {}\n\n\r\n0\r\n\r\n");
	client_expect_end(&client);
	assert_int_equal(world.gone, 0);
	close_both(&world, &client);
}

/* As much as the kernel takes, and how much that was. */
static size_t push(struct client *client)
{
	char *data = alloc_zeroed(MIB);
	size_t total = 0;

	memset(data, 'x', MIB);
	for (int quiet = 0; quiet < 50;) {
		ssize_t sent = send(client->fd, data, MIB, MSG_DONTWAIT | MSG_NOSIGNAL);

		quiet = sent > 0 ? 0 : quiet + 1;
		total += sent > 0 ? (size_t)sent : 0;
		assert_true(total < 100 * MIB);
		world_turn(client->world);
	}
	free(data);
	return total;
}

static void bytes_pushed_into_a_stream_stay_with_the_sender(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	assert_true(push(&client) < 64 * MIB);
	assert_int_equal(budget_used(world.budget), 0);
	send_event(&world, "{}");
	client_expect(&client, "data: {}\n\n\r\n");
	close_both(&world, &client);
}

/* The end of what it sends is behind bytes that nobody takes: only an answer shows that it left. */
static void who_pushes_into_a_stream_and_leaves_is_gone_by_the_next_comment(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world.patience.comment_ms = 50;
	open_stream(&world, &client, &config);
	(void)push(&client);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	close_both(&world, &client);
}

static char *large_message(size_t bytes)
{
	char *message = alloc_zeroed(bytes + 1);

	memset(message, 'x', bytes);
	return message;
}

static void who_never_reads_loses_the_stream_when_too_much_waits(void **state)
{
	struct world world;
	struct client client;
	unsigned sent = 0;

	(void)state;
	open_plain_stream(&world, &client);
	while (world.held[0]) {
		assert_true(++sent < 200);
		http_stream_send(world.held[0], large_message(MIB), MIB);
		assert_true(budget_used(world.budget) < LIMIT_HTTP_UNSENT_BYTES + 2 * MIB);
		world_turn(&world);
	}
	assert_true(sent > LIMIT_HTTP_UNSENT_BYTES / MIB);
	assert_int_equal(world.gone, 1);
	assert_int_equal(budget_used(world.budget), 0);
	client_wait_for_end(&client);
	close_both(&world, &client);
}

static void a_burst_to_who_never_reads_is_bounded_too(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_plain_stream(&world, &client);
	for (int i = 0; i < 100; i++)
		http_stream_send(world.held[0], large_message(MIB), MIB);
	assert_true(budget_used(world.budget) < LIMIT_HTTP_UNSENT_BYTES + 2 * MIB);
	world_wait(&world, world.gone == 1);
	close_both(&world, &client);
}

static void who_takes_nothing_for_long_loses_the_stream(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world.patience.stall_ms = 100;
	open_stream(&world, &client, &config);
	http_stream_send(world.held[0], large_message(8 * MIB), 8 * MIB);
	assert_true(budget_used(world.budget) > 0);
	world_wait(&world, world.gone == 1);
	close_both(&world, &client);
}

static void who_reads_gets_all_of_a_large_event(void **state)
{
	struct world world;
	struct client client;
	char *message = large_message(8 * MIB);

	(void)state;
	open_plain_stream(&world, &client);
	http_stream_send(world.held[0], large_message(8 * MIB), 8 * MIB);
	client_expect(&client, "800017\r\nevent: message\ndata: ");
	client_expect(&client, message);
	client_expect(&client, "\n\n\r\n");
	assert_int_equal(budget_used(world.budget), 0);
	free(message);
	close_both(&world, &client);
}

static void streams_are_counted(void **state)
{
	struct http_server_counts counts;
	struct world world;
	struct client client, other;

	(void)state;
	open_plain_stream(&world, &client);
	client_open(&other, &world);
	client_send(&other, POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 2);
	http_server_count(world.server, &counts);
	assert_int_equal(counts.connections, 2);
	assert_int_equal(counts.requests, 2);
	assert_int_equal(counts.streams, 1);
	assert_int_equal(counts.untrusted, 0);
	client_close(&other);
	close_both(&world, &client);
	assert_int_equal(world.gone, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_chunked_and_says_what_it_is),
		cmocka_unit_test(the_next_request_comes_behind_the_streams_end),
		cmocka_unit_test(a_stream_may_begin_at_the_head),
		cmocka_unit_test(a_stream_of_http_1_0_ends_with_the_connection),
		cmocka_unit_test(a_quiet_stream_has_comments),
		cmocka_unit_test(who_closes_an_open_stream_is_gone),
		cmocka_unit_test(who_closes_before_the_stream_opens_is_gone_then),
		cmocka_unit_test(who_closes_with_a_request_unread_is_gone),
		cmocka_unit_test(who_has_only_finished_sending_keeps_the_stream),
		cmocka_unit_test(bytes_pushed_into_a_stream_stay_with_the_sender),
		cmocka_unit_test(who_pushes_into_a_stream_and_leaves_is_gone_by_the_next_comment),
		cmocka_unit_test(who_never_reads_loses_the_stream_when_too_much_waits),
		cmocka_unit_test(a_burst_to_who_never_reads_is_bounded_too),
		cmocka_unit_test(who_takes_nothing_for_long_loses_the_stream),
		cmocka_unit_test(who_reads_gets_all_of_a_large_event),
		cmocka_unit_test(streams_are_counted),
	};

	return cmocka_run_group_tests_name("transport-http_stream", tests, NULL, NULL);
}
