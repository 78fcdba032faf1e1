/* SPDX-License-Identifier: MIT */
#include "transport/stdio.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/stubs/session.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Far over anything that happens here: a hang, not a slow machine. */
#define HANG_MS 60000

/* The process at both ends of its pipes. */
struct world {
	struct loop *loop;
	struct loop_timer *hang;
	struct registry registry;
	struct mcp_server *server;
	struct stdio_transport *transport;
	int input[2], output[2];
	bool has_ended_input, is_drained, has_lost_output;
};

static void on_hang(void *context)
{
	(void)context;
	fail_msg("nothing happened for %d ms", HANG_MS);
}

static void on_end_of_input(void *context)
{
	struct world *world = context;

	world->has_ended_input = true;
}

static void on_drained(void *context)
{
	struct world *world = context;

	assert_true(world->has_ended_input);
	world->is_drained = true;
	loop_stop(world->loop);
}

static void on_output_lost(void *context)
{
	struct world *world = context;

	world->has_lost_output = true;
	loop_stop(world->loop);
}

static void open_world(struct world *world)
{
	struct error err = ERROR_INIT;

	*world = (struct world){ .loop = loop_create(&err) };
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(world->input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(world->output, O_CLOEXEC), 0);
	stub_registry_init(&world->registry);
	world->server = mcp_server_create(&(struct mcp_server_config){
		.loop = world->loop,
		.registry = &world->registry,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	});
	world->hang = loop_timer_create(world->loop, on_hang, NULL);
	loop_timer_start(world->hang, HANG_MS);
	world->transport = stdio_transport_start(
		&(struct stdio_transport_config){
			.loop = world->loop,
			.server = world->server,
			.input_fd = world->input[0],
			.output_fd = world->output[1],
			.on_end_of_input = on_end_of_input,
			.on_drained = on_drained,
			.on_output_lost = on_output_lost,
			.context = world,
		},
		&err);
	assert_non_null(world->transport);
}

static void close_world(struct world *world)
{
	stdio_transport_end(world->transport);
	stdio_transport_destroy(world->transport);
	stub_registry_finish(&world->registry);
	mcp_server_destroy(world->server);
	loop_timer_destroy(world->hang);
	loop_destroy(world->loop);
	cleanup_fd(&world->input[0]);
	cleanup_fd(&world->input[1]);
	cleanup_fd(&world->output[0]);
	cleanup_fd(&world->output[1]);
}

static void write_input(struct world *world, const char *text)
{
	assert_int_equal(write(world->input[1], text, strlen(text)), strlen(text));
}

/* What is in the pipe now. */
static void assert_output(struct world *world, const char *expected)
{
	char text[4096];
	ssize_t bytes = read(world->output[0], text, sizeof(text) - 1);

	assert_true(bytes > 0);
	text[bytes] = '\0';
	assert_string_equal(text, expected);
}

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}\n"

static void lines_are_answered_with_lines_and_the_end_is_told(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	write_input(&world, PING("1") "\r\n\n" PING("2"));
	cleanup_fd(&world.input[1]);
	loop_run(world.loop);
	assert_true(world.is_drained);
	assert_output(&world, PONG("1") PONG("2"));
	close_world(&world);
}

static void a_client_that_no_longer_reads_is_noticed(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	cleanup_fd(&world.output[0]);
	write_input(&world, PING("1") "\n");
	loop_run(world.loop);
	assert_true(world.has_lost_output);
	assert_false(world.is_drained);
	close_world(&world);
}

static void the_descriptors_stay_blocking(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	write_input(&world, PING("1") "\n");
	cleanup_fd(&world.input[1]);
	loop_run(world.loop);
	assert_int_equal(fcntl(world.input[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(world.output[1], F_GETFL) & O_NONBLOCK, 0);
	close_world(&world);
}

static void a_descriptor_that_does_not_block_is_served_too(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	assert_int_equal(fcntl(world.input[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(world.output[1], F_SETFL, O_NONBLOCK), 0);
	write_input(&world, PING("1") "\n");
	cleanup_fd(&world.input[1]);
	loop_run(world.loop);
	assert_output(&world, PONG("1"));
	close_world(&world);
}

static void fill_pipe(int fd)
{
	static const char zeros[4096];
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		continue;
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static void stop_soon(void *context)
{
	loop_stop(context);
}

static void a_blocked_writer_holds_up_no_end(void **state)
{
	struct world world;
	struct loop_timer *soon;
	uint64_t start_ms;
	char *rest = alloc_zeroed(1 * MIB);

	(void)state;
	open_world(&world);
	fill_pipe(world.output[1]);
	write_input(&world, PING("1") "\n");
	soon = loop_timer_create(world.loop, stop_soon, world.loop);
	loop_timer_start(soon, 50);
	loop_run(world.loop);
	loop_timer_destroy(soon);
	stdio_transport_end(world.transport);
	start_ms = clock_now_ms();
	stdio_transport_destroy(world.transport);
	assert_true(clock_now_ms() - start_ms < 10 * LIMIT_STDIO_FLUSH_MS);
	/* Lets the thread that was left behind come to its end. */
	assert_true(read(world.output[0], rest, 1 * MIB) > 0);
	free(rest);
	stub_registry_finish(&world.registry);
	mcp_server_destroy(world.server);
	loop_timer_destroy(world.hang);
	loop_destroy(world.loop);
	cleanup_fd(&world.input[0]);
	cleanup_fd(&world.input[1]);
}

/* Writes until the pipe has been full for a while; returns how much went in. */
static size_t write_while_read(int fd, const char *line, size_t bytes, size_t most)
{
	struct pollfd ready = { fd, POLLOUT, 0 };
	size_t total = 0;

	while (total < most && poll(&ready, 1, 500) == 1) {
		size_t at = total % bytes;
		ssize_t written = write(fd, line + at, bytes - at);

		assert_true(written > 0);
		total += (size_t)written;
	}
	return total;
}

static void a_client_that_is_not_served_is_read_no_further(void **state)
{
	struct world world;
	size_t most = 2 * LIMIT_STDIO_QUEUE_BYTES;
	size_t line_bytes = 1 * MIB;
	char *line = alloc_zeroed(line_bytes);
	size_t total;

	(void)state;
	memset(line, 'x', line_bytes);
	line[line_bytes - 1] = '\n';
	open_world(&world);
	assert_int_equal(fcntl(world.input[1], F_SETFL, O_NONBLOCK), 0);
	/* The loop does not run, so nothing is consumed. */
	total = write_while_read(world.input[1], line, line_bytes, most);
	assert_true(total >= LIMIT_STDIO_QUEUE_BYTES);
	assert_true(total < most);
	free(line);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_answered_with_lines_and_the_end_is_told),
		cmocka_unit_test(a_client_that_no_longer_reads_is_noticed),
		cmocka_unit_test(the_descriptors_stay_blocking),
		cmocka_unit_test(a_descriptor_that_does_not_block_is_served_too),
		cmocka_unit_test(a_blocked_writer_holds_up_no_end),
		cmocka_unit_test(a_client_that_is_not_served_is_read_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
