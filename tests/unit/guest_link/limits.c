/* SPDX-License-Identifier: MIT */

/* Which limits a command is said to have hit: by the counters and by what its guest saw. */

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest_link/guest_link.h"
#include "tests/unit/guest_link/hostile_guest.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const struct exec_limits limits = { .memory_bytes = 1 << 30, .pids = 256, .disk_bytes = 1 };

/* One command, and what the kernel counted meanwhile. */
struct scene {
	struct guest_wire_message end;
	struct guest_link_counters before;
	struct guest_link_counters after;
	bool fails_before, fails_after; /* the counters cannot be read */
	unsigned expected;
	unsigned reads;
};

static struct scene *scene;

/* On the thread of the command: the first read comes before it is sent. */
static bool read_counters(void *context, struct guest_link_counters *counters)
{
	(void)context;
	*counters = scene->reads == 0 ? scene->before : scene->after;
	return scene->reads++ == 0 ? !scene->fails_before : !scene->fails_after;
}

static void play_scene(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	if (scene->end.type != GUEST_WIRE_FAILED)
		hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
			    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
	if (scene->end.type != 0)
		hostile_say(guest->fds[GUEST_WIRE_FD_STATUS], &scene->end);
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		hostile_close(guest, (enum guest_wire_exec_fd)i);
	hostile_wait_for_end(guest->socket_fd);
}

static int swallow(struct exec_sink *sink, enum exec_stream stream, const void *data, size_t bytes)
{
	(void)sink;
	(void)stream;
	(void)data;
	(void)bytes;
	return 0;
}

static void kill_nothing(void *context)
{
	(void)context;
	fail();
}

static struct exec_result run(struct scene *new_scene)
{
	struct guest_link_config config = { .kill_sandbox = kill_nothing,
					    .shell = "/bin/sh",
					    .ready_deadline = clock_now_ms() + 20000,
					    .limits = limits,
					    .read_counters = read_counters };
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_sink sink = { swallow };
	struct exec_result result;
	struct hostile_guest guest;
	struct guest_link *link;

	scene = new_scene;
	hostile_start(&guest, play_scene);
	config.socket_fd = take_fd(&guest.link_fd);
	link = guest_link_open(&config, NULL);
	assert_non_null(link);
	request.command = "true";
	assert_int_equal(guest_link_exec(link, &request, &sink, &result, NULL), 0);
	guest_link_close(link);
	hostile_finish(&guest);
	assert_memory_equal(&result.limits, &limits, sizeof(limits));
	return result;
}

static void play_all(struct scene *scenes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(run(&scenes[i]).limits_hit, scenes[i].expected);
}

