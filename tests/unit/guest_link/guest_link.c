/* SPDX-License-Identifier: MIT */
#include "guest_link/guest_link.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "guest_link/guest_file.h"
#include "guest_wire/build_id.h"
#include "tests/unit/guest_link/hostile_guest.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Calls that must end in about half a second; late by forty times is still not a hang. */
#define LATE_MS 20000
#define TIMEOUT_MS 200

static int swallow(struct exec_sink *sink, enum exec_stream stream, const void *data, size_t bytes)
{
	(void)sink;
	(void)stream;
	(void)data;
	(void)bytes;
	return 0;
}

struct call {
	struct exec_request request;
	struct exec_result result;
	struct error err;
	int status;
};

static void run(struct guest_link *link, struct call *call, uint64_t timeout_ms)
{
	struct exec_sink sink = { swallow };

	*call = (struct call){ .request = EXEC_REQUEST_INIT };
	call->request.command = "true";
	call->request.timeout_ms = timeout_ms;
	call->status = guest_link_exec(link, &call->request, &sink, &call->result, &call->err);
}

/* One command with a guest that does as `role` says. Returns how often the sandbox was killed. */
static int run_against(void (*role)(struct hostile_guest *guest), struct call *call,
		       uint64_t timeout_ms)
{
	struct hostile_guest guest;
	struct guest_link *link;
	struct error err = ERROR_INIT;
	uint64_t start_ms = clock_now_ms();

	hostile_start(&guest, role);
	link = hostile_open(&guest, NULL, &err);
	assert_non_null(link);
	run(link, call, timeout_ms);
	assert_true(clock_now_ms() - start_ms < LATE_MS);
	guest_link_close(link);
	hostile_finish(&guest);
	return atomic_load(&guest.kills);
}

/* What open says to a guest that plays `role`. */
static enum error_kind open_against(void (*role)(struct hostile_guest *guest),
				    const struct cancel *cancel)
{
	struct hostile_guest guest;
	struct error err = ERROR_INIT;

	hostile_start(&guest, role);
	assert_null(hostile_open(&guest, cancel, &err));
	hostile_finish(&guest);
	return err.kind;
}

static void say_wrong_id(struct hostile_guest *guest)
{
	struct guest_wire_message message = { .type = GUEST_WIRE_READY };

	memcpy(message.ready.build_id, guest_build_id, sizeof(guest_build_id));
	message.ready.build_id[GUEST_WIRE_BUILD_ID_BYTES - 1] ^= 1;
	hostile_say(guest->socket_fd, &message);
	hostile_wait_for_end(guest->socket_fd);
}

static void say_nonsense(struct hostile_guest *guest)
{
	hostile_send(guest->socket_fd, "nonsense", 8);
	hostile_wait_for_end(guest->socket_fd);
}

static void say_too_much(struct hostile_guest *guest)
{
	static const char packet[100000];

	hostile_send(guest->socket_fd, packet, sizeof(packet));
	hostile_wait_for_end(guest->socket_fd);
}

static void hang_up(struct hostile_guest *guest)
{
	cleanup_fd(&guest->socket_fd);
}

static void say_nothing(struct hostile_guest *guest)
{
	hostile_wait_for_end(guest->socket_fd);
}

static void a_guest_of_another_build_is_refused(void **state)
{
	(void)state;
	assert_int_equal(open_against(say_wrong_id, NULL), ERROR_PROTOCOL);
}

static void a_guest_that_cannot_introduce_itself_is_refused(void **state)
{
	(void)state;
	assert_int_equal(open_against(say_nonsense, NULL), ERROR_PROTOCOL);
	assert_int_equal(open_against(say_too_much, NULL), ERROR_PROTOCOL);
	assert_int_equal(open_against(hang_up, NULL), ERROR_UNAVAILABLE);
}

static void a_guest_that_says_nothing_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(open_against(say_nothing, NULL), ERROR_UNAVAILABLE);
}

static void waiting_for_a_guest_can_be_cancelled(void **state)
{
	struct cancel cancel;

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	cancel_raise(&cancel);
	assert_int_equal(open_against(say_nothing, &cancel), ERROR_CANCELLED);
	cancel_finish(&cancel);
}

static void serve_one_properly(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_EXITED,
						  .exited = { .reason = GUEST_WIRE_ENDED,
							      .exit_code = 7,
							      .duration_us = 1 } });
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		hostile_close(guest, (enum guest_wire_exec_fd)i);
}

static void a_proper_guest_is_believed(void **state)
{
	struct call call;

	(void)state;
	assert_int_equal(run_against(serve_one_properly, &call, LATE_MS), 0);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result.end, EXEC_END_EXIT);
	assert_int_equal(call.result.code, 7);
	assert_int_equal(call.result.duration_us, 1);
}

