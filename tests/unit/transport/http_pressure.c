/* SPDX-License-Identifier: MIT */
#include "transport/http/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/transport/http_world.h"
#include "tests/unit/unit.h"
#include "transport/http/state.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path_, length_, body_)                                                                \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length_ "\r\n\r\n" body_
#define CHUNKED(path_)                                                                             \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

/* More than are looked at for one place. */
#define CROWD (2 * LIMIT_HTTP_LAST_LOOKS)
#define ONE_BYTE_CHUNKS 20000

static void open_small(struct world *world, unsigned max_connections)
{
	struct http_server_config config;

	world_prepare(world, &config);
	config.max_connections = max_connections;
	world_open(world, &config);
}

/* The next one that the server has. */
static void open_next(struct world *world, struct client *client)
{
	unsigned before = world_connections(world);

	client_open(client, world);
	world_wait(world, world_connections(world) == before + 1);
}

static void become_trusted(struct client *client)
{
	client_send(client, POST("/echo", "1", "x"));
	client_expect(client, "\r\n\r\nx");
}

/* --- who gives way ------------------------------------------------------------------ */

static void who_has_shown_least_gives_way_first(void **state)
{
	struct world world;
	struct client trusted, stranger, refused, half_open, late[5];

	(void)state;
	open_small(&world, 4);
	open_next(&world, &trusted);
	become_trusted(&trusted);
	open_next(&world, &stranger);
	client_send(&stranger, GET("/now"));
	client_expect(&stranger, "\r\n\r\nnow");
	open_next(&world, &refused);
	client_send(&refused, POST("/refused", "100", ""));
	client_expect(&refused, "\r\n\r\nwho?");
	open_next(&world, &half_open);
	client_send(&half_open, "GET /no");
	world_wait(&world, world.server->ranks[HTTP_RANK_LINGERING] != NULL);
	for (unsigned i = 0; i < 5; i++) {
		struct client *const next[] = { &half_open, &refused, &stranger, &trusted,
						&late[4] };

		client_open(&late[i], &world);
		client_send(&late[i], POST("/later", "1", "x"));
		client_wait_for_end(next[i]);
		world_wait(&world, world.held_count == (i < 4 ? i + 1 : 4));
	}
	assert_int_equal(world.gone, 0);
	client_close(&trusted);
	client_close(&stranger);
	client_close(&refused);
	client_close(&half_open);
	for (unsigned i = 0; i < 5; i++)
		client_close(&late[i]);
	world_close(&world);
}

static void a_flood_of_refused_requests_costs_only_its_own(void **state)
{
	struct world world;
	struct client trusted, crowd[CROWD];

	(void)state;
	open_small(&world, 1000);
	open_next(&world, &trusted);
	become_trusted(&trusted);
	for (unsigned i = 0; i < CROWD; i++)
		open_next(&world, &crowd[i]);
	/* All of them have come, and none was read. */
	for (unsigned i = 0; i < CROWD; i++)
		assert_true(send(crowd[i].fd, POST("/refused", "100", ""),
				 strlen(POST("/refused", "100", "")), 0) > 0);
	http_server_give_up_one(world.server);
	assert_int_equal(world_connections(&world), CROWD);
	assert_int_equal(world.heads, 1 + LIMIT_HTTP_LAST_LOOKS);
	become_trusted(&trusted);
	for (unsigned i = 0; i < CROWD; i++)
		client_close(&crowd[i]);
	client_close(&trusted);
	world_close(&world);
}

