/* SPDX-License-Identifier: MIT */

/*
 * The pump with real commands, whose end shows at their pidfd, and with scripted
 * ones, which report by letters in a pipe.
 */

#include "exec/pump.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "exec/capture.h"
#include "proc/spawn.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- real commands ------------------------------------------------------- */

struct command {
	struct exec_request request;
	struct capture capture;
	struct drainer *drainer;
	struct spawn_child child;
	struct exec_result result;
	enum pump_outcome outcome;
	unsigned kills;
	struct cancel *cancels_at_its_end; /* raised just then; or NULL */
};

static enum pump_event on_child_ended(void *context, struct exec_result *result, struct error *err)
{
	struct command *command = context;
	int status = 0;

	(void)err;
	assert_int_equal(spawn_wait(&command->child, CLOCK_NEVER, -1, &status), 1);
	result->end = WIFSIGNALED(status) ? EXEC_END_SIGNAL : EXEC_END_EXIT;
	result->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	if (command->cancels_at_its_end)
		cancel_raise(command->cancels_at_its_end);
	return PUMP_EVENT_ENDED;
}

/* Its whole session, which is a process group. */
static void kill_child(void *context)
{
	struct command *command = context;

	command->kills++;
	(void)kill(-command->child.pid, SIGKILL);
}

static void command_init(struct command *command, uint64_t limit_bytes)
{
	*command = (struct command){ .request = EXEC_REQUEST_INIT };
	capture_init(&command->capture, limit_bytes);
	command->drainer = drainer_create();
}

/* `report_fd`, if not -1, is the command's descriptor 3. */
static void command_run(struct command *command, const char *text, int report_fd)
{
	const char *args[] = { "bash", "-c", text, NULL };
	const char *env[] = { "PATH=/usr/bin:/bin", NULL };
	const struct spawn_fd fds[] = { { report_fd, 3 } };
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct error err = ERROR_INIT;
	int input[2], output[2], errors[2];
	struct pump pump;

	assert_int_equal(fd_open_pipe(input, NULL), 0);
	assert_int_equal(fd_open_pipe(output, NULL), 0);
	assert_int_equal(fd_open_pipe(errors, NULL), 0);
	request.path = "/bin/bash";
	request.args = args;
	request.env = env;
	request.stdin_fd = input[0];
	request.stdout_fd = output[1];
	request.stderr_fd = errors[1];
	request.fds = fds;
	request.fd_count = report_fd >= 0;
	if (spawn_start(&command->child, &request, &err) < 0)
		fail_msg("%s", err.message);
	close(input[0]);
	close(output[1]);
	close(errors[1]);
	command->request.command = text;
	pump = (struct pump){
		.request = &command->request,
		.sink = &command->capture.sink,
		.drainer = command->drainer,
		.sent_us = clock_now_us(),
		.stdin_fd = input[1],
		.stdout_fd = output[0],
		.stderr_fd = errors[0],
		.status_fd = command->child.pidfd,
		.on_status = on_child_ended,
		.request_kill = kill_child,
		.context = command,
	};
	command->outcome = pump_run(&pump, &command->result, &err);
}

static void command_finish(struct command *command)
{
	spawn_finish(&command->child);
	capture_finish(&command->capture);
	drainer_destroy(command->drainer);
}

static void output_and_exit_code_come_back(void **state)
{
	struct command command;

	(void)state;
	command_init(&command, MIB);
	command_run(&command, "echo out; echo err >&2; exit 3", -1);
	assert_int_equal(command.outcome, PUMP_ENDED);
	assert_int_equal(command.result.end, EXEC_END_EXIT);
	assert_int_equal(command.result.code, 3);
	assert_int_equal(command.capture.out.length, 4);
	assert_memory_equal(command.capture.out.data, "out\n", 4);
	assert_memory_equal(command.capture.err.data, "err\n", 4);
	assert_int_equal(command.kills, 0);
	command_finish(&command);
}