static void claim_an_hour(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){
			    .type = GUEST_WIRE_EXITED,
			    .exited = { .reason = GUEST_WIRE_ENDED, .duration_us = 3600000000 } });
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		hostile_close(guest, (enum guest_wire_exec_fd)i);
}

static void no_command_took_longer_than_was_waited_for_it(void **state)
{
	uint64_t began_us = clock_now_us();
	struct call call;

	(void)state;
	assert_int_equal(run_against(claim_an_hour, &call, 0), 0);
	assert_int_equal(call.status, 0);
	assert_true(call.result.duration_us <= clock_now_us() - began_us);
}

static void take_and_be_silent(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	hostile_wait_for_end(guest->fds[GUEST_WIRE_FD_STATUS]);
}

static void take_nothing(struct hostile_guest *guest)
{
	struct timespec moment = { 0, 1000000 };

	hostile_say_ready(guest);
	/* Reads nothing; leaves once the server has given up. */
	while (atomic_load(&guest->kills) == 0)
		(void)nanosleep(&moment, NULL);
}

static void start_and_flood(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	while (atomic_load(&guest->kills) == 0) {
		hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
			    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
		hostile_send(guest->fds[GUEST_WIRE_FD_STDOUT], "", 0);
	}
}

static void expect_reset(void (*role)(struct hostile_guest *guest))
{
	struct call call;

	assert_int_equal(run_against(role, &call, TIMEOUT_MS), 1);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result.end, EXEC_END_TIMEOUT);
	assert_true(call.result.was_reset);
}

static void a_silent_guest_cannot_keep_a_call(void **state)
{
	(void)state;
	expect_reset(take_and_be_silent);
}

static void a_guest_that_reads_nothing_cannot_keep_a_call(void **state)
{
	(void)state;
	expect_reset(take_nothing);
}

static void a_flood_of_messages_cannot_keep_a_call(void **state)
{
	(void)state;
	expect_reset(start_and_flood);
}

/* What the next guest sends as its first word about a command. */
static unsigned char bad_packet[GUEST_WIRE_MAX_BYTES * 2];
static size_t bad_packet_bytes;

static void answer_badly(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	hostile_send(guest->fds[GUEST_WIRE_FD_STATUS], bad_packet, bad_packet_bytes);
	hostile_wait_for_end(guest->fds[GUEST_WIRE_FD_STATUS]);
}

static void expect_broken(const void *packet, size_t bytes)
{
	struct call call;

	memcpy(bad_packet, packet, bytes);
	bad_packet_bytes = bytes;
	assert_int_equal(run_against(answer_badly, &call, LATE_MS), 1);
	assert_int_equal(call.status, -1);
	assert_int_equal(call.err.kind, ERROR_LOST);
}

