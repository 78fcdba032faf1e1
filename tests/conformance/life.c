/* SPDX-License-Identifier: MIT */

/* Sandboxes: what lasts in them, what keeps them apart, how they die. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define PARALLEL 8
/* A call must end on time; on a busy machine ten times as late is still an end. */
#define LATE_MS 10000

static void files_last_from_call_to_call(struct suite *suite)
{
	CLEANUP(run_finish) struct run write = RUN_INIT;
	CLEANUP(run_finish) struct run read = RUN_INIT;

	run_command(suite, &write, "mkdir d && echo kept > d/file && V=1 && cd d");
	CHECK(suite, run_exited(&write, 0));
	run_command(suite, &read, "cat d/file; echo \"[$V]\"");
	CHECK(suite, run_printed(&read, "kept\n[]\n"));
}

static void ids_are_twelve_hex_digits_and_differ(struct suite *suite)
{
	struct error err = ERROR_INIT;
	struct sandbox *other = sandbox_create(suite->backend, NULL, NULL, &err);
	bool differs;

	CHECK(suite, other != NULL);
	differs = strcmp(suite->sandbox->id, other->id) != 0;
	sandbox_destroy(other);
	CHECK(suite, differs);
	CHECK(suite, strspn(suite->sandbox->id, "0123456789abcdef") == 12);
	CHECK(suite, strlen(suite->sandbox->id) == 12);
}

static void two_sandboxes_share_no_files(struct suite *suite)
{
	CLEANUP(run_finish) struct run write = RUN_INIT;
	CLEANUP(run_finish) struct run read = RUN_INIT;
	struct error err = ERROR_INIT;
	struct sandbox *other = sandbox_create(suite->backend, NULL, NULL, &err);
	const char *places =
		"for d in /tmp . /dev/shm /root; do [ -e $d/secret ] && echo $d; done; "
		"true";

	CHECK(suite, other != NULL);
	run_command(suite, &write,
		    "for d in /tmp . /dev/shm /root; do [ -w $d ] && echo x > $d/secret; done; "
		    "[ -e secret ]");
	read.request.command = places;
	run_in(other, &read);
	sandbox_destroy(other);
	CHECK(suite, run_exited(&write, 0));
	CHECK(suite, run_exited(&read, 0));
	CHECK(suite, run_printed(&read, ""));
}

static void two_sandboxes_share_no_processes(struct suite *suite)
{
	CLEANUP(run_finish) struct run start = RUN_INIT;
	CLEANUP(run_finish) struct run look = RUN_INIT;
	struct error err = ERROR_INIT;
	struct sandbox *other = sandbox_create(suite->backend, NULL, NULL, &err);

	CHECK(suite, other != NULL);
	/* Written so that the command that looks does not find itself. */
	run_command(suite, &start, "sleep 4242 &");
	look.request.command = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | "
			       "grep -q '[s]leep 4242'";
	run_in(other, &look);
	sandbox_destroy(other);
	CHECK(suite, run_exited(&start, 0));
	CHECK(suite, run_exited(&look, 1));
}

struct member {
	struct sandbox *sandbox;
	unsigned number;
	struct run run;
	char command[200];
};

static void *run_member(void *context)
{
	struct member *member = context;

	/* Each waits for all the others, so only a parallel run ends. */
	(void)snprintf(member->command, sizeof(member->command),
		       "touch here-%u; while [ $(ls here-* | wc -l) -lt %u ]; do sleep 0.01; done; "
		       "echo %u",
		       member->number, PARALLEL, member->number);
	member->run.request.command = member->command;
	member->run.request.timeout_ms = 60000;
	run_in(member->sandbox, &member->run);
	return NULL;
}

