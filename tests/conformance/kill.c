/* SPDX-License-Identifier: MIT */

/* How commands are killed: with everything that they started, and nothing else. */

#include "tests/conformance/conformance.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define KILL (NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES))

/* Descendants that do not want to be found: a daemon in a session of its own, one that is deaf to
 * signals, one that is stopped, one without an environment. Each writes its pid to `pids`; then
 * the main process sleeps. Needs at least four of them there. */
#define FAMILY                                                                                     \
	"rm -f pids; "                                                                             \
	"setsid sh -c 'sh -c \"echo \\$\\$ >> pids; sleep 600\" & ' & "                            \
	"sh -c 'trap \"\" TERM INT HUP; echo $$ >> pids; sleep 600; sleep 600' & "                 \
	"sh -c 'echo $$ >> pids; kill -STOP $$; sleep 600' & "                                     \
	"env -i /bin/sh -c 'echo $$ >> pids; exec sleep 600' & "                                   \
	"while [ \"$(wc -l < pids)\" -lt 4 ]; do sleep 0.01; done; touch ready; "

/* Counts those of `pids` that still live; a zombie does not. */
#define COUNT_LIVING                                                                               \
	"n=0; for p in $(cat pids); do "                                                           \
	"grep -q '^State:.[^ZX]' /proc/$p/status 2>/dev/null && n=$((n+1)); done; echo $n"

/* A process of an earlier call. */
static void leave_bystander(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "sleep 1000 & echo $! > bystander");
	CHECK(suite, run_exited(&run, 0));
}

static void check_only_family_is_gone(struct suite *suite)
{
	CLEANUP(run_finish) struct run living = RUN_INIT;
	CLEANUP(run_finish) struct run bystander = RUN_INIT;

	run_command(suite, &living, COUNT_LIVING);
	CHECK(suite, run_printed(&living, "0\n"));
	run_command(suite, &bystander, "kill -0 $(cat bystander)");
	CHECK(suite, run_exited(&bystander, 0));
}

static void a_timeout_kills_the_whole_family_and_nobody_else(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	leave_bystander(suite);
	run.request.command = FAMILY "sleep 600";
	run.request.timeout_ms = 3000;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	CHECK(suite, !run.result.was_reset);
	CHECK(suite, exec_result_exit_code(&run.result) == 124);
	check_only_family_is_gone(suite);
}

static void the_output_limit_kills_the_whole_family_and_nobody_else(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	leave_bystander(suite);
	run.output_limit_bytes = 1000;
	run.request.command = FAMILY "yes";
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_OUTPUT_LIMIT);
	CHECK(suite, !run.result.was_reset);
	check_only_family_is_gone(suite);
}

struct canceller {
	struct sandbox *sandbox;
	struct cancel cancel;
};

/* Waits until the command's family stands, then cancels it. */
static void *cancel_when_ready(void *context)
{
	struct canceller *canceller = context;
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run.request.command = "while [ ! -e ready ]; do sleep 0.01; done";
	run_in(canceller->sandbox, &run);
	cancel_raise(&canceller->cancel);
	return NULL;
}

static void a_cancel_kills_the_whole_family_and_nobody_else(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	struct canceller canceller = { .sandbox = suite->sandbox };
	pthread_t thread;

	leave_bystander(suite);
	CHECK(suite, cancel_init(&canceller.cancel, &run.err) == 0);
	CHECK(suite, pthread_create(&thread, NULL, cancel_when_ready, &canceller) == 0);
	run.request.command = FAMILY "sleep 600";
	run.request.cancel = &canceller.cancel;
	run_in(suite->sandbox, &run);
	(void)pthread_join(thread, NULL);
	cancel_finish(&canceller.cancel);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_CANCELLED);
	CHECK(suite, !run.result.was_reset);
	check_only_family_is_gone(suite);
}

static void a_flood_from_the_background_is_killed_too(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run living = RUN_INIT;

	run.output_limit_bytes = 1000;
	run.request.command = "yes & echo $! > pids";
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_OUTPUT_LIMIT);
	/* Nobody waited for this kill. */
	run_command(suite, &living,
		    "i=0; while kill -0 $(cat pids) 2>/dev/null && [ $i -lt 300 ]; do "
		    "sleep 0.1; i=$((i+1)); done; " COUNT_LIVING);
	CHECK(suite, run_printed(&living, "0\n"));
}

