/* SPDX-License-Identifier: MIT */

/* How commands are found, started and end. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void exit_codes_come_through(struct suite *suite)
{
	static const int codes[] = { 0, 1, 3, 124, 126, 127, 137, 255 };

	for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;
		char command[32];

		(void)snprintf(command, sizeof(command), "exit %d", codes[i]);
		run_command(suite, &run, command);
		CHECK(suite, run_exited(&run, codes[i]));
		CHECK(suite, exec_result_exit_code(&run.result) == codes[i]);
	}
}

static void a_signal_that_ends_a_command_is_told(struct suite *suite)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV };

	for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;
		char command[32];

		(void)snprintf(command, sizeof(command), "kill -%d $$; sleep 30", signals[i]);
		run_command(suite, &run, command);
		CHECK(suite, run.status == 0 && run.result.end == EXEC_END_SIGNAL);
		CHECK(suite, run.result.code == signals[i]);
		CHECK(suite, exec_result_exit_code(&run.result) == 128 + signals[i]);
	}
}

static void arguments_arrive_byte_for_byte(struct suite *suite)
{
	static const char *const args[] = {
		"sh",	 "-c",	 "printf '<%s>' \"$@\"",
		"sh",	 "",	 " ",
		"a b",	 "*",	 "$HOME",
		"'\"\\", "\n\t", "\xff\xfe",
		NULL,
	};
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run.request.args = args;
	run_in(suite->sandbox, &run);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "<>< ><a b><*><$HOME><'\"\\><\n\t><\xff\xfe>"));
}

/* Fills in an argument of `bytes` letters; the caller's (free). */
static char *long_argument(size_t bytes)
{
	char *text = malloc(bytes + 1);

	if (!text)
		abort();
	memset(text, 'x', bytes);
	text[bytes] = '\0';
	return text;
}

static void three_hundred_kilobytes_of_arguments_arrive(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(cleanup_free) char *text = long_argument(30000);
	const char *args[15] = { "sh", "-c", "IFS=; printf %s \"$*\" | wc -c | tr -d ' '", "sh" };

	for (int i = 4; i < 14; i++)
		args[i] = text;
	run.request.args = args;
	run_in(suite->sandbox, &run);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "300000\n"));
}

static void the_longest_argument_arrives_and_one_byte_more_is_refused(struct suite *suite)
{
	CLEANUP(run_finish) struct run longest = RUN_INIT;
	CLEANUP(run_finish) struct run too_long = RUN_INIT;
	CLEANUP(cleanup_free) char *text = long_argument(LIMIT_ARGUMENT_BYTES + 1);
	const char *args[] = { "sh", "-c", "echo ${#1}", "sh", text + 1, NULL };

	longest.request.args = args;
	run_in(suite->sandbox, &longest);
	CHECK(suite, run_exited(&longest, 0));
	CHECK(suite, run_printed(&longest, "131071\n"));
	args[4] = text;
	too_long.request.args = args;
	run_in(suite->sandbox, &too_long);
	CHECK(suite, too_long.status < 0 && too_long.err.kind == ERROR_INVALID);
	CHECK(suite, strstr(too_long.err.message, "131072 bytes") != NULL);
}

static void check_not_started(struct suite *suite, const char *program, int errno_value,
			      int exit_code)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	const char *const args[] = { program, NULL };

	run.request.args = args;
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_NOT_STARTED);
	CHECK(suite, run.result.start_step == EXEC_START_PROGRAM);
	CHECK(suite, run.result.code == errno_value);
	CHECK(suite, exec_result_exit_code(&run.result) == exit_code);
	CHECK(suite, run.capture.out.length == 0 && run.capture.err.length == 0);
}

static void a_program_that_cannot_run_is_told_from_a_missing_one(struct suite *suite)
{
	check_not_started(suite, "no-such-program-anywhere", ENOENT, 127);
	check_not_started(suite, "/no/such/program", ENOENT, 127);
	check_not_started(suite, "", ENOENT, 127);
	check_not_started(suite, "/etc/passwd", EACCES, 126);
	check_not_started(suite, "/usr", EACCES, 126);
}

/* Runs pwd in `directory`. */
static void run_pwd(struct suite *suite, struct run *run, const char *directory)
{
	static const char *const args[] = { "pwd", "-P", NULL };

	run->request.args = args;
	run->request.working_directory = directory;
	run_in(suite->sandbox, run);
}

static void check_directory(struct suite *suite, const char *directory, const char *expected)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_pwd(suite, &run, directory);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, expected));
}