static void calls_run_side_by_side_and_keep_their_output(struct suite *suite)
{
	struct member members[PARALLEL];
	pthread_t threads[PARALLEL];
	unsigned right = 0;

	for (unsigned i = 0; i < PARALLEL; i++) {
		members[i] = (struct member){ suite->sandbox, i, RUN_INIT, "" };
		CHECK(suite, pthread_create(&threads[i], NULL, run_member, &members[i]) == 0);
	}
	for (unsigned i = 0; i < PARALLEL; i++) {
		char expected[16];

		(void)pthread_join(threads[i], NULL);
		(void)snprintf(expected, sizeof(expected), "%u\n", i);
		right += run_exited(&members[i].run, 0) && run_printed(&members[i].run, expected);
		run_finish(&members[i].run);
	}
	CHECK(suite, right == PARALLEL);
}

/* Finds the guest of the case's sandbox, as this machine numbers processes. */
static pid_t find_guest(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	char marker[33];
	char command[100];

	make_marker(marker);
	(void)snprintf(command, sizeof(command), "sh -c 'sleep 1000; : %s' &", marker);
	run_command(suite, &run, command);
	/* The background process was adopted by its supervisor, whose parent is the guest. */
	return visible_guest_of(visible_find(marker));
}

static bool is_dead_now(struct sandbox *sandbox)
{
	struct pollfd death = { sandbox_death_fd(sandbox), POLLIN, 0 };

	return death.fd < 0 || poll(&death, 1, LATE_MS) == 1;
}

static void a_sandbox_killed_between_calls_says_so(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	pid_t guest = find_guest(suite);
	char cause[BACKEND_CAUSE_BYTES];

	CHECK(suite, guest > 1);
	CHECK(suite, kill(guest, SIGKILL) == 0);
	CHECK(suite, is_dead_now(suite->sandbox));
	run_command(suite, &run, "echo never");
	CHECK(suite, run.status < 0 && run.err.kind == ERROR_LOST);
	sandbox_death_cause(suite->sandbox, cause);
	CHECK(suite, cause[0] != '\0');
}

struct killer {
	pid_t guest;
	char marker[33];
};

static void *kill_when_running(void *context)
{
	struct killer *killer = context;

	if (visible_find(killer->marker) > 0)
		(void)kill(killer->guest, SIGKILL);
	return NULL;
}

static void a_sandbox_killed_during_a_call_says_so(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	struct killer killer = { .guest = find_guest(suite) };
	char command[100];
	pthread_t thread;

	CHECK(suite, killer.guest > 1);
	make_marker(killer.marker);
	(void)snprintf(command, sizeof(command), "sleep 1000; : %s", killer.marker);
	CHECK(suite, pthread_create(&thread, NULL, kill_when_running, &killer) == 0);
	run_command(suite, &run, command);
	(void)pthread_join(thread, NULL);
	CHECK(suite, run.status < 0 && run.err.kind == ERROR_LOST);
	CHECK(suite, is_dead_now(suite->sandbox));
	CHECK(suite, visible_is_gone(killer.guest));
}

/* A stopped guest answers nothing and confirms nothing. */
static void a_call_ends_on_time_when_the_guest_is_mute(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;
	pid_t guest = find_guest(suite);
	uint64_t start_ms = clock_now_ms();

	CHECK(suite, guest > 1);
	CHECK(suite, kill(guest, SIGSTOP) == 0);
	run.request.command = "sleep 1000";
	run.request.timeout_ms = 300;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	CHECK(suite, run.result.was_reset);
	CHECK(suite, clock_now_ms() - start_ms < LATE_MS);
	CHECK(suite, is_dead_now(suite->sandbox));
	run_command(suite, &next, "echo never");
	CHECK(suite, next.status < 0 && next.err.kind == ERROR_LOST);
}