static void who_has_sent_a_request_is_not_given_up_before_it_is_read(void **state)
{
	struct world world;
	struct client crowd[CROWD];

	(void)state;
	open_small(&world, 1000);
	for (unsigned i = 0; i < CROWD; i++)
		open_next(&world, &crowd[i]);
	for (unsigned i = 0; i < CROWD; i++)
		assert_true(send(crowd[i].fd, POST("/later", "1", "x"),
				 strlen(POST("/later", "1", "x")), 0) > 0);
	http_server_give_up_one(world.server);
	world_wait(&world, world.held_count == CROWD);
	assert_int_equal(world_connections(&world), CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		world_answer(&world, i, "done");
	for (unsigned i = 0; i < CROWD; i++) {
		client_expect(&crowd[i], "\r\n\r\ndone");
		client_close(&crowd[i]);
	}
	world_close(&world);
}

/* --- bodies --------------------------------------------------------------------------- */

static void many_chunks_at_once_come_whole(void **state)
{
	static const char chunk[] = "1\r\nx\r\n";
	size_t chunk_bytes = sizeof(chunk) - 1;
	char *body = alloc_zeroed(ONE_BYTE_CHUNKS * chunk_bytes + 1);
	struct world world;
	struct client client;

	(void)state;
	open_small(&world, 10);
	open_next(&world, &client);
	for (size_t i = 0; i < ONE_BYTE_CHUNKS; i++)
		memcpy(body + i * chunk_bytes, chunk, chunk_bytes);
	client_send(&client, CHUNKED("/echo"));
	client_send(&client, body);
	client_send(&client, "0\r\n\r\n" GET("/now"));
	client_expect(&client, "Content-Length: 20000\r\n\r\nxxxx");
	client_expect(&client, "\r\n\r\nnow");
	free(body);
	client_close(&client);
	world_close(&world);
}

/* As if the time of its phase were over: with the next byte. */
static void end_patience(struct client *client, struct http_connection *connection)
{
	connection->deadline_ms = clock_now_ms();
	client_send(client, "x");
}

static void a_body_that_moves_gets_more_time_and_one_that_does_not_is_408(void **state)
{
	char *part = alloc_zeroed(LIMIT_HTTP_STALL_BYTES + 1);
	struct http_connection *connection;
	struct world world;
	struct client client;

	(void)state;
	memset(part, 'x', LIMIT_HTTP_STALL_BYTES);
	open_small(&world, 10);
	open_next(&world, &client);
	client_send(&client, POST("/echo", "1000000", ""));
	world_wait(&world, (connection = world.server->ranks[HTTP_RANK_BUSY]) != NULL);
	assert_true(client_send_bytes(&client, part, LIMIT_HTTP_STALL_BYTES));
	world_wait(&world, connection->request->body.length == LIMIT_HTTP_STALL_BYTES);
	end_patience(&client, connection);
	world_wait(&world, connection->body_bytes > LIMIT_HTTP_STALL_BYTES);
	assert_true(connection->deadline_ms > clock_now_ms() + WORLD_LONG_MS / 2);
	assert_true(connection->deadline_ms <= connection->body_until_ms);
	assert_true(client_send_bytes(&client, part, LIMIT_HTTP_STALL_BYTES - 2));
	world_wait(&world, connection->request->body.length == 2 * LIMIT_HTTP_STALL_BYTES - 1);
	end_patience(&client, connection);
	client_expect(&client, "HTTP/1.1 408 Request Timeout\r\n");
	client_wait_for_end(&client);
	free(part);
	client_close(&client);
	world_close(&world);
}

static void a_body_that_moves_has_no_more_time_than_a_body_has(void **state)
{
	char *part = alloc_zeroed(LIMIT_HTTP_STALL_BYTES + 1);
	struct http_connection *connection;
	struct world world;
	struct client client;

	(void)state;
	memset(part, 'x', LIMIT_HTTP_STALL_BYTES);
	open_small(&world, 10);
	open_next(&world, &client);
	client_send(&client, POST("/echo", "1000000", ""));
	world_wait(&world, (connection = world.server->ranks[HTTP_RANK_BUSY]) != NULL);
	assert_true(client_send_bytes(&client, part, LIMIT_HTTP_STALL_BYTES));
	world_wait(&world, connection->request->body.length == LIMIT_HTTP_STALL_BYTES);
	connection->body_until_ms = clock_now_ms();
	end_patience(&client, connection);
	client_expect(&client, "HTTP/1.1 408 Request Timeout\r\n");
	free(part);
	client_close(&client);
	world_close(&world);
}

static void where_large_bodies_find_no_room_small_ones_do(void **state)
{
	size_t taken = 64 * MIB - 64 * MIB / LIMIT_BUDGET_SPARE_SHARE;
	struct world world;
	struct client small, large, chunked;
	char *body = alloc_zeroed(LIMIT_HTTP_SMALL_BODY_BYTES + 2);

	(void)state;
	memset(body, 'x', LIMIT_HTTP_SMALL_BODY_BYTES + 1);
	open_small(&world, 10);
	budget_take_over(world.budget, taken);
	open_next(&world, &large);
	client_send(&large, POST("/echo", "65537", ""));
	client_expect(&large, "HTTP/1.1 503 Service Unavailable\r\n");
	client_expect(&large, "Retry-After: ");
	open_next(&world, &chunked);
	client_send(&chunked, CHUNKED("/echo") "10001\r\n");
	client_send(&chunked, body);
	client_expect(&chunked, "HTTP/1.1 503 Service Unavailable\r\n");
	open_next(&world, &small);
	client_send(&small, POST("/echo", "65536", ""));
	assert_true(client_send_bytes(&small, body, LIMIT_HTTP_SMALL_BODY_BYTES));
	client_expect(&small, "HTTP/1.1 200 OK\r\n");
	budget_give(world.budget, taken);
	free(body);
	client_close(&small);
	client_close(&large);
	client_close(&chunked);
	world_close(&world);
}

#define NAMED(path_, name_, length_, body_)                                                        \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nName: " name_                               \
	"\r\nContent-Length: " length_ "\r\n\r\n" body_

static void who_holds_its_share_leaves_the_others_theirs(void **state)
{
	struct budget *greedy;
	struct world world;
	struct client one, two, other;

	(void)state;
	open_small(&world, 10);
	greedy = budget_share(world.budget, "greedy");
	open_next(&world, &one);
	client_send(&one, NAMED("/stream", "greedy", "1", "x"));
	client_expect(&one, "chunked\r\n\r\n");
	/* It does not read. */
	while (budget_used(greedy) < 8 * MIB)
		http_stream_send(world.held[0], alloc_zeroed(MIB), MIB);
	budget_take_over(greedy, 24 * MIB);
	open_next(&world, &two);
	client_send(&two, NAMED("/echo", "greedy", "1", "x"));
	client_expect(&two, "HTTP/1.1 503 Service Unavailable\r\n");
	client_wait_for_end(&two);
	client_close(&two);
	world_wait(&world, world_connections(&world) == 1);
	open_next(&world, &other);
	client_send(&other, NAMED("/echo", "other", "5", "hello"));
	client_expect(&other, "\r\n\r\nhello");
	/* Not by the connection but by the request. */
	client_send(&other, NAMED("/echo", "greedy", "1", "x"));
	client_expect(&other, "HTTP/1.1 503 Service Unavailable\r\n");
	budget_give(greedy, 24 * MIB);
	client_close(&one);
	world_wait(&world, budget_used(greedy) == 0);
	assert_int_equal(budget_used(world.budget), 0);
	client_close(&other);
	world_close(&world);
}

static void who_has_requests_on_half_of_all_connections_gets_no_more(void **state)
{
	struct world world;
	struct client clients[3], other;

	(void)state;
	open_small(&world, 5);
	for (unsigned i = 0; i < 3; i++) {
		open_next(&world, &clients[i]);
		client_send(&clients[i], NAMED("/later", "greedy", "1", "x"));
		world_wait(&world, world.heads == i + 1);
	}
	client_expect(&clients[2], "HTTP/1.1 503 Service Unavailable\r\n");
	client_expect(&clients[2], "Retry-After: ");
	client_wait_for_end(&clients[2]);
	client_close(&clients[2]);
	world_wait(&world, world_connections(&world) == 2);
	open_next(&world, &other);
	client_send(&other, NAMED("/echo", "other", "5", "hello"));
	client_expect(&other, "\r\n\r\nhello");
	world_wait(&world, world.held_count == 2);
	world_answer(&world, 0, "done");
	client_expect(&clients[0], "\r\n\r\ndone");
	client_send(&clients[0], NAMED("/echo", "greedy", "5", "again"));
	client_expect(&clients[0], "\r\n\r\nagain");
	world_answer(&world, 1, "done");
	client_close(&clients[1]);
	client_close(&clients[0]);
	client_close(&other);
	world_wait(&world, world_connections(&world) == 0);
	assert_null(world.server->holders);
	world_close(&world);
}

/* --- answers -------------------------------------------------------------------------- */

/* As to a client that reads as fast as we write: all of it at once. */
static void make_room(int fd)
{
	int bytes = 4 * MIB, unsent_bytes = INT_MAX;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes)),
		0);
}

