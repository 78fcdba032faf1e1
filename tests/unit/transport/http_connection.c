/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/transport/http_world.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path_, length_, body_)                                                                \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length_ "\r\n\r\n" body_

static void open_both(struct world *world, struct client *client)
{
	world_open_plain(world);
	client_open(client, world);
}

static void close_both(struct world *world, struct client *client)
{
	client_close(client);
	world_close(world);
}

static void an_answer_has_its_length_type_and_date(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, GET("/now"));
	client_expect(&client, "HTTP/1.1 200 OK\r\nDate: ");
	client_expect(&client, " GMT\r\nContent-Type: text/plain\r\n"
			       "X-Content-Type-Options: nosniff\r\nContent-Length: 3\r\n\r\nnow");
	close_both(&world, &client);
}

static void a_body_comes_whole_however_it_was_cut(void **state)
{
	static const char text[] = POST("/echo", "11", "hello world");
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_true(client_send_bytes(&client, &text[i], 1));
		world_turn(&world);
	}
	client_expect(&client, "Mcp-Session-Id: abc\r\nContent-Length: 11\r\n\r\nhello world");
	assert_int_equal(world.heads, 1);
	close_both(&world, &client);
}

static void a_chunked_body_comes_whole(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			     "5\r\nhello\r\n");
	world_turn(&world);
	client_send(&client, "6\r\n world\r\n0\r\n\r\n" GET("/now"));
	client_expect(&client, "Content-Length: 11\r\n\r\nhello world");
	client_expect(&client, "\r\n\r\nnow");
	close_both(&world, &client);
}

static void a_request_without_a_body_has_an_empty_one(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, GET("/echo"));
	client_expect(&client, "Content-Length: 0\r\n\r\n");
	assert_int_equal(world.bodies, 1);
	close_both(&world, &client);
}

static void a_large_body_comes_whole_and_is_answered(void **state)
{
	struct world world;
	struct client client;
	char *body = alloc_zeroed(MIB + 1);

	(void)state;
	memset(body, 'x', MIB);
	open_both(&world, &client);
	client_send(&client, POST("/echo", "1048576", ""));
	assert_true(client_send_bytes(&client, body, MIB));
	client_expect(&client, "Content-Length: 1048576\r\n\r\n");
	client_expect(&client, body);
	assert_int_equal(budget_used(world.budget), 0);
	free(body);
	close_both(&world, &client);
}

static void a_connection_is_kept_for_the_next_request(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	for (int i = 0; i < 3; i++) {
		client_send(&client, GET("/now"));
		client_expect(&client, "\r\n\r\nnow");
		client_send(&client, POST("/echo", "2", "ab"));
		client_expect(&client, "\r\n\r\nab");
	}
	assert_int_equal(world_connections(&world), 1);
	close_both(&world, &client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/later", "1", "x") GET("/now") POST("/echo", "3", "end"));
	world_wait(&world, world.held_count == 1);
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	assert_int_equal(world.heads, 1);
	world_answer(&world, 0, "first");
	client_expect(&client, "\r\n\r\nfirst");
	client_expect(&client, "\r\n\r\nnow");
	client_expect(&client, "\r\n\r\nend");
	close_both(&world, &client);
}

static void five_hundred_pipelined_requests_are_answered(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	for (int i = 0; i < 500; i++)
		client_send(&client, GET("/now"));
	for (int i = 0; i < 500; i++)
		client_expect(&client, "\r\n\r\nnow");
	assert_int_equal(world.heads, 500);
	close_both(&world, &client);
}

static void a_client_that_wants_to_close_is_closed(void **state)
{
	static const char *const requests[] = {
		"GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"GET /now HTTP/1.0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world world;
		struct client client;

		open_both(&world, &client);
		client_send(&client, requests[i]);
		client_expect(&client, "Connection: close\r\n\r\nnow");
		client_expect_end(&client);
		client_close(&client);
		world_wait(&world, world_connections(&world) == 0);
		close_both(&world, &client);
	}
}

static void an_answer_to_head_has_no_body(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, "HEAD /now HTTP/1.1\r\nHost: a\r\n\r\n" GET("/now"));
	client_expect(&client, "Content-Length: 3\r\n\r\nHTTP/1.1 200 OK");
	client_expect(&client, "\r\n\r\nnow");
	close_both(&world, &client);
}