static void much_stdin_and_much_output_do_not_lock_each_other_up(void **state)
{
	struct command command;
	size_t bytes = 2 * MIB, i;
	char *data = malloc(bytes);

	(void)state;
	for (i = 0; i < bytes; i++)
		data[i] = (char)('a' + i % 23);
	command_init(&command, 4 * MIB);
	command.request.stdin_data = data;
	command.request.stdin_bytes = bytes;
	command_run(&command, "tee /dev/stderr", -1);
	assert_int_equal(command.result.code, 0);
	assert_int_equal(command.capture.out.length, bytes);
	assert_memory_equal(command.capture.out.data, data, bytes);
	assert_int_equal(command.capture.err.length, bytes);
	assert_memory_equal(command.capture.err.data, data, bytes);
	command_finish(&command);
	free(data);
}

static void stdin_that_nobody_reads_is_no_error(void **state)
{
	struct command command;
	char *data = calloc(1, 2 * MIB);

	(void)state;
	command_init(&command, MIB);
	command.request.stdin_data = data;
	command.request.stdin_bytes = 2 * MIB;
	command_run(&command, "exec <&-; echo done", -1);
	assert_int_equal(command.result.end, EXEC_END_EXIT);
	assert_int_equal(command.result.code, 0);
	assert_memory_equal(command.capture.out.data, "done\n", 5);
	command_finish(&command);
	free(data);
}

static void without_data_stdin_is_at_its_end(void **state)
{
	struct command command;

	(void)state;
	command_init(&command, MIB);
	command_run(&command, "wc -c", -1);
	assert_memory_equal(command.capture.out.data, "0\n", 2);
	command_finish(&command);
}

static void *write_slowly(void *context)
{
	int fd = *(int *)context;
	unsigned i;

	for (i = 0; i < 100; i++) {
		char block[2000];

		memset(block, 'x', sizeof(block));
		assert_int_equal(fd_write_all(fd, block, sizeof(block), NULL), 0);
		(void)poll(NULL, 0, i % 10 == 0);
	}
	close(fd);
	return NULL;
}

static void stdin_can_be_copied_from_a_descriptor(void **state)
{
	struct command command;
	pthread_t writer;
	int source[2];

	(void)state;
	assert_int_equal(fd_open_pipe(source, NULL), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_slowly, &source[1]), 0);
	command_init(&command, MIB);
	command.request.stdin_fd = source[0];
	command_run(&command, "wc -c", -1);
	assert_memory_equal(command.capture.out.data, "200000\n", 7);
	assert_int_equal(pthread_join(writer, NULL), 0);
	close(source[0]);
	command_finish(&command);
}

static void a_source_that_never_ends_does_not_hold_the_command(void **state)
{
	struct command command;
	int source[2];

	(void)state;
	assert_int_equal(fd_open_pipe(source, NULL), 0);
	command_init(&command, MIB);
	command.request.stdin_fd = source[0];
	command_run(&command, "echo done", -1);
	assert_memory_equal(command.capture.out.data, "done\n", 5);
	close(source[0]);
	close(source[1]);
	command_finish(&command);
}

static void a_command_that_takes_too_long_is_killed(void **state)
{
	struct command command;

	(void)state;
	command_init(&command, MIB);
	command.request.timeout_ms = 20;
	command_run(&command, "trap '' TERM; sleep 1000 & sleep 1000", -1);
	/* Whether the kernel ends it within LIMIT_KILL_CONFIRM_MS is up to the machine. */
	assert_int_equal(command.result.end, EXEC_END_TIMEOUT);
	assert_int_equal(command.kills, 1);
	command_finish(&command);
}

static void a_command_that_prints_too_much_is_killed(void **state)
{
	struct command command;

	(void)state;
	command_init(&command, MIB);
	command_run(&command, "yes", -1);
	assert_int_equal(command.result.end, EXEC_END_OUTPUT_LIMIT);
	assert_int_equal(command.kills, 1);
	/* To the byte. */
	assert_int_equal(command.capture.kept_bytes, MIB);
	assert_int_equal(command.capture.out.length, MIB);
	command_finish(&command);
}

static void the_limit_holds_for_what_is_read_after_the_end_too(void **state)
{
	struct command command;

	(void)state;
	/* All of it fits into the pipe: the command has ended before anything is read. */
	command_init(&command, 1000);
	command_run(&command, "head -c 1001 /dev/zero", -1);
	assert_int_equal(command.result.end, EXEC_END_OUTPUT_LIMIT);
	command_finish(&command);
	command_init(&command, 1000);
	command_run(&command, "head -c 1000 /dev/zero", -1);
	assert_int_equal(command.result.end, EXEC_END_EXIT);
	assert_int_equal(command.capture.out.length, 1000);
	command_finish(&command);
}

