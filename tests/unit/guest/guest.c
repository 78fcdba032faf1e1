/* SPDX-License-Identifier: MIT */
#include "guest/guest.h"

#include "base/attr.h"
#include "base/fd.h"
#include "tests/unit/guest/guest_peer.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The bytes of a string literal with its NULs, and how many strings behind the directory. */
#define EXEC(peer, strings, count) peer_exec((peer), (strings), sizeof(strings), (count))

static int start(void **state)
{
	static struct guest_peer peer;

	peer_start(&peer, 0);
	*state = &peer;
	return 0;
}

static int start_without_fork(void **state)
{
	static struct guest_peer peer;

	peer_start(&peer, 1);
	*state = &peer;
	return 0;
}

static char save_place[64];

static int start_with_a_place(void **state)
{
	static struct guest_peer peer;

	(void)snprintf(save_place, sizeof(save_place), "/tmp/kilntainers-test-guest-XXXXXX");
	assert_non_null(mkdtemp(save_place));
	peer.save_directory = save_place;
	peer_start(&peer, 0);
	*state = &peer;
	return 0;
}

/* Which must hold nothing but these files by now. */
static int remove_place(void **state)
{
	static const char *const files[] = { "1.stdout", "1.stderr", "2.stdout", "2.stderr" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/.kilntainers/%s", save_place, files[i]);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/.kilntainers", save_place);
	(void)rmdir(path);
	return rmdir(save_place);
}