static void who_waits_for_100_is_told_to_go_on(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
			     "Expect: 100-continue\r\n\r\n");
	client_expect(&client, "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(&client, "ok");
	client_expect(&client, "\r\n\r\nok");
	close_both(&world, &client);
}

static void who_waits_for_100_and_is_refused_hears_only_that(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
			     "Expect: 100-continue\r\n\r\n");
	client_expect(&client, "HTTP/1.1 401 Unauthorized\r\n");
	client_expect(&client, "WWW-Authenticate: Bearer\r\n");
	client_expect(&client, "Connection: close\r\n\r\nwho?");
	client_expect_end(&client);
	close_both(&world, &client);
}

/* Without lingering the unread bytes would make the end a reset, which takes the answer with it. */
static void who_sends_a_refused_body_sees_the_answer(void **state)
{
	struct world world;
	struct client client;
	char *body = alloc_zeroed(8 * MIB);

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/refused", "8388608", ""));
	assert_true(client_send_bytes(&client, body, 8 * MIB));
	client_expect(&client, "HTTP/1.1 401 Unauthorized\r\n");
	client_expect(&client, "\r\n\r\nwho?");
	client_expect_end(&client);
	client_close(&client);
	world_wait(&world, world_connections(&world) == 0);
	free(body);
	close_both(&world, &client);
}

static void who_never_stops_sending_is_cut_off(void **state)
{
	struct world world;
	struct client client;
	char *body = alloc_zeroed(LIMIT_HTTP_LINGER_BYTES);

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/refused", "999999999", ""));
	while (world_connections(&world) == 1 &&
	       client_send_bytes(&client, body, LIMIT_HTTP_LINGER_BYTES))
		;
	world_wait(&world, world_connections(&world) == 0);
	free(body);
	close_both(&world, &client);
}

static void what_follows_a_refused_head_is_no_request(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/refused", "40", GET("/now")) GET("/now"));
	client_expect(&client, "\r\n\r\nwho?");
	client_expect_end(&client);
	assert_int_equal(world.heads, 1);
	close_both(&world, &client);
}

static void a_body_over_the_limit_is_413(void **state)
{
	static const char *const requests[] = {
		POST("/echo", "1048577", ""),
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\nFFFFC\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world world;
		struct client client;

		open_both(&world, &client);
		client_send(&client, requests[i]);
		client_expect(&client, "HTTP/1.1 413 Content Too Large\r\n");
		client_expect(&client, "Connection: close\r\n\r\n");
		client_wait_for_end(&client);
		assert_false(client.is_reset);
		assert_int_equal(world.gone, 1);
		assert_int_equal(world.bodies, 0);
		close_both(&world, &client);
	}
}

static void a_stranger_may_send_64_kib(void **state)
{
	struct world world;
	struct client client;
	char *body = alloc_zeroed(64 * KIB + 1);

	(void)state;
	memset(body, 'x', 64 * KIB);
	open_both(&world, &client);
	client_send(&client, POST("/echo-stranger", "65536", ""));
	client_send(&client, body);
	client_expect(&client, body);
	client_send(&client, POST("/echo-stranger", "65537", ""));
	client_expect(&client, "HTTP/1.1 413 ");
	free(body);
	close_both(&world, &client);
}

static void a_bad_head_is_answered_and_closed(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, "GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET("/now"));
	client_expect(&client, "HTTP/1.1 400 Bad Request\r\n");
	client_expect(&client, "Connection: close\r\n\r\n");
	client_wait_for_end(&client);
	assert_false(client.is_reset);
	assert_int_equal(world.heads, 0);
	close_both(&world, &client);
}

static void a_head_without_end_is_refused(void **state)
{
	struct world world;
	struct client client;
	char field[1024];

	(void)state;
	open_both(&world, &client);
	client_send(&client, "GET /now HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 20; i++) {
		(void)snprintf(field, sizeof(field), "X-%d: %0900d\r\n", i, 0);
		client_send(&client, field);
	}
	client_expect(&client, "HTTP/1.1 431 ");
	client_wait_for_end(&client);
	close_both(&world, &client);
}

