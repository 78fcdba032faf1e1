/* SPDX-License-Identifier: MIT */
#include "guest_link/guest_link.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/guest_link/hostile_guest.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls that must end in less than a second; late by twenty times is still not a hang. */
#define LATE_MS 20000
/* More than a pipe holds. */
#define MUCH (1 << 20)

struct attempt {
	int status;
	struct exec_saved saved;
	struct error err;
};

static void save(struct guest_link *link, size_t out_bytes, size_t err_bytes,
		 const struct cancel *cancel, struct attempt *attempt)
{
	static const char zeros[MUCH];
	const struct exec_output output = { { zeros, zeros }, { out_bytes, err_bytes } };

	*attempt = (struct attempt){ .err = ERROR_INIT };
	attempt->status = guest_link_save(link, &output, cancel, &attempt->saved, &attempt->err);
}

/* Saves with a guest that does as `role` says. Returns how often the sandbox was killed. */
static int save_against(void (*role)(struct hostile_guest *guest), const struct cancel *cancel,
			struct attempt *attempt)
{
	struct hostile_guest guest;
	struct guest_link *link;
	uint64_t start_ms = clock_now_ms();

	hostile_start(&guest, role);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	save(link, MUCH, 7, cancel, attempt);
	assert_true(clock_now_ms() - start_ms < LATE_MS);
	guest_link_close(link);
	hostile_finish(&guest);
	return atomic_load(&guest.kills);
}

static void expect_refusal(void (*role)(struct hostile_guest *guest), enum error_kind kind,
			   int kills)
{
	struct attempt attempt;

	assert_int_equal(save_against(role, NULL, &attempt), kills);
	assert_int_equal(attempt.status, -1);
	assert_int_equal(attempt.err.kind, kind);
	assert_string_equal(attempt.saved.paths[EXEC_STDOUT], "");
}

/* Reads until all is there; the rest of the conversation is the caller's. */
static void read_data(struct hostile_guest *guest, const struct guest_wire_save *order)
{
	static char data[65536];
	size_t left = (size_t)order->stdout_bytes + order->stderr_bytes;

	while (left > 0) {
		ssize_t got = read(guest->fds[GUEST_WIRE_SAVE_FD_DATA], data, sizeof(data));

		if (got <= 0)
			return;
		left -= (size_t)got;
	}
}

static void hang_up(struct hostile_guest *guest)
{
	for (int i = 0; i < GUEST_WIRE_SAVE_FDS; i++)
		cleanup_fd(&guest->fds[i]);
}

static void say(struct hostile_guest *guest, const struct guest_wire_message *message)
{
	hostile_say(guest->fds[GUEST_WIRE_SAVE_FD_STATUS], message);
}

static void save_properly(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	while (hostile_take_save(guest, &order)) {
		read_data(guest, &order);
		say(guest, &(struct guest_wire_message){ .type = GUEST_WIRE_SAVED });
		hang_up(guest);
	}
}

static void what_was_saved_has_a_name_and_a_size(void **state)
{
	struct attempt attempt;

	(void)state;
	assert_int_equal(save_against(save_properly, NULL, &attempt), 0);
	assert_int_equal(attempt.status, 0);
	assert_string_equal(attempt.saved.paths[EXEC_STDOUT], "/tmp/.kilntainers/1.stdout");
	assert_string_equal(attempt.saved.paths[EXEC_STDERR], "/tmp/.kilntainers/1.stderr");
	assert_int_equal(attempt.saved.bytes[EXEC_STDOUT], MUCH);
	assert_int_equal(attempt.saved.bytes[EXEC_STDERR], 7);
}

/* The orders that the last guest got. */
static struct guest_wire_save orders[LIMIT_SAVED_PAIRS + 2];

/* All but the second come to pass. */
static void take_down_orders(struct hostile_guest *guest)
{
	size_t count = 0;

	hostile_say_ready(guest);
	while (count < ARRAY_LENGTH(orders) && hostile_take_save(guest, &orders[count])) {
		struct guest_wire_message answer = { .type = GUEST_WIRE_SAVED };

		read_data(guest, &orders[count]);
		if (count == 1)
			answer = (struct guest_wire_message){
				.type = GUEST_WIRE_FAILED,
				.failed = { GUEST_WIRE_STEP_SAVE_FILE, ENOSPC },
			};
		say(guest, &answer);
		hang_up(guest);
		count++;
	}
}