static void what_was_stopped_stays_stopped_through_a_kill(struct suite *suite)
{
	CLEANUP(run_finish) struct run stopped = RUN_INIT;
	CLEANUP(run_finish) struct run killed = RUN_INIT;
	CLEANUP(run_finish) struct run state = RUN_INIT;

	run_command(suite, &stopped, "sleep 1000 & echo $! > pid; kill -STOP $!");
	CHECK(suite, run_exited(&stopped, 0));
	killed.request.command = "sleep 600";
	killed.request.timeout_ms = 200;
	run_in(suite->sandbox, &killed);
	CHECK(suite, killed.result.end == EXEC_END_TIMEOUT && !killed.result.was_reset);
	run_command(suite, &state, "awk '/^State/ { print $2 }' /proc/$(cat pid)/status");
	CHECK(suite, run_printed(&state, "T\n"));
}

/* While the guest still looks for who was born during it. */
static void who_stops_right_after_a_kill_stays_stopped(struct suite *suite)
{
	CLEANUP(run_finish) struct run killed = RUN_INIT;
	CLEANUP(run_finish) struct run state = RUN_INIT;

	killed.request.command = "sleep 600";
	killed.request.timeout_ms = 200;
	run_in(suite->sandbox, &killed);
	CHECK(suite, killed.result.end == EXEC_END_TIMEOUT && !killed.result.was_reset);
	run_command(suite, &state,
		    "sh -c 'kill -STOP $$' & sleep 1; "
		    "awk '/^State/ { print $2 }' /proc/$!/status; kill -KILL $!");
	CHECK(suite, run_printed(&state, "T\n"));
}

/* Much memory makes forking slow, so that some kills of others begin and end while one is under
 * way. */
static void who_is_being_born_during_a_kill_lives(struct suite *suite)
{
	CLEANUP(run_finish) struct run forker = RUN_INIT;
	CLEANUP(run_finish) struct run end = RUN_INIT;

	run_command(suite, &forker,
		    "python3 -c '\n"
		    "import os\n"
		    "memory = b\"x\" * (96 << 20)\n"
		    "open(\"begun\", \"w\")\n"
		    "while not os.path.exists(\"enough\"):\n"
		    "  pid = os.fork()\n"
		    "  if pid == 0: os._exit(0)\n"
		    "  os.waitpid(pid, 0)\n"
		    "open(\"done\", \"w\")\n"
		    "' > /dev/null 2>&1 & "
		    "i=0; while [ ! -e begun ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done");
	CHECK(suite, run_exited(&forker, 0));
	for (int i = 0; i < 100; i++) {
		CLEANUP(run_finish) struct run killed = RUN_INIT;

		killed.request.command = "sleep 600";
		killed.request.timeout_ms = 10;
		run_in(suite->sandbox, &killed);
		if (killed.result.was_reset) {
			CHECK(suite, is_machine_busy());
			return;
		}
		CHECK(suite, killed.result.end == EXEC_END_TIMEOUT);
	}
	run_command(suite, &end,
		    "touch enough; i=0; while [ ! -e done ] && [ $i -lt 300 ]; do "
		    "sleep 0.1; i=$((i+1)); done; [ -e done ]");
	CHECK(suite, run_exited(&end, 0));
}

/* A chain of processes, each the child of the last, that never stays on one pid; `chains` of them
 * at once. They end by themselves, so that a kill that misses them fails the case and harms
 * nobody. *is_dead: the sandbox is. */
static void check_chains(struct suite *suite, unsigned chains, bool *is_dead)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run quiet = RUN_INIT;
	bool was_busy = is_machine_busy();
	char command[400];

	(void)snprintf(command, sizeof(command),
		       "python3 -c '\n"
		       "import os\n"
		       "for n in range(1, %u):\n"
		       "  if os.fork() == 0: break\n"
		       "for i in range(20000):\n"
		       "  if os.fork(): os._exit(0)\n"
		       "  if i %% 20 == 0: open(\"hop\", \"a\").write(\".\")\n"
		       "' & sleep 600",
		       chains);
	run.request.command = command;
	run.request.timeout_ms = 700;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	/* The confirmation came late: then the sandbox is dead, and the storm with it. */
	*is_dead = run.result.was_reset;
	if (*is_dead) {
		CHECK(suite, was_busy || is_machine_busy());
		return;
	}
	run_command(suite, &quiet,
		    "test -s hop && a=$(wc -c < hop); sleep 0.3; [ \"$a\" = \"$(wc -c < hop)\" ]");
	CHECK(suite, run_exited(&quiet, 0));
}

static void a_process_that_keeps_changing_its_pid_is_killed(struct suite *suite)
{
	bool is_dead;

	check_chains(suite, 1, &is_dead);
}

static void a_storm_of_changing_pids_is_killed(struct suite *suite)
{
	bool is_dead = false;

	/* Whoever looks only once for what is to be killed misses somebody every third time. */
	for (int i = 0; i < 5 && !is_dead && !suite->has_failed; i++)
		check_chains(suite, 64, &is_dead);
}