/* Sends the text again and again, until the server has had enough. */
static void trickle(struct client *client, const char *text)
{
	uint64_t until_ms = clock_now_ms() + 60000;
	uint64_t sent_ms = 0;

	while (client->received.length == 0 && !client->has_ended && !client->is_reset) {
		assert_true(clock_now_ms() < until_ms);
		/* Not more often, or there would be too much of it before it is too late. */
		if (clock_now_ms() != sent_ms)
			(void)send(client->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		sent_ms = clock_now_ms();
		world_turn(client->world);
		client_read(client);
	}
}

static void open_impatient(struct world *world, struct client *client,
			   const struct http_patience *patience)
{
	struct http_server_config config;

	world_prepare(world, &config);
	if (patience->head_ms)
		world->patience.head_ms = patience->head_ms;
	if (patience->body_ms)
		world->patience.body_ms = patience->body_ms;
	if (patience->idle_ms)
		world->patience.idle_ms = patience->idle_ms;
	if (patience->linger_ms)
		world->patience.linger_ms = patience->linger_ms;
	if (patience->stall_ms)
		world->patience.stall_ms = patience->stall_ms;
	world_open(world, &config);
	client_open(client, world);
}

static void a_head_that_takes_too_long_is_408_though_bytes_come(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .head_ms = 100 });
	client_send(&client, "GET /now HTTP/1.1\r\nHost: ");
	trickle(&client, "a");
	client_expect(&client, "HTTP/1.1 408 Request Timeout\r\n");
	client_wait_for_end(&client);
	close_both(&world, &client);
}

static void a_silent_client_is_closed(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .head_ms = 50 });
	client_expect_end(&client);
	world_wait(&world, world_connections(&world) == 0);
	close_both(&world, &client);
}

static void a_body_that_takes_too_long_is_408_though_bytes_come(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .body_ms = 100 });
	client_send(&client, POST("/echo", "1000000", ""));
	trickle(&client, "x");
	client_expect(&client, "HTTP/1.1 408 Request Timeout\r\n");
	client_wait_for_end(&client);
	assert_int_equal(world.gone, 1);
	close_both(&world, &client);
}

static void an_idle_connection_is_closed_quietly(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .idle_ms = 50 });
	client_send(&client, GET("/now"));
	client_expect(&client, "\r\n\r\nnow");
	client_expect_end(&client);
	close_both(&world, &client);
}

static void a_second_head_has_its_own_time(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .head_ms = 100 });
	client_send(&client, GET("/now"));
	client_expect(&client, "\r\n\r\nnow");
	client_send(&client, "GET /now HTTP/1.1\r\nHost: ");
	trickle(&client, "a");
	client_expect(&client, "HTTP/1.1 408 ");
	client_wait_for_end(&client);
	close_both(&world, &client);
}

static void who_keeps_the_connection_behind_the_last_answer_is_closed(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .linger_ms = 50 });
	client_send(&client, GET("/now"));
	client_expect(&client, "\r\n\r\nnow");
	client_send(&client, "nonsense\r\n\r\n");
	client_expect(&client, "HTTP/1.1 400 ");
	world_wait(&world, world_connections(&world) == 0);
	close_both(&world, &client);
}

static void who_takes_no_answer_is_given_up(void **state)
{
	struct world world;
	struct client client;
	char *answer = alloc_zeroed(8 * MIB + 1);

	(void)state;
	open_impatient(&world, &client, &(struct http_patience){ .stall_ms = 100 });
	memset(answer, 'x', 8 * MIB);
	client_send(&client, POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 1);
	world_answer(&world, 0, answer);
	assert_true(budget_used(world.budget) > 0);
	world_wait(&world, world_connections(&world) == 0);
	assert_int_equal(budget_used(world.budget), 0);
	assert_int_equal(world.gone, 0);
	free(answer);
	close_both(&world, &client);
}

static void who_has_finished_sending_gets_the_answer(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/later", "1", "x") GET("/now"));
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	world_wait(&world, world.held_count == 1);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	world_answer(&world, 0, "late");
	client_expect(&client, "\r\n\r\nlate");
	client_expect(&client, "\r\n\r\nnow");
	client_expect_end(&client);
	assert_int_equal(world.gone, 0);
	world_wait(&world, world_connections(&world) == 0);
	close_both(&world, &client);
}