static void a_guest_that_breaks_the_protocol_is_a_dead_sandbox(void **state)
{
	static const unsigned char giant[] = { 33, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	static const unsigned char wrong_way[] = { 16, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char bad_step[] = { 34, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0 };
	static const unsigned char save_step[] = {
		34, 0, 0, 0, 8, 0, 0, 0, GUEST_WIRE_STEP_SAVE_FILE, 0, 0, 0, 2, 0, 0, 0
	};
	static const unsigned char saved[] = { 35, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char long_packet[GUEST_WIRE_MAX_BYTES * 2] = { 32 };

	(void)state;
	expect_broken("x", 1);
	expect_broken(giant, sizeof(giant));
	expect_broken(wrong_way, sizeof(wrong_way));
	expect_broken(bad_step, sizeof(bad_step));
	expect_broken(save_step, sizeof(save_step));
	expect_broken(saved, sizeof(saved));
	expect_broken(long_packet, sizeof(long_packet));
}

static void die_before_taking(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	cleanup_fd(&guest->socket_fd);
}

static void die_after_taking(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	cleanup_fd(&guest->socket_fd);
	hostile_close(guest, GUEST_WIRE_FD_STATUS);
}

static void die_after_starting(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
	/* The command's socket goes first, as it may. */
	hostile_close(guest, GUEST_WIRE_FD_STATUS);
	cleanup_fd(&guest->socket_fd);
}

static void a_guest_may_die_at_any_point_and_the_call_ends(void **state)
{
	static void (*const roles[])(struct hostile_guest *guest) = {
		die_before_taking,
		die_after_taking,
		die_after_starting,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(roles); i++) {
		struct call call;

		assert_int_equal(run_against(roles[i], &call, LATE_MS), 0);
		assert_int_equal(call.status, -1);
		assert_int_equal(call.err.kind, ERROR_LOST);
	}
}

static void lose_the_supervisor(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_take_exec(guest);
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		hostile_close(guest, (enum guest_wire_exec_fd)i);
	hostile_wait_for_end(guest->socket_fd);
}

static void a_supervisor_that_vanished_from_a_living_sandbox_was_killed(void **state)
{
	struct call call;

	(void)state;
	assert_int_equal(run_against(lose_the_supervisor, &call, LATE_MS), 0);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result.end, EXEC_END_SIGNAL);
	assert_int_equal(call.result.code, SIGKILL);
}

static atomic_bool first_is_taken;

/* Two commands: one that is killed in vain, and one whose supervisor ends before its guest when the
 * sandbox is killed for that. */
static void lose_the_first_in_a_reset(struct hostile_guest *guest)
{
	struct timespec moment = { 0, 1000000 };
	int first[GUEST_WIRE_EXEC_FDS];

	hostile_say_ready(guest);
	hostile_take_exec(guest);
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		first[i] = take_fd(&guest->fds[i]);
	atomic_store(&first_is_taken, true);
	hostile_take_exec(guest);
	while (atomic_load(&guest->kills) == 0)
		(void)nanosleep(&moment, NULL);
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		cleanup_fd(&first[i]);
	hostile_wait_for_end(guest->socket_fd);
}

struct bystander {
	struct guest_link *link;
	struct call call;
};

static void *stand_by(void *context)
{
	struct bystander *bystander = context;

	run(bystander->link, &bystander->call, LATE_MS);
	return NULL;
}

static void who_goes_in_the_reset_for_another_is_told_of_a_dead_sandbox(void **state)
{
	struct timespec moment = { 0, 1000000 };
	struct bystander bystander;
	struct hostile_guest guest;
	struct call killed;
	pthread_t thread;

	(void)state;
	hostile_start(&guest, lose_the_first_in_a_reset);
	bystander.link = hostile_open(&guest, NULL, NULL);
	assert_non_null(bystander.link);
	assert_int_equal(pthread_create(&thread, NULL, stand_by, &bystander), 0);
	while (!atomic_load(&first_is_taken))
		(void)nanosleep(&moment, NULL);
	run(bystander.link, &killed, TIMEOUT_MS);
	assert_true(killed.result.was_reset);
	(void)pthread_join(thread, NULL);
	assert_int_equal(bystander.call.status, -1);
	assert_int_equal(bystander.call.err.kind, ERROR_LOST);
	guest_link_close(bystander.link);
	hostile_finish(&guest);
	assert_int_equal(atomic_load(&guest.kills), 1);
}

static unsigned count_open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	(void)closedir(directory);
	return count;
}

/* STARTED with a descriptor in its luggage. */
static void pass_a_descriptor(struct hostile_guest *guest)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	const struct guest_wire_message started = { .type = GUEST_WIRE_STARTED };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec data = { packet, guest_wire_encode(packet, &started) };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	hostile_say_ready(guest);
	hostile_take_exec(guest);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &guest->socket_fd, sizeof(int));
	(void)sendmsg(guest->fds[GUEST_WIRE_FD_STATUS], &header, MSG_NOSIGNAL);
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_EXITED,
						  .exited = { GUEST_WIRE_ENDED, 0, 0, 0, 0, 0 } });
	for (int i = 0; i < GUEST_WIRE_EXEC_FDS; i++)
		hostile_close(guest, (enum guest_wire_exec_fd)i);
}

static void descriptors_from_a_guest_are_never_taken(void **state)
{
	unsigned before = count_open_fds();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct call call;

		assert_int_equal(run_against(pass_a_descriptor, &call, LATE_MS), 0);
		assert_int_equal(call.status, 0);
	}
	/* The drainer's thread, started once, has descriptors of its own. */
	assert_true(count_open_fds() < before + 10);
}

/* Ends by itself while the kill is on its way; what it left in the background takes longer. */
static void end_as_the_kill_comes(struct hostile_guest *guest)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct timespec moment = { 0, 20000000 };

	hostile_say_ready(guest);
	hostile_take_exec(guest);
	/* Until KILL. */
	(void)recv(guest->fds[GUEST_WIRE_FD_STATUS], packet, sizeof(packet), 0);
	hostile_say(guest->fds[GUEST_WIRE_FD_STATUS],
		    &(struct guest_wire_message){ .type = GUEST_WIRE_EXITED,
						  .exited = { .reason = GUEST_WIRE_ENDED } });
	(void)nanosleep(&moment, NULL);
	hostile_close(guest, GUEST_WIRE_FD_STATUS);
	hostile_wait_for_end(guest->socket_fd);
}

static void a_kill_is_confirmed_by_the_end_of_everything(void **state)
{
	uint64_t began_us = clock_now_us();
	struct call call;

	(void)state;
	assert_int_equal(run_against(end_as_the_kill_comes, &call, TIMEOUT_MS), 0);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result.end, EXEC_END_TIMEOUT);
	assert_false(call.result.was_reset);
	assert_true(clock_now_us() - began_us >= TIMEOUT_MS * 1000 + 20000);
}

