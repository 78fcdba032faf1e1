/* SPDX-License-Identifier: MIT */

/* What a command writes, and how much of it. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <string.h>

#define LIMIT 100000
#define SUBSTITUTIONS 1000

/* Prints `bytes` bytes, half to stdout and the rest to stderr. */
static void run_limited(struct suite *suite, struct run *run, unsigned bytes)
{
	char command[160];

	(void)snprintf(command, sizeof(command),
		       "head -c %u /dev/zero; head -c %u /dev/zero >&2; echo ran > ran", bytes / 2,
		       bytes - bytes / 2);
	run->output_limit_bytes = LIMIT;
	run->request.command = command;
	run_in(suite->sandbox, run);
}

static void output_up_to_the_limit_is_kept(struct suite *suite)
{
	for (unsigned bytes = LIMIT - 1; bytes <= LIMIT; bytes++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;

		run_limited(suite, &run, bytes);
		CHECK(suite, run_exited(&run, 0));
		CHECK(suite, run.capture.out.length + run.capture.err.length == bytes);
	}
}

static void one_byte_over_the_limit_ends_the_command(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_limited(suite, &run, LIMIT + 1);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_OUTPUT_LIMIT);
	CHECK(suite, !run.result.was_reset);
	CHECK(suite, exec_result_exit_code(&run.result) == 1);
}

static void a_flood_is_cut_off(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run.output_limit_bytes = LIMIT;
	run.request.command = "yes & yes >&2 & yes";
	run_in(suite->sandbox, &run);
	CHECK(suite, run.status == 0 && run.result.end == EXEC_END_OUTPUT_LIMIT);
	CHECK(suite, !run.result.was_reset);
	CHECK(suite, run.capture.out.length + run.capture.err.length <= LIMIT);
	run_command(suite, &next, "echo fine");
	CHECK(suite, run_printed(&next, "fine\n"));
}

static void every_byte_value_comes_through(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(
		suite, &run,
		"i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i+1)); done");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run.capture.out.length == 256);
	for (int i = 0; i < 256; i++)
		CHECK(suite, (unsigned char)run.capture.out.data[i] == i);
}

static void two_mebibytes_come_through(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "head -c 2097152 /dev/zero");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run.capture.out.length == 2 * MIB);
}

static void a_command_may_close_its_output(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "echo first; exec >&- 2>&-; sleep 0.1; exit 7");
	CHECK(suite, run_exited(&run, 7));
	CHECK(suite, run_printed(&run, "first\n"));
}

/* bash does not wait for what it substitutes: its output comes after the command's end. On a busy
 * machine it may come later than anybody waits for it; even then nothing of it is wrong. */
static void output_of_process_substitutions_is_complete(struct suite *suite)
{
	static const char *const args[] = { "bash", "-c", "seq 200 > >(sed s/^/x/)", NULL };
	bool was_busy = is_machine_busy();
	unsigned late = 0;

	for (int i = 0; i < SUBSTITUTIONS; i++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;

		run.request.args = args;
		run_in(suite->sandbox, &run);
		CHECK(suite, run_exited(&run, 0));
		late += run.capture.out.length == 0;
		CHECK(suite, run.capture.out.length == 892 || run.capture.out.length == 0);
	}
	(void)printf("# %u of %d outputs came late\n", late, SUBSTITUTIONS);
	CHECK(suite, late == 0 || was_busy || is_machine_busy());
	CHECK(suite, late <= SUBSTITUTIONS / 50);
}

const struct suite_case output_cases[] = {
	{ "output up to the limit is kept", NEEDS(NEED_SHELL), output_up_to_the_limit_is_kept },
	{ "one byte over the limit ends the command", NEEDS(NEED_SHELL),
	  one_byte_over_the_limit_ends_the_command },
	{ "a flood is cut off and leaves the sandbox usable",
	  NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES), a_flood_is_cut_off },
	{ "every byte value comes through", NEEDS(NEED_SHELL), every_byte_value_comes_through },
	{ "two mebibytes come through", NEEDS(NEED_SHELL), two_mebibytes_come_through },
	{ "a command may close its output and go on", NEEDS(NEED_SHELL),
	  a_command_may_close_its_output },
	{ "output of process substitutions is complete, a thousand times",
	  NEEDS(NEED_BASH) | NEEDS(NEED_PROCESSES), output_of_process_substitutions_is_complete },
	{ NULL, 0, NULL },
};