static void who_resets_the_connection_is_gone_at_once(void **state)
{
	struct linger none = { 1, 0 };
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/later", "1", "x") GET("/now"));
	world_wait(&world, world.held_count == 1);
	assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_null(world.held[0]);
	assert_int_equal(world_connections(&world), 0);
	close_both(&world, &client);
}

static void who_leaves_within_a_body_is_gone(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/echo", "10", "half"));
	world_wait(&world, world.heads == 1);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_int_equal(world.bodies, 0);
	close_both(&world, &client);
}

static void a_body_counts_until_it_is_released(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	client_send(&client, POST("/echo", "100000", "some"));
	world_wait(&world, budget_used(world.budget) >= 4);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_int_equal(budget_used(world.budget), 0);
	close_both(&world, &client);
}

static void a_body_that_memory_has_no_room_for_is_503(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	open_both(&world, &client);
	budget_take_over(world.budget, 64 * MIB - 1000);
	client_send(&client, POST("/echo", "1001", ""));
	client_expect(&client, "HTTP/1.1 503 Service Unavailable\r\n");
	client_expect(&client, "Retry-After: ");
	client_wait_for_end(&client);
	assert_int_equal(world.gone, 1);
	budget_give(world.budget, 64 * MIB - 1000);
	close_both(&world, &client);
}

static void a_chunked_body_that_memory_ends_for_is_503(void **state)
{
	struct world world;
	struct client client;
	char *chunk = alloc_zeroed(100001);

	(void)state;
	open_both(&world, &client);
	memset(chunk, 'x', 100000);
	budget_take_over(world.budget, 64 * MIB - 1000);
	client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n186A0\r\n");
	client_send(&client, chunk);
	client_expect(&client, "HTTP/1.1 503 ");
	client_wait_for_end(&client);
	assert_int_equal(world.gone, 1);
	budget_give(world.budget, 64 * MIB - 1000);
	free(chunk);
	close_both(&world, &client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_its_length_type_and_date),
		cmocka_unit_test(a_body_comes_whole_however_it_was_cut),
		cmocka_unit_test(a_chunked_body_comes_whole),
		cmocka_unit_test(a_request_without_a_body_has_an_empty_one),
		cmocka_unit_test(a_large_body_comes_whole_and_is_answered),
		cmocka_unit_test(a_connection_is_kept_for_the_next_request),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(five_hundred_pipelined_requests_are_answered),
		cmocka_unit_test(a_client_that_wants_to_close_is_closed),
		cmocka_unit_test(an_answer_to_head_has_no_body),
		cmocka_unit_test(who_waits_for_100_is_told_to_go_on),
		cmocka_unit_test(who_waits_for_100_and_is_refused_hears_only_that),
		cmocka_unit_test(who_sends_a_refused_body_sees_the_answer),
		cmocka_unit_test(who_never_stops_sending_is_cut_off),
		cmocka_unit_test(what_follows_a_refused_head_is_no_request),
		cmocka_unit_test(a_body_over_the_limit_is_413),
		cmocka_unit_test(a_stranger_may_send_64_kib),
		cmocka_unit_test(a_bad_head_is_answered_and_closed),
		cmocka_unit_test(a_head_without_end_is_refused),
		cmocka_unit_test(a_head_that_takes_too_long_is_408_though_bytes_come),
		cmocka_unit_test(a_silent_client_is_closed),
		cmocka_unit_test(a_body_that_takes_too_long_is_408_though_bytes_come),
		cmocka_unit_test(an_idle_connection_is_closed_quietly),
		cmocka_unit_test(a_second_head_has_its_own_time),
		cmocka_unit_test(who_keeps_the_connection_behind_the_last_answer_is_closed),
		cmocka_unit_test(who_takes_no_answer_is_given_up),
		cmocka_unit_test(who_has_finished_sending_gets_the_answer),
		cmocka_unit_test(who_resets_the_connection_is_gone_at_once),
		cmocka_unit_test(who_leaves_within_a_body_is_gone),
		cmocka_unit_test(a_body_counts_until_it_is_released),
		cmocka_unit_test(a_body_that_memory_has_no_room_for_is_503),
		cmocka_unit_test(a_chunked_body_that_memory_ends_for_is_503),
	};

	return cmocka_run_group_tests_name("transport-http_connection", tests, NULL, NULL);
}