/* As above, and no spare is left either: the first call uses it up. */
static void a_call_ends_on_time_when_nobody_takes_it(struct suite *suite)
{
	CLEANUP(run_finish) struct run first = RUN_INIT;
	CLEANUP(run_finish) struct run run = RUN_INIT;
	pid_t guest = find_guest(suite);

	CHECK(suite, guest > 1);
	CHECK(suite, kill(guest, SIGSTOP) == 0);
	run_command(suite, &first, "echo spare");
	CHECK(suite, run_printed(&first, "spare\n"));
	run.request.command = "echo never";
	run.request.timeout_ms = 300;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_TIMEOUT);
	CHECK(suite, run.result.was_reset && run.capture.out.length == 0);
}

static void destroying_ends_everything_inside(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	char marker[33];
	char command[100];
	pid_t pid, guest;

	make_marker(marker);
	(void)snprintf(command, sizeof(command), "setsid sh -c 'sleep 1000; : %s' &", marker);
	run_command(suite, &run, command);
	pid = visible_find(marker);
	guest = visible_guest_of(pid);
	CHECK(suite, pid > 0 && guest > 1);
	sandbox_destroy(suite->sandbox);
	suite->sandbox = NULL;
	CHECK(suite, visible_is_gone(pid));
	CHECK(suite, visible_is_gone(guest));
}

static void nothing_can_be_destroyed_any_number_of_times(struct suite *suite)
{
	sandbox_destroy(suite->sandbox);
	suite->sandbox = NULL;
	sandbox_destroy(NULL);
	sandbox_destroy(NULL);
	CHECK(suite, suite->sandbox == NULL);
}

static void a_cancelled_creation_makes_nothing(struct suite *suite)
{
	struct error err = ERROR_INIT;
	struct cancel cancel;
	struct sandbox *sandbox;

	CHECK(suite, cancel_init(&cancel, &err) == 0);
	cancel_raise(&cancel);
	sandbox = sandbox_create(suite->backend, &cancel, NULL, &err);
	cancel_finish(&cancel);
	CHECK(suite, sandbox == NULL && err.kind == ERROR_CANCELLED);
}

static void the_tool_description_gets_its_facts(struct suite *suite)
{
	struct exec_facts facts;
	struct error err = ERROR_INIT;

	CHECK(suite, backend_describe(suite->backend, &facts, &err) == 0);
	CHECK(suite, facts.shell[0] == '/');
}

#define VISIBLE (NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES) | NEEDS(NEED_VISIBLE))

const struct suite_case life_cases[] = {
	{ "files last from call to call, and nothing else does", NEEDS(NEED_SHELL),
	  files_last_from_call_to_call },
	{ "ids are twelve hex digits and differ", 0, ids_are_twelve_hex_digits_and_differ },
	{ "two sandboxes share no files", NEEDS(NEED_SHELL) | NEEDS(NEED_FILE_ISOLATION),
	  two_sandboxes_share_no_files },
	{ "two sandboxes share no processes", NEEDS(NEED_SHELL) | NEEDS(NEED_PID_NAMESPACE),
	  two_sandboxes_share_no_processes },
	{ "calls run side by side and keep their output", NEEDS(NEED_SHELL),
	  calls_run_side_by_side_and_keep_their_output },
	{ "a sandbox killed between calls says so", VISIBLE,
	  a_sandbox_killed_between_calls_says_so },
	{ "a sandbox killed during a call says so", VISIBLE,
	  a_sandbox_killed_during_a_call_says_so },
	{ "a call ends on time when the guest is mute", VISIBLE,
	  a_call_ends_on_time_when_the_guest_is_mute },
	{ "a call ends on time when nobody takes it", VISIBLE,
	  a_call_ends_on_time_when_nobody_takes_it },
	{ "destroying ends everything inside", VISIBLE, destroying_ends_everything_inside },
	{ "nothing can be destroyed any number of times", 0,
	  nothing_can_be_destroyed_any_number_of_times },
	{ "a cancelled creation makes nothing", 0, a_cancelled_creation_makes_nothing },
	{ "the tool description gets its facts", NEEDS(NEED_SHELL),
	  the_tool_description_gets_its_facts },
	{ NULL, 0, NULL },
};