#define EXITED(code, ...)                                                                          \
	{                                                                                          \
		.type = GUEST_WIRE_EXITED, .exited = {                                             \
			.reason = GUEST_WIRE_ENDED,                                                \
			.exit_code = (code),                                                       \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define FAILED(step, failure)                                                                      \
	{                                                                                          \
		.type = GUEST_WIRE_FAILED, .failed = {(step), (failure) }                          \
	}

static void what_the_kernel_counted_during_a_command_is_in_its_result(void **state)
{
	struct scene scenes[] = {
		{ .end = EXITED(0, .signal = SIGKILL),
		  .before = { .memory_kills = 3, .refused_processes = 7, .own_process_limits = 7 },
		  .after = { .memory_kills = 4,
			     .own_memory_limits = 1,
			     .refused_processes = 7,
			     .own_process_limits = 7 },
		  .expected = EXEC_LIMIT_MEMORY },
		{ .end = EXITED(1),
		  .before = { .memory_kills = 3, .refused_processes = 7, .own_process_limits = 7 },
		  .after = { .memory_kills = 3, .refused_processes = 9, .own_process_limits = 9 },
		  .expected = EXEC_LIMIT_PIDS },
		{ .end = EXITED(1),
		  .after = { .memory_kills = 1,
			     .own_memory_limits = 1,
			     .refused_processes = 1,
			     .own_process_limits = 1 },
		  .expected = EXEC_LIMIT_MEMORY | EXEC_LIMIT_PIDS },
		/* Its supervisor was killed, not it. */
		{ .end = { .type = 0 },
		  .after = { .memory_kills = 1, .own_memory_limits = 1 },
		  .expected = EXEC_LIMIT_MEMORY },
		/* Refused although it was below its own limit. */
		{ .end = EXITED(1),
		  .before = { .refused_processes = 7, .own_process_limits = 7 },
		  .after = { .refused_processes = 8, .own_process_limits = 7 },
		  .expected = EXEC_LIMIT_ALL_PIDS },
		/* What was counted before is not its fault. */
		{ .end = EXITED(0, .signal = SIGKILL),
		  .before = { .memory_kills = 3, .refused_processes = 7, .own_process_limits = 7 },
		  .after = { .memory_kills = 3, .refused_processes = 7, .own_process_limits = 7 } },
		/* A kill although it was below its own limit. */
		{ .end = EXITED(137),
		  .before = { .memory_kills = 3, .own_memory_limits = 5 },
		  .after = { .memory_kills = 4, .own_memory_limits = 5 },
		  .expected = EXEC_LIMIT_MACHINE },
		{ .end = EXITED(137),
		  .before = { .memory_kills = 3, .own_memory_limits = 5 },
		  .after = { .memory_kills = 4, .own_memory_limits = 6 },
		  .expected = EXEC_LIMIT_MEMORY },
	};

	(void)state;
	play_all(scenes, ARRAY_LENGTH(scenes));
}

static void a_command_that_could_not_be_started_may_have_hit_a_limit(void **state)
{
	struct scene scenes[] = {
		{ .end = FAILED(GUEST_WIRE_STEP_PROCESS, EAGAIN),
		  .after = { .refused_processes = 1, .own_process_limits = 1 },
		  .expected = EXEC_LIMIT_PIDS },
		{ .end = FAILED(GUEST_WIRE_STEP_PROCESS, EAGAIN) },
		/* Another command's trouble. */
		{ .end = FAILED(GUEST_WIRE_STEP_PROGRAM, ENOENT),
		  .after = { .refused_processes = 1, .own_process_limits = 1 } },
	};

	(void)state;
	play_all(scenes, ARRAY_LENGTH(scenes));
}

static void a_command_that_succeeded_hit_nothing_and_costs_one_read(void **state)
{
	struct scene fine = { .end = EXITED(0),
			      .after = { .memory_kills = 1,
					 .own_memory_limits = 1,
					 .refused_processes = 1,
					 .own_process_limits = 1 } };

	(void)state;
	assert_int_equal(run(&fine).limits_hit, 0);
	assert_int_equal(fine.reads, 1);
}

static void counters_that_cannot_be_read_accuse_nobody(void **state)
{
	struct scene scenes[] = {
		{ .end = EXITED(1),
		  .after = { .memory_kills = 1, .own_memory_limits = 1 },
		  .fails_before = true },
		{ .end = EXITED(1),
		  .after = { .memory_kills = 1, .own_memory_limits = 1 },
		  .fails_after = true },
	};

	(void)state;
	play_all(scenes, ARRAY_LENGTH(scenes));
}

static void a_full_disk_is_what_the_guest_saw(void **state)
{
	struct scene scenes[] = {
		{ .end = EXITED(1, .disk = GUEST_WIRE_DISK_FULL), .expected = EXEC_LIMIT_DISK },
		{ .end = EXITED(1, .disk = GUEST_WIRE_DISK_NO_FILES),
		  .expected = EXEC_LIMIT_FILES },
		{ .end = EXITED(1, .disk = GUEST_WIRE_DISK_FULL),
		  .after = { .memory_kills = 1, .own_memory_limits = 1 },
		  .expected = EXEC_LIMIT_DISK | EXEC_LIMIT_MEMORY },
		{ .end = EXITED(1) },
	};

	(void)state;
	play_all(scenes, ARRAY_LENGTH(scenes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_counted_during_a_command_is_in_its_result),
		cmocka_unit_test(a_command_that_could_not_be_started_may_have_hit_a_limit),
		cmocka_unit_test(a_command_that_succeeded_hit_nothing_and_costs_one_read),
		cmocka_unit_test(counters_that_cannot_be_read_accuse_nobody),
		cmocka_unit_test(a_full_disk_is_what_the_guest_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