/* Of a file in there; -1: there is none. */
static off_t saved_size(const char *name)
{
	char path[128];
	struct stat status;

	(void)snprintf(path, sizeof(path), "%s/.kilntainers/%s", save_place, name);
	return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* The guest ended by itself, not by a crash. */
static void expect_end(struct guest_peer *peer)
{
	int status = peer_wait(peer);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void hang_up(struct guest_peer *peer)
{
	(void)close(peer->socket_fd);
	expect_end(peer);
}

static void a_command_is_started_and_its_end_reported(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sh\0-c\0exit 3", 3);
	struct guest_wire_message message = peer_receive(status_fd);

	assert_int_equal(message.type, GUEST_WIRE_STARTED);
	message = peer_receive(status_fd);
	assert_int_equal(message.type, GUEST_WIRE_EXITED);
	assert_int_equal(message.exited.reason, GUEST_WIRE_ENDED);
	assert_int_equal(message.exited.exit_code, 3);
	assert_int_equal(peer_receive(status_fd).type, 0);
	(void)close(status_fd);
	hang_up(peer);
}

static void a_quick_program_took_the_time_that_it_took(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sh\0-c\0sleep 0.1", 3);
	struct guest_wire_message message;

	/* Nobody listens meanwhile: both messages are there at once. */
	(void)poll(NULL, 0, 300);
	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	message = peer_receive(status_fd);
	assert_int_equal(message.type, GUEST_WIRE_EXITED);
	assert_true(message.exited.duration_us >= 100000);
	(void)close(status_fd);
	hang_up(peer);
}

static void a_kill_is_confirmed_when_all_is_gone(void **state)
{
	static const char kill_packet[GUEST_WIRE_HEADER_BYTES] = { GUEST_WIRE_KILL };
	struct guest_peer *peer = *state;
	/* exec: a shell that sees its child killed first would end by itself, with 137. */
	int status_fd = EXEC(peer, "\0sh\0-c\0setsid sleep 600 & exec sleep 600", 3);
	struct guest_wire_message message;

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_true(send(status_fd, kill_packet, sizeof(kill_packet), MSG_NOSIGNAL) > 0);
	message = peer_receive(status_fd);
	assert_int_equal(message.type, GUEST_WIRE_EXITED);
	assert_int_equal(message.exited.reason, GUEST_WIRE_KILLED);
	assert_int_equal(message.exited.signal, SIGKILL);
	assert_int_equal(peer_receive(status_fd).type, 0);
	(void)close(status_fd);
	hang_up(peer);
}

/* End-of-file on the command's socket before EXITED means kill. What is left behind would keep
 * the supervisor, and with it the end of the guest, waiting. */
static void a_command_whose_server_left_is_killed(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sleep\000600", 2);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	(void)close(status_fd);
	hang_up(peer);
}

static void nonsense_on_a_commands_socket_kills_the_command(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sleep\000600", 2);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_true(send(status_fd, "nonsense", 8, MSG_NOSIGNAL) > 0);
	/* It hangs up at once, and says no more. */
	while (peer_receive(status_fd).type != 0)
		continue;
	(void)close(status_fd);
	hang_up(peer);
}

static void without_processes_left_a_command_is_refused(void **state)
{
	struct guest_peer *peer = *state;

	for (int i = 0; i < 3; i++) {
		int status_fd = EXEC(peer, "\0true", 1);
		struct guest_wire_message message = peer_receive(status_fd);

		assert_int_equal(message.type, GUEST_WIRE_FAILED);
		assert_int_equal(message.failed.step, GUEST_WIRE_STEP_PROCESS);
		assert_int_equal(message.failed.errno_value, EAGAIN);
		(void)close(status_fd);
	}
	hang_up(peer);
}

static void nonsense_without_processes_left_ends_the_guest(void **state)
{
	struct guest_peer *peer = *state;

	assert_true(send(peer->socket_fd, "nonsense", 8, MSG_NOSIGNAL) > 0);
	expect_end(peer);
	(void)close(peer->socket_fd);
}

static void nonsense_ends_the_guest_and_its_commands(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sleep\000600", 2);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_true(send(peer->socket_fd, "nonsense", 8, MSG_NOSIGNAL) > 0);
	expect_end(peer);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void a_command_without_its_descriptors_ends_the_guest(void **state)
{
	const struct guest_wire_exec exec = { 6, 1, GUEST_WIRE_INHERIT };
	struct guest_peer *peer = *state;
	int request_fd = fd_sealed_memory("request", "\0true", 6, NULL);
	int status_fd = peer_send_exec(peer, &exec, request_fd, GUEST_WIRE_EXEC_FDS - 1);

	expect_end(peer);
	(void)close(request_fd);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void an_unsealed_request_ends_the_guest(void **state)
{
	const struct guest_wire_exec exec = { 6, 1, GUEST_WIRE_INHERIT };
	struct guest_peer *peer = *state;
	int request_fd = memfd_create("request", MFD_CLOEXEC);
	int status_fd;

	assert_int_equal(fd_write_all(request_fd, "\0true", 6, NULL), 0);
	status_fd = peer_send_exec(peer, &exec, request_fd, GUEST_WIRE_EXEC_FDS);
	expect_end(peer);
	(void)close(request_fd);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void a_request_of_another_size_ends_the_guest(void **state)
{
	const struct guest_wire_exec exec = { 100000, 1, GUEST_WIRE_INHERIT };
	struct guest_peer *peer = *state;
	int request_fd = fd_sealed_memory("request", "\0true", 6, NULL);
	int status_fd = peer_send_exec(peer, &exec, request_fd, GUEST_WIRE_EXEC_FDS);

	expect_end(peer);
	(void)close(request_fd);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void shutdown_ends_everything(void **state)
{
	static const char packet[GUEST_WIRE_HEADER_BYTES] = { GUEST_WIRE_SHUTDOWN };
	struct guest_peer *peer = *state;
	/* exec: a shell that sees its child killed first would end by itself, with 137. */
	int status_fd = EXEC(peer, "\0sh\0-c\0setsid sleep 600 & exec sleep 600", 3);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_true(send(peer->socket_fd, packet, sizeof(packet), MSG_NOSIGNAL) > 0);
	expect_end(peer);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void sigterm_ends_everything(void **state)
{
	struct guest_peer *peer = *state;
	int status_fd = EXEC(peer, "\0sleep\000600", 2);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_int_equal(kill(peer->pid, SIGTERM), 0);
	expect_end(peer);
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void a_guest_that_is_killed_takes_its_commands_along(void **state)
{
	struct guest_peer *peer = *state;
	/* exec: a shell that sees its child killed first would end by itself, with 137. */
	int status_fd = EXEC(peer, "\0sh\0-c\0setsid sleep 600 & exec sleep 600", 3);

	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_STARTED);
	assert_int_equal(kill(peer->pid, SIGKILL), 0);
	/* peer_wait waits for the supervisors, too; they wait for everything below them. */
	assert_true(WIFSIGNALED(peer_wait(peer)));
	(void)close(status_fd);
	(void)close(peer->socket_fd);
}

static void a_stopped_spare_still_serves(void **state)
{
	struct guest_peer *peer = *state;
	/* The first command stops its successor: the spare is its supervisor's next sibling. */
	int first_fd = EXEC(peer,
			    "\0sh\0-c\0sleep 0.1; g=$(awk '{print $4}' /proc/$PPID/stat); "
			    "for p in $(cat /proc/$g/task/$g/children); do "
			    "[ $p != $PPID ] && kill -STOP $p; done; exit 5",
			    3);
	int second_fd;

	assert_int_equal(peer_receive(first_fd).type, GUEST_WIRE_STARTED);
	assert_int_equal(peer_receive(first_fd).exited.exit_code, 5);
	(void)close(first_fd);
	second_fd = EXEC(peer, "\0true", 1);
	assert_int_equal(peer_receive(second_fd).type, GUEST_WIRE_STARTED);
	assert_int_equal(peer_receive(second_fd).type, GUEST_WIRE_EXITED);
	(void)close(second_fd);
	hang_up(peer);
}

static void output_is_saved_between_commands(void **state)
{
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 3, .stderr_bytes = 4 };
	struct guest_peer *peer = *state;
	int data_fd;
	int status_fd = peer_save(peer, &save, &data_fd);
	int command_fd;

	assert_int_equal(write(data_fd, "outerrs", 7), 7);
	assert_int_equal(peer_receive(status_fd).type, GUEST_WIRE_SAVED);
	assert_int_equal(peer_receive(status_fd).type, 0);
	assert_int_equal(saved_size("1.stdout"), 3);
	assert_int_equal(saved_size("1.stderr"), 4);
	(void)close(data_fd);
	(void)close(status_fd);
	command_fd = EXEC(peer, "\0true", 1);
	assert_int_equal(peer_receive(command_fd).type, GUEST_WIRE_STARTED);
	assert_int_equal(peer_receive(command_fd).type, GUEST_WIRE_EXITED);
	(void)close(command_fd);
	hang_up(peer);
}

static void why_output_was_not_saved_is_told(void **state)
{
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 3 };
	struct guest_peer *peer = *state;
	struct guest_wire_message message;
	int data_fd;
	int status_fd;

	assert_int_equal(rmdir(save_place), 0);
	status_fd = peer_save(peer, &save, &data_fd);
	message = peer_receive(status_fd);
	assert_int_equal(message.type, GUEST_WIRE_FAILED);
	assert_int_equal(message.failed.step, GUEST_WIRE_STEP_SAVE_DIRECTORY);
	assert_int_equal(message.failed.errno_value, ENOENT);
	assert_int_equal(peer_receive(status_fd).type, 0);
	(void)close(data_fd);
	(void)close(status_fd);
	assert_int_equal(mkdir(save_place, 0700), 0);
	hang_up(peer);
}

/* The rest of what is to be saved never comes. */
static void saving_can_be_killed(void **state)
{
	static const char kill_packet[GUEST_WIRE_HEADER_BYTES] = { GUEST_WIRE_KILL };
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 1000 };
	struct guest_peer *peer = *state;
	int data_fd;
	int status_fd = peer_save(peer, &save, &data_fd);

	assert_int_equal(write(data_fd, "out", 3), 3);
	assert_true(send(status_fd, kill_packet, sizeof(kill_packet), MSG_NOSIGNAL) > 0);
	assert_int_equal(peer_receive(status_fd).type, 0);
	(void)close(data_fd);
	(void)close(status_fd);
	hang_up(peer);
}

static void saving_for_a_server_that_left_ends(void **state)
{
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 1000 };
	struct guest_peer *peer = *state;
	int data_fd;
	int status_fd = peer_save(peer, &save, &data_fd);

	(void)close(status_fd);
	hang_up(peer);
	(void)close(data_fd);
}

static void without_processes_left_nothing_is_saved(void **state)
{
	const struct guest_wire_save save = { .number = 1, .stdout_bytes = 3 };
	struct guest_peer *peer = *state;
	int data_fd;
	int status_fd = peer_save(peer, &save, &data_fd);
	struct guest_wire_message message = peer_receive(status_fd);

	assert_int_equal(message.type, GUEST_WIRE_FAILED);
	assert_int_equal(message.failed.step, GUEST_WIRE_STEP_PROCESS);
	assert_int_equal(message.failed.errno_value, EAGAIN);
	(void)close(data_fd);
	(void)close(status_fd);
	hang_up(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_command_is_started_and_its_end_reported, start),
		cmocka_unit_test_setup(a_quick_program_took_the_time_that_it_took, start),
		cmocka_unit_test_setup(a_kill_is_confirmed_when_all_is_gone, start),
		cmocka_unit_test_setup(a_command_whose_server_left_is_killed, start),
		cmocka_unit_test_setup(nonsense_on_a_commands_socket_kills_the_command, start),
		cmocka_unit_test_setup(without_processes_left_a_command_is_refused,
				       start_without_fork),
		cmocka_unit_test_setup(nonsense_without_processes_left_ends_the_guest,
				       start_without_fork),
		cmocka_unit_test_setup(nonsense_ends_the_guest_and_its_commands, start),
		cmocka_unit_test_setup(a_command_without_its_descriptors_ends_the_guest, start),
		cmocka_unit_test_setup(an_unsealed_request_ends_the_guest, start),
		cmocka_unit_test_setup(a_request_of_another_size_ends_the_guest, start),
		cmocka_unit_test_setup(shutdown_ends_everything, start),
		cmocka_unit_test_setup(sigterm_ends_everything, start),
		cmocka_unit_test_setup(a_guest_that_is_killed_takes_its_commands_along, start),
		cmocka_unit_test_setup(a_stopped_spare_still_serves, start),
		cmocka_unit_test_setup_teardown(output_is_saved_between_commands,
						start_with_a_place, remove_place),
		cmocka_unit_test_setup_teardown(why_output_was_not_saved_is_told,
						start_with_a_place, remove_place),
		cmocka_unit_test_setup_teardown(saving_can_be_killed, start_with_a_place,
						remove_place),
		cmocka_unit_test_setup_teardown(saving_for_a_server_that_left_ends,
						start_with_a_place, remove_place),
		cmocka_unit_test_setup(without_processes_left_nothing_is_saved, start_without_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