static void *raise_cancel(void *context)
{
	(void)poll(NULL, 0, 10);
	cancel_raise(context);
	return NULL;
}

static void a_cancelled_command_is_killed(void **state)
{
	struct command command;
	struct cancel cancel;
	pthread_t raiser;

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	command_init(&command, MIB);
	command.request.cancel = &cancel;
	assert_int_equal(pthread_create(&raiser, NULL, raise_cancel, &cancel), 0);
	command_run(&command, "sleep 1000", -1);
	assert_int_equal(pthread_join(raiser, NULL), 0);
	assert_int_equal(command.result.end, EXEC_END_CANCELLED);
	assert_int_equal(command.kills, 1);
	command_finish(&command);
	cancel_finish(&cancel);
}

/* The main process has ended; what it left still writes when the cancel comes. */
static void a_command_that_is_drained_can_be_cancelled(void **state)
{
	struct command command;
	struct cancel cancel;

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	command_init(&command, MIB);
	command.request.cancel = &cancel;
	command.cancels_at_its_end = &cancel;
	command_run(&command, "while :; do echo; sleep 0.01; done & exit 0", -1);
	assert_int_equal(command.outcome, PUMP_ENDED);
	assert_int_equal(command.result.end, EXEC_END_CANCELLED);
	assert_int_equal(command.kills, 1);
	command_finish(&command);
	cancel_finish(&cancel);
}

static void a_background_process_keeps_its_output_pipe(void **state)
{
	struct command command;
	int talk[2];
	char answer[8];

	(void)state;
	assert_int_equal(fd_packet_pair(talk, NULL), 0);
	command_init(&command, MIB);
	command_run(&command,
		    "(read -u 3; head -c 300000 /dev/zero && echo -n alive >&3) & echo started",
		    talk[1]);
	close(talk[1]);
	assert_int_equal(command.result.end, EXEC_END_EXIT);
	assert_memory_equal(command.capture.out.data, "started\n", 8);
	assert_int_equal(drainer_pipes(command.drainer), 2);
	/* The call is over. Now it writes more than a pipe holds, and lives. */
	assert_int_equal(write(talk[0], "\n", 1), 1);
	assert_int_equal(read(talk[0], answer, sizeof(answer)), 5);
	assert_memory_equal(answer, "alive", 5);
	close(talk[0]);
	command_finish(&command);
}

static void output_of_process_substitutions_is_complete(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 50; i++) {
		struct command command;
		uint64_t bytes;

		command_init(&command, MIB);
		command_run(&command, "seq 2000 > >(cat; cat <<<end)", -1);
		bytes = command.capture.out.length;
		/* On a machine too busy to run them within the drain window they are still
		 * alive, and their pipe is drained. */
		if (drainer_pipes(command.drainer) == 0) {
			assert_int_equal(bytes, 8893 + 4);
			assert_memory_equal(command.capture.out.data + bytes - 4, "end\n", 4);
		}
		command_finish(&command);
	}
}

/* --- scripted commands --------------------------------------------------- */

struct script {
	struct exec_request request;
	struct capture capture;
	struct drainer *drainer;
	int status[2], output[2], errors[2];
	const char *upon_kill; /* letters to report then */
	const char *upon_end;  /* what is printed just then */
	uint64_t sent_us;
	uint64_t measured_us; /* reported with the end; 0: not measured */
	unsigned kills;
	struct exec_result result;
	struct error error;
};

/* One letter, one event. */
static enum pump_event on_letter(void *context, struct exec_result *result, struct error *err)
{
	struct script *script = context;
	char letter = 0;

	assert_int_equal(read(script->status[0], &letter, 1), 1);
	switch (letter) {
	case 'S':
		return PUMP_EVENT_STARTED;
	case 'E':
		if (script->upon_end)
			assert_int_equal(fd_write_all(script->output[1], script->upon_end,
						      strlen(script->upon_end), NULL),
					 0);
		result->end = EXEC_END_SIGNAL;
		result->code = SIGKILL;
		if (script->measured_us > 0)
			result->duration_us = script->measured_us;
		return PUMP_EVENT_ENDED;
	case 'F':
		result->end = EXEC_END_NOT_STARTED;
		result->start_step = EXEC_START_PROGRAM;
		result->code = ENOENT;
		return PUMP_EVENT_ENDED;
	case 'L':
		(void)error_set(err, ERROR_LOST, "gone");
		return PUMP_EVENT_LOST;
	default:
		return PUMP_EVENT_NONE;
	}
}