static void the_guest_is_told_what_to_remove(void **state)
{
	struct hostile_guest guest;
	struct guest_link *link;
	struct attempt attempt;

	(void)state;
	hostile_start(&guest, take_down_orders);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		save(link, 10, 20, NULL, &attempt);
		assert_int_equal(attempt.status, i == 1 ? -1 : 0);
	}
	assert_string_equal(attempt.saved.paths[EXEC_STDOUT], "/tmp/.kilntainers/10.stdout");
	guest_link_close(link);
	hostile_finish(&guest);
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		assert_int_equal(orders[i].number, i + 1);
		assert_int_equal(orders[i].stdout_bytes, 10);
		assert_int_equal(orders[i].stderr_bytes, 20);
		/* One of ten failed, so that the tenth is the ninth to be kept. */
		assert_int_equal(orders[i].removed[0], i == 9 ? 1 : 0);
	}
}

static void take_nothing(struct hostile_guest *guest)
{
	struct pollfd socket = { guest->socket_fd, 0, 0 };

	hostile_say_ready(guest);
	(void)poll(&socket, 1, LATE_MS);
}

static void take_and_be_silent(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	hostile_wait_for_end(guest->fds[GUEST_WIRE_SAVE_FD_STATUS]);
}

static void read_and_be_silent(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	read_data(guest, &order);
	hostile_wait_for_end(guest->fds[GUEST_WIRE_SAVE_FD_STATUS]);
}

static void obey_the_kill(struct hostile_guest *guest)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	assert_int_equal(recv(guest->fds[GUEST_WIRE_SAVE_FD_STATUS], packet, sizeof(packet), 0),
			 GUEST_WIRE_HEADER_BYTES);
	assert_int_equal(packet[0], GUEST_WIRE_KILL);
	hang_up(guest);
}

static void a_mute_guest_does_not_keep_the_call_and_loses_nothing_else(void **state)
{
	(void)state;
	expect_refusal(take_nothing, ERROR_BUSY, 0);
	expect_refusal(take_and_be_silent, ERROR_BUSY, 0);
	expect_refusal(read_and_be_silent, ERROR_BUSY, 0);
	expect_refusal(obey_the_kill, ERROR_BUSY, 0);
}

static void a_cancelled_call_does_not_wait_for_it(void **state)
{
	struct cancel cancel;
	struct attempt attempt;

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	cancel_raise(&cancel);
	assert_int_equal(save_against(take_and_be_silent, &cancel, &attempt), 0);
	assert_int_equal(attempt.err.kind, ERROR_CANCELLED);
	cancel_finish(&cancel);
}

static void claim_too_soon(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	say(guest, &(struct guest_wire_message){ .type = GUEST_WIRE_SAVED });
	hostile_wait_for_end(guest->fds[GUEST_WIRE_SAVE_FD_STATUS]);
}

/* What the next guest answers. */
static unsigned char bad_packet[2 * GUEST_WIRE_MAX_BYTES];
static size_t bad_packet_bytes;

static void answer_badly(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	read_data(guest, &order);
	hostile_send(guest->fds[GUEST_WIRE_SAVE_FD_STATUS], bad_packet, bad_packet_bytes);
	hostile_wait_for_end(guest->fds[GUEST_WIRE_SAVE_FD_STATUS]);
}

static void expect_broken(const void *packet, size_t bytes)
{
	memcpy(bad_packet, packet, bytes);
	bad_packet_bytes = bytes;
	expect_refusal(answer_badly, ERROR_LOST, 1);
}