static void a_large_answer_has_its_turns(void **state)
{
	struct http_connection *connection;
	struct world world;
	struct client client;
	char *body = alloc_zeroed(MIB + 1);

	(void)state;
	memset(body, 'x', MIB);
	open_small(&world, 10);
	open_next(&world, &client);
	client_send(&client, POST("/stream", "1", "x"));
	client_expect(&client, "chunked\r\n\r\n");
	connection = world.server->ranks[HTTP_RANK_BUSY];
	make_room(connection->wire.fd);
	http_stream_send(world.held[0], alloc_string(body), MIB);
	assert_true(connection->outbox.unsent_bytes >= MIB - LIMIT_HTTP_TURN_SENT_BYTES);
	assert_true(connection->is_waiting);
	client_expect(&client, body);
	assert_int_equal(connection->outbox.unsent_bytes, 0);
	free(body);
	client_close(&client);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_shown_least_gives_way_first),
		cmocka_unit_test(a_flood_of_refused_requests_costs_only_its_own),
		cmocka_unit_test(who_has_sent_a_request_is_not_given_up_before_it_is_read),
		cmocka_unit_test(many_chunks_at_once_come_whole),
		cmocka_unit_test(a_body_that_moves_gets_more_time_and_one_that_does_not_is_408),
		cmocka_unit_test(a_body_that_moves_has_no_more_time_than_a_body_has),
		cmocka_unit_test(where_large_bodies_find_no_room_small_ones_do),
		cmocka_unit_test(who_holds_its_share_leaves_the_others_theirs),
		cmocka_unit_test(who_has_requests_on_half_of_all_connections_gets_no_more),
		cmocka_unit_test(a_large_answer_has_its_turns),
	};

	return cmocka_run_group_tests_name("transport-http_pressure", tests, NULL, NULL);
}