static void report_kill(void *context)
{
	struct script *script = context;

	script->kills++;
	if (script->upon_kill)
		assert_int_equal(
			write(script->status[1], script->upon_kill, strlen(script->upon_kill)),
			strlen(script->upon_kill));
}

static void script_init(struct script *script)
{
	*script = (struct script){ .request = EXEC_REQUEST_INIT };
	capture_init(&script->capture, MIB);
	script->drainer = drainer_create();
	assert_int_equal(fd_open_pipe(script->status, NULL), 0);
	assert_int_equal(fd_open_pipe(script->output, NULL), 0);
	assert_int_equal(fd_open_pipe(script->errors, NULL), 0);
}

static enum pump_outcome script_run(struct script *script, const char *letters)
{
	const struct pump pump = {
		.request = &script->request,
		.sink = &script->capture.sink,
		.drainer = script->drainer,
		.sent_us = script->sent_us,
		.stdin_fd = -1,
		.stdout_fd = script->output[0],
		.stderr_fd = script->errors[0],
		.status_fd = script->status[0],
		.on_status = on_letter,
		.request_kill = report_kill,
		.context = script,
	};

	assert_int_equal(write(script->status[1], letters, strlen(letters)), strlen(letters));
	return pump_run(&pump, &script->result, &script->error);
}

static void script_finish(struct script *script)
{
	capture_finish(&script->capture);
	drainer_destroy(script->drainer);
	close(script->status[0]);
	close(script->status[1]);
	close(script->output[1]);
	close(script->errors[1]);
}

static void a_kill_that_is_not_confirmed_resets_the_sandbox(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	script.request.timeout_ms = 10;
	assert_int_equal(script_run(&script, "S?"), PUMP_UNCONFIRMED);
	assert_int_equal(script.result.end, EXEC_END_TIMEOUT);
	assert_true(script.result.was_reset);
	script_finish(&script);
}

static void a_guest_that_never_says_anything_is_killed_in_time_too(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	script.request.timeout_ms = 10;
	script.upon_kill = "E";
	assert_int_equal(script_run(&script, ""), PUMP_ENDED);
	assert_int_equal(script.result.end, EXEC_END_TIMEOUT);
	assert_false(script.result.was_reset);
	script_finish(&script);
}

static void a_lost_sandbox_is_an_error_unless_it_was_being_killed(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	assert_int_equal(script_run(&script, "SL"), PUMP_LOST);
	assert_int_equal(script.error.kind, ERROR_LOST);
	script_finish(&script);
	script_init(&script);
	script.request.timeout_ms = 10;
	script.upon_kill = "L";
	assert_int_equal(script_run(&script, "S"), PUMP_UNCONFIRMED);
	assert_int_equal(script.result.end, EXEC_END_TIMEOUT);
	assert_true(script.result.was_reset);
	script_finish(&script);
}

/* More than one read's worth, written just before it was killed. */
static void the_last_words_before_a_timeout_are_heard(void **state)
{
	struct script script;
	char words[60001];

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	script_init(&script);
	script.request.timeout_ms = 20;
	script.upon_kill = "E";
	script.upon_end = words;
	assert_int_equal(script_run(&script, "S"), PUMP_ENDED);
	assert_int_equal(script.result.end, EXEC_END_TIMEOUT);
	assert_int_equal(script.capture.out.length, sizeof(words) - 1);
	script_finish(&script);
}

static void the_last_words_before_a_timeout_do_not_pass_the_limit(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	script.capture.limit_bytes = 10;
	script.request.timeout_ms = 20;
	script.upon_kill = "E";
	script.upon_end = "more than ten bytes";
	assert_int_equal(script_run(&script, "S"), PUMP_ENDED);
	assert_int_equal(script.result.end, EXEC_END_TIMEOUT);
	assert_int_equal(script.kills, 1);
	assert_int_equal(script.capture.out.length, 10);
	script_finish(&script);
}