static void check_bad_directory(struct suite *suite, const char *directory, int errno_value)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_pwd(suite, &run, directory);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_NOT_STARTED);
	CHECK(suite, run.result.start_step == EXEC_START_DIRECTORY);
	CHECK(suite, run.result.code == errno_value);
	CHECK(suite, exec_result_exit_code(&run.result) == 126);
}

static void a_working_directory_is_entered(struct suite *suite)
{
	check_directory(suite, "/", "/\n");
	check_directory(suite, "/usr", "/usr\n");
	check_directory(suite, "/usr/../usr/./lib/..", "/usr\n");
	check_directory(suite, "/../../..", "/\n");
}

static void a_bad_working_directory_is_refused(struct suite *suite)
{
	check_bad_directory(suite, "/no/such/directory", ENOENT);
	check_bad_directory(suite, "/etc/passwd", ENOTDIR);
	/* Our own descriptors and other processes are no places. */
	check_bad_directory(suite, "/proc/self/fd/0", ELOOP);
	check_bad_directory(suite, "/proc/self/cwd", ELOOP);
}

static void a_working_directory_may_be_a_symbolic_link(struct suite *suite)
{
	CLEANUP(run_finish) struct run prepared = RUN_INIT;
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(cleanup_free) char *link = NULL;

	run_command(suite, &prepared, "mkdir real && ln -s real link && printf %s \"$PWD/link\"");
	CHECK(suite, run_exited(&prepared, 0));
	CHECK(suite, buf_append_byte(&prepared.capture.out, '\0') == 0);
	link = strdup(prepared.capture.out.data);
	run.request.command = "basename \"$(pwd -P)\"";
	run.request.working_directory = link;
	run_in(suite->sandbox, &run);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "real\n"));
}

static void the_environment_is_the_sandboxs_own(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run,
		    "env | grep -q '^PATH=.*/usr/bin' && env | grep -q ^HOME=/ && "
		    "! env | grep -q CANARY");
	CHECK(suite, run_exited(&run, 0));
}

static void a_command_starts_with_clean_signals_limits_and_descriptors(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	/* The last descriptor is the one that ls reads the directory with. */
	run_command(
		suite, &run,
		"exec 2>&1; umask; ulimit -Sn; "
		"awk '/^Sig(Blk|Ign)/ { print $2 }' /proc/self/status; ls /proc/self/fd | xargs");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite,
	      run_printed(&run, "0022\n1024\n0000000000000000\n0000000000000000\n0 1 2 3\n"));
}

static void a_command_that_signals_its_process_group_hits_only_itself(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run, "kill -TERM 0; sleep 30");
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_SIGNAL);
	CHECK(suite, run.result.code == SIGTERM);
	run_command(suite, &next, "echo fine");
	CHECK(suite, run_printed(&next, "fine\n"));
}

static void the_time_of_a_command_is_its_own(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "sleep 0.2");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run.result.duration_us >= 200000);
}

const struct suite_case start_cases[] = {
	{ "exit codes come through", NEEDS(NEED_SHELL), exit_codes_come_through },
	{ "a signal that ends a command is told", NEEDS(NEED_SHELL),
	  a_signal_that_ends_a_command_is_told },
	{ "arguments arrive byte for byte", NEEDS(NEED_SHELL), arguments_arrive_byte_for_byte },
	{ "three hundred kilobytes of arguments arrive", NEEDS(NEED_SHELL),
	  three_hundred_kilobytes_of_arguments_arrive },
	{ "the longest argument arrives and one byte more is refused", NEEDS(NEED_SHELL),
	  the_longest_argument_arrives_and_one_byte_more_is_refused },
	{ "a program that cannot run is told from a missing one", NEEDS(NEED_PROCESSES),
	  a_program_that_cannot_run_is_told_from_a_missing_one },
	{ "a working directory is entered", NEEDS(NEED_SHELL), a_working_directory_is_entered },
	{ "a bad working directory is refused", NEEDS(NEED_SHELL),
	  a_bad_working_directory_is_refused },
	{ "a working directory may be a symbolic link", NEEDS(NEED_SHELL),
	  a_working_directory_may_be_a_symbolic_link },
	{ "the environment is the sandbox's own", NEEDS(NEED_SHELL),
	  the_environment_is_the_sandboxs_own },
	{ "a command starts with clean signals, limits and descriptors",
	  NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES),
	  a_command_starts_with_clean_signals_limits_and_descriptors },
	{ "a command that signals its process group hits only itself",
	  NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES),
	  a_command_that_signals_its_process_group_hits_only_itself },
	{ "the time of a command is its own", NEEDS(NEED_SHELL), the_time_of_a_command_is_its_own },
	{ NULL, 0, NULL },
};