static void a_guest_that_answers_nonsense_is_a_dead_sandbox(void **state)
{
	static const unsigned char with_body[] = { 35, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4 };
	static const unsigned char started[] = { 32, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char wrong_step[] = {
		34, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0
	};
	static const unsigned char no_errno[] = { 34, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char long_packet[2 * GUEST_WIRE_MAX_BYTES] = { 35 };

	(void)state;
	expect_refusal(claim_too_soon, ERROR_LOST, 1);
	expect_broken("x", 1);
	expect_broken(with_body, sizeof(with_body));
	expect_broken(started, sizeof(started));
	expect_broken(wrong_step, sizeof(wrong_step));
	expect_broken(no_errno, sizeof(no_errno));
	expect_broken(long_packet, sizeof(long_packet));
}

static void vanish(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	hang_up(guest);
	hostile_wait_for_end(guest->socket_fd);
}

static void what_saves_may_be_killed_inside(void **state)
{
	(void)state;
	expect_refusal(vanish, ERROR_UNAVAILABLE, 0);
}

static void die(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	hang_up(guest);
	cleanup_fd(&guest->socket_fd);
}

static void the_sandbox_may_die_meanwhile(void **state)
{
	(void)state;
	expect_refusal(die, ERROR_LOST, 0);
}

/* The step of the next failure. */
static enum guest_wire_step failing_step;

static void refuse(struct hostile_guest *guest)
{
	struct guest_wire_save order;

	hostile_say_ready(guest);
	(void)hostile_take_save(guest, &order);
	say(guest, &(struct guest_wire_message){ .type = GUEST_WIRE_FAILED,
						 .failed = { failing_step, 4000 } });
	hostile_wait_for_end(guest->fds[GUEST_WIRE_SAVE_FD_STATUS]);
}

static void a_failure_is_a_reason_and_no_more(void **state)
{
	static const enum guest_wire_step steps[] = {
		GUEST_WIRE_STEP_PROCESS,
		GUEST_WIRE_STEP_SAVE_DIRECTORY,
		GUEST_WIRE_STEP_SAVE_SPACE,
		GUEST_WIRE_STEP_SAVE_FILE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		failing_step = steps[i];
		expect_refusal(refuse, ERROR_UNAVAILABLE, 0);
	}
}

static void what_is_larger_than_all_the_room_is_not_sent(void **state)
{
	static const char byte;
	const struct exec_output output = { { &byte, &byte }, { LIMIT_SAVED_BYTES, 1 } };
	struct hostile_guest guest;
	struct guest_link *link;
	struct attempt attempt = { .err = ERROR_INIT };

	(void)state;
	hostile_start(&guest, save_properly);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	assert_int_equal(guest_link_save(link, &output, NULL, &attempt.saved, &attempt.err), -1);
	assert_int_equal(attempt.err.kind, ERROR_QUOTA);
	save(link, 1, 0, NULL, &attempt);
	assert_int_equal(attempt.status, 0);
	guest_link_close(link);
	hostile_finish(&guest);
}

struct saver_thread {
	pthread_t thread;
	struct guest_link *link;
	struct attempt attempt;
};

static void *save_on_thread(void *context)
{
	struct saver_thread *saver = context;

	save(saver->link, 100, 100, NULL, &saver->attempt);
	return NULL;
}

/* Runs `count` saves at once; returns how many came to pass. */
static unsigned save_at_once(void (*role)(struct hostile_guest *guest), unsigned count)
{
	struct saver_thread *savers = calloc(count, sizeof(*savers));
	struct hostile_guest guest;
	struct guest_link *link;
	uint64_t start_ms = clock_now_ms();
	unsigned done = 0;

	assert_non_null(savers);
	hostile_start(&guest, role);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	for (unsigned i = 0; i < count; i++) {
		savers[i].link = link;
		assert_int_equal(
			pthread_create(&savers[i].thread, NULL, save_on_thread, &savers[i]), 0);
	}
	for (unsigned i = 0; i < count; i++) {
		(void)pthread_join(savers[i].thread, NULL);
		if (savers[i].attempt.status == 0)
			done++;
		else
			assert_int_equal(savers[i].attempt.err.kind, ERROR_BUSY);
	}
	assert_true(clock_now_ms() - start_ms < LATE_MS);
	guest_link_close(link);
	hostile_finish(&guest);
	free(savers);
	return done;
}

static void many_save_at_once_one_after_another(void **state)
{
	(void)state;
	assert_true(save_at_once(save_properly, 20) > 0);
}

static void those_that_wait_their_turn_wait_no_longer_than_one(void **state)
{
	(void)state;
	assert_int_equal(save_at_once(take_nothing, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_has_a_name_and_a_size),
		cmocka_unit_test(the_guest_is_told_what_to_remove),
		cmocka_unit_test(a_mute_guest_does_not_keep_the_call_and_loses_nothing_else),
		cmocka_unit_test(a_cancelled_call_does_not_wait_for_it),
		cmocka_unit_test(a_guest_that_answers_nonsense_is_a_dead_sandbox),
		cmocka_unit_test(what_saves_may_be_killed_inside),
		cmocka_unit_test(the_sandbox_may_die_meanwhile),
		cmocka_unit_test(a_failure_is_a_reason_and_no_more),
		cmocka_unit_test(what_is_larger_than_all_the_room_is_not_sent),
		cmocka_unit_test(many_save_at_once_one_after_another),
		cmocka_unit_test(those_that_wait_their_turn_wait_no_longer_than_one),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