static void after_a_reset_the_sandbox_is_dead(void **state)
{
	struct hostile_guest guest;
	struct guest_link *link;
	struct call call;

	(void)state;
	hostile_start(&guest, take_nothing);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	run(link, &call, TIMEOUT_MS);
	assert_true(call.result.was_reset);
	run(link, &call, TIMEOUT_MS);
	assert_int_equal(call.status, -1);
	assert_int_equal(call.err.kind, ERROR_LOST);
	guest_link_close(link);
	hostile_finish(&guest);
	assert_int_equal(atomic_load(&guest.kills), 1);
}

static void a_request_that_cannot_be_is_refused_before_it_is_sent(void **state)
{
	char *text = malloc(LIMIT_ARGUMENT_BYTES + 2);
	const char *args[] = { "true", text, NULL };
	struct hostile_guest guest;
	struct guest_link *link;
	struct exec_sink sink = { swallow };
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result;
	struct error err = ERROR_INIT;
	struct call call;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LIMIT_ARGUMENT_BYTES + 1);
	text[LIMIT_ARGUMENT_BYTES + 1] = '\0';
	hostile_start(&guest, serve_one_properly);
	link = hostile_open(&guest, NULL, NULL);
	assert_non_null(link);
	request.args = args;
	assert_int_equal(guest_link_exec(link, &request, &sink, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_INVALID);
	/* The sandbox does not mind. */
	run(link, &call, LATE_MS);
	assert_int_equal(call.result.code, 7);
	guest_link_close(link);
	hostile_finish(&guest);
	free(text);
}

/* How many of the next sends the kernel refuses, as when too many descriptors are in flight. */
static atomic_int refusals;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (atomic_load(&refusals) > 0) {
		atomic_fetch_sub(&refusals, 1);
		errno = ETOOMANYREFS;
		return -1;
	}
	return __real_sendmsg(fd, message, flags);
}

static void descriptors_in_flight_of_others_delay_a_command_a_little(void **state)
{
	struct call call;

	(void)state;
	atomic_store(&refusals, 5);
	assert_int_equal(run_against(serve_one_properly, &call, LATE_MS), 0);
	assert_int_equal(atomic_load(&refusals), 0);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result.code, 7);
}

static void be_ready(struct hostile_guest *guest)
{
	hostile_say_ready(guest);
	hostile_wait_for_end(guest->socket_fd);
}

static void a_command_that_cannot_be_sent_is_told_to_come_again(void **state)
{
	struct call call;

	(void)state;
	atomic_store(&refusals, INT_MAX);
	assert_int_equal(run_against(be_ready, &call, LATE_MS), 0);
	atomic_store(&refusals, 0);
	assert_int_equal(call.status, -1);
	assert_int_equal(call.err.kind, ERROR_BUSY);
}

static void the_guest_that_the_server_carries_is_sealed(void **state)
{
	int fd = guest_file_open(NULL);
	char magic[4];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, magic, sizeof(magic)), sizeof(magic));
	assert_memory_equal(magic, "\177ELF", 4);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_of_another_build_is_refused),
		cmocka_unit_test(a_guest_that_cannot_introduce_itself_is_refused),
		cmocka_unit_test(a_guest_that_says_nothing_is_not_waited_for),
		cmocka_unit_test(waiting_for_a_guest_can_be_cancelled),
		cmocka_unit_test(a_proper_guest_is_believed),
		cmocka_unit_test(no_command_took_longer_than_was_waited_for_it),
		cmocka_unit_test(a_silent_guest_cannot_keep_a_call),
		cmocka_unit_test(a_guest_that_reads_nothing_cannot_keep_a_call),
		cmocka_unit_test(a_flood_of_messages_cannot_keep_a_call),
		cmocka_unit_test(a_guest_that_breaks_the_protocol_is_a_dead_sandbox),
		cmocka_unit_test(a_guest_may_die_at_any_point_and_the_call_ends),
		cmocka_unit_test(a_supervisor_that_vanished_from_a_living_sandbox_was_killed),
		cmocka_unit_test(who_goes_in_the_reset_for_another_is_told_of_a_dead_sandbox),
		cmocka_unit_test(descriptors_from_a_guest_are_never_taken),
		cmocka_unit_test(a_kill_is_confirmed_by_the_end_of_everything),
		cmocka_unit_test(after_a_reset_the_sandbox_is_dead),
		cmocka_unit_test(a_request_that_cannot_be_is_refused_before_it_is_sent),
		cmocka_unit_test(descriptors_in_flight_of_others_delay_a_command_a_little),
		cmocka_unit_test(a_command_that_cannot_be_sent_is_told_to_come_again),
		cmocka_unit_test(the_guest_that_the_server_carries_is_sealed),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