static void what_a_command_leaves_behind_may_not_flood_its_output(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	script.capture.limit_bytes = 10;
	script.upon_end = "more than ten bytes";
	assert_int_equal(script_run(&script, "SE"), PUMP_ENDED);
	assert_int_equal(script.result.end, EXEC_END_OUTPUT_LIMIT);
	assert_int_equal(script.kills, 1);
	assert_int_equal(drainer_pipes(script.drainer), 2);
	script_finish(&script);
}

static void what_could_not_start_took_no_time(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	assert_int_equal(script_run(&script, "F"), PUMP_ENDED);
	assert_int_equal(script.result.end, EXEC_END_NOT_STARTED);
	assert_int_equal(script.result.code, ENOENT);
	assert_int_equal(script.result.duration_us, 0);
	script_finish(&script);
}

static void *start_late(void *context)
{
	struct script *script = context;

	(void)poll(NULL, 0, 100);
	assert_int_equal(write(script->status[1], "SE", 2), 2);
	return NULL;
}

static void time_counts_from_the_start_of_the_program(void **state)
{
	struct script script;
	pthread_t starter;

	(void)state;
	script_init(&script);
	script.sent_us = clock_now_us();
	assert_int_equal(pthread_create(&starter, NULL, start_late, &script), 0);
	assert_int_equal(script_run(&script, ""), PUMP_ENDED);
	assert_int_equal(pthread_join(starter, NULL), 0);
	assert_int_equal(script.result.end, EXEC_END_SIGNAL);
	/* Not the 100 ms before it, however slow this machine is. */
	assert_true(script.result.duration_us + 100000 <= clock_now_us() - script.sent_us);
	script_finish(&script);
}

static void time_that_the_other_side_measured_counts(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	/* Both are read at once, a second after it was sent. */
	script.sent_us = clock_now_us() - 1000000;
	script.measured_us = 300000;
	assert_int_equal(script_run(&script, "SE"), PUMP_ENDED);
	assert_int_equal(script.result.duration_us, 300000);
	script_finish(&script);
}

static void nobody_can_claim_more_time_than_passed(void **state)
{
	struct script script;

	(void)state;
	script_init(&script);
	script.sent_us = clock_now_us() - 1000000;
	script.measured_us = 1000000000000;
	assert_int_equal(script_run(&script, "SE"), PUMP_ENDED);
	assert_true(script.result.duration_us >= 1000000);
	assert_true(script.result.duration_us <= clock_now_us() - script.sent_us);
	script_finish(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_exit_code_come_back),
		cmocka_unit_test(much_stdin_and_much_output_do_not_lock_each_other_up),
		cmocka_unit_test(stdin_that_nobody_reads_is_no_error),
		cmocka_unit_test(without_data_stdin_is_at_its_end),
		cmocka_unit_test(stdin_can_be_copied_from_a_descriptor),
		cmocka_unit_test(a_source_that_never_ends_does_not_hold_the_command),
		cmocka_unit_test(a_command_that_takes_too_long_is_killed),
		cmocka_unit_test(a_command_that_prints_too_much_is_killed),
		cmocka_unit_test(the_limit_holds_for_what_is_read_after_the_end_too),
		cmocka_unit_test(a_cancelled_command_is_killed),
		cmocka_unit_test(a_command_that_is_drained_can_be_cancelled),
		cmocka_unit_test(a_background_process_keeps_its_output_pipe),
		cmocka_unit_test(output_of_process_substitutions_is_complete),
		cmocka_unit_test(a_kill_that_is_not_confirmed_resets_the_sandbox),
		cmocka_unit_test(a_guest_that_never_says_anything_is_killed_in_time_too),
		cmocka_unit_test(a_lost_sandbox_is_an_error_unless_it_was_being_killed),
		cmocka_unit_test(the_last_words_before_a_timeout_are_heard),
		cmocka_unit_test(the_last_words_before_a_timeout_do_not_pass_the_limit),
		cmocka_unit_test(what_a_command_leaves_behind_may_not_flood_its_output),
		cmocka_unit_test(what_could_not_start_took_no_time),
		cmocka_unit_test(time_counts_from_the_start_of_the_program),
		cmocka_unit_test(time_that_the_other_side_measured_counts),
		cmocka_unit_test(nobody_can_claim_more_time_than_passed),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