/* To /proc it then looks dead. */
static void a_program_whose_first_thread_has_ended_is_killed(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run.request.command =
		"python3 -c '\n"
		"import ctypes, os, threading, time\n"
		"threading.Thread(target=time.sleep, args=(600,)).start()\n"
		"ctypes.CDLL(None).syscall(60 if os.uname().machine == \"x86_64\" else 93, 0)\n"
		"' & sleep 600";
	run.request.timeout_ms = 3000;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	CHECK(suite, !run.result.was_reset);
}

static void a_command_that_kills_its_supervisor_gains_nothing(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	leave_bystander(suite);
	run_command(suite, &run, FAMILY "kill -9 $PPID; sleep 600");
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_SIGNAL);
	CHECK(suite, run.result.code == SIGKILL);
	check_only_family_is_gone(suite);
}

static void a_command_that_stops_its_supervisor_is_still_killed(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	leave_bystander(suite);
	run.request.command = FAMILY "kill -STOP $PPID; sleep 600";
	run.request.timeout_ms = 3000;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	CHECK(suite, !run.result.was_reset);
	check_only_family_is_gone(suite);
}

static void a_command_may_kill_everything_it_sees(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run, "kill -9 -1; sleep 600");
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_SIGNAL);
	run_command(suite, &next, "echo fine");
	CHECK(suite, run_printed(&next, "fine\n"));
}

static void a_command_may_stop_everything_it_sees(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run,
		    "i=0; while [ $i -lt 200 ]; do kill -STOP -1; i=$((i+1)); done; "
		    "echo done");
	CHECK(suite, run_printed(&run, "done\n"));
	run_command(suite, &next, "echo fine");
	CHECK(suite, run_printed(&next, "fine\n"));
}

static void init_can_neither_be_killed_nor_stopped_nor_traced(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run, "kill -9 1; kill -STOP 1; kill -TERM $$; sleep 600");
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_SIGNAL);
	run_command(suite, &next,
		    "cat /proc/1/environ /proc/1/maps 2>/dev/null | wc -c | tr -d ' '");
	CHECK(suite, run_printed(&next, "0\n"));
}

const struct suite_case kill_cases[] = {
	{ "a timeout kills the whole family and nobody else", KILL,
	  a_timeout_kills_the_whole_family_and_nobody_else },
	{ "the output limit kills the whole family and nobody else", KILL,
	  the_output_limit_kills_the_whole_family_and_nobody_else },
	{ "a cancel kills the whole family and nobody else", KILL,
	  a_cancel_kills_the_whole_family_and_nobody_else },
	{ "a flood from the background is killed too", KILL,
	  a_flood_from_the_background_is_killed_too },
	{ "what was stopped stays stopped through a kill", KILL,
	  what_was_stopped_stays_stopped_through_a_kill },
	{ "who stops right after a kill stays stopped", KILL | NEEDS(NEED_FREEZE),
	  who_stops_right_after_a_kill_stays_stopped },
	{ "who is being born during a kill lives", KILL | NEEDS(NEED_PYTHON3) | NEEDS(NEED_FREEZE),
	  who_is_being_born_during_a_kill_lives },
	{ "a process that keeps changing its pid is killed",
	  KILL | NEEDS(NEED_PYTHON3) | NEEDS(NEED_FREEZE),
	  a_process_that_keeps_changing_its_pid_is_killed },
	{ "a storm of sixty-four such processes is killed",
	  KILL | NEEDS(NEED_PYTHON3) | NEEDS(NEED_FREEZE), a_storm_of_changing_pids_is_killed },
	{ "a program whose first thread has ended is killed", KILL | NEEDS(NEED_PYTHON3),
	  a_program_whose_first_thread_has_ended_is_killed },
	{ "a command that kills its supervisor gains nothing", KILL,
	  a_command_that_kills_its_supervisor_gains_nothing },
	{ "a command that stops its supervisor is still killed", KILL,
	  a_command_that_stops_its_supervisor_is_still_killed },
	{ "a command may kill everything it sees", KILL | NEEDS(NEED_PID_NAMESPACE),
	  a_command_may_kill_everything_it_sees },
	{ "a command may stop everything it sees", KILL | NEEDS(NEED_PID_NAMESPACE),
	  a_command_may_stop_everything_it_sees },
	{ "init can neither be killed nor stopped nor read", KILL | NEEDS(NEED_PID_NAMESPACE),
	  init_can_neither_be_killed_nor_stopped_nor_traced },
	{ NULL, 0, NULL },
};
