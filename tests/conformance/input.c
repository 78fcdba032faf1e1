/* SPDX-License-Identifier: MIT */

/* What a command reads. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* Bytes with a long period, so that a lost or doubled block shows. */
static char *pattern(size_t bytes)
{
	char *data = malloc(bytes + 1);
	uint32_t state = 12345;

	if (!data)
		abort();
	for (size_t i = 0; i < bytes; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (char)(state >> 16);
	}
	return data;
}

static void run_with_stdin(struct suite *suite, struct run *run, const char *command,
			   const char *data, size_t bytes)
{
	run->request.command = command;
	run->request.stdin_data = data;
	run->request.stdin_bytes = bytes;
	run_in(suite->sandbox, run);
}

static bool printed_bytes(const struct run *run, const char *data, size_t bytes)
{
	return run->status == 0 && run->capture.out.length == bytes &&
	       memcmp(run->capture.out.data, data, bytes) == 0;
}

static void check_echo(struct suite *suite, size_t bytes)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(cleanup_free) char *data = pattern(bytes);

	run_with_stdin(suite, &run, "cat", data, bytes);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, printed_bytes(&run, data, bytes));
}

static void stdin_of_any_size_is_read_back_unchanged(struct suite *suite)
{
	static const size_t sizes[] = { 1, 4096, 65535, 65536, 65537, LIMIT_STDIN_BYTES };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes) && !suite->has_failed; i++)
		check_echo(suite, sizes[i]);
}

static void stdin_that_nobody_reads_harms_nobody(struct suite *suite)
{
	static const size_t sizes[] = { 1, 65536, LIMIT_STDIN_BYTES };
	CLEANUP(cleanup_free) char *data = pattern(LIMIT_STDIN_BYTES);

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;

		run_with_stdin(suite, &run, "echo done", data, sizes[i]);
		CHECK(suite, run_exited(&run, 0));
		CHECK(suite, run_printed(&run, "done\n"));
	}
}

static void stdin_may_be_read_in_part(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(cleanup_free) char *data = pattern(LIMIT_STDIN_BYTES);

	run_with_stdin(suite, &run, "head -c 100000", data, LIMIT_STDIN_BYTES);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, printed_bytes(&run, data, 100000));
}

static void without_stdin_a_reader_gets_end_of_file(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "cat; echo end");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "end\n"));
}

static void stdin_may_come_from_a_descriptor(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(cleanup_free) char *data = pattern(300000);
	CLEANUP(cleanup_fd) int source = fd_sealed_memory("input", data, 300000, &run.err);

	CHECK(suite, source >= 0);
	run.request.command = "cat";
	run.request.stdin_fd = source;
	run_in(suite->sandbox, &run);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, printed_bytes(&run, data, 300000));
}

static void stdio_can_be_opened_by_name(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_with_stdin(suite, &run, "cat /dev/stdin; echo oops > /dev/stderr; echo x > /dev/stdout",
		       "words\n", 6);
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "words\nx\n"));
	CHECK(suite, run.capture.err.length == 5 && memcmp(run.capture.err.data, "oops\n", 5) == 0);
}

static void output_can_be_copied_to_stderr(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	run_command(suite, &run, "echo both | tee /dev/stderr");
	CHECK(suite, run_exited(&run, 0));
	CHECK(suite, run_printed(&run, "both\n"));
	CHECK(suite, run.capture.err.length == 5 && memcmp(run.capture.err.data, "both\n", 5) == 0);
}

const struct suite_case input_cases[] = {
	{ "stdin of any size is read back unchanged", NEEDS(NEED_SHELL),
	  stdin_of_any_size_is_read_back_unchanged },
	{ "stdin that nobody reads harms nobody", NEEDS(NEED_SHELL),
	  stdin_that_nobody_reads_harms_nobody },
	{ "stdin may be read in part", NEEDS(NEED_SHELL), stdin_may_be_read_in_part },
	{ "without stdin a reader gets end-of-file", NEEDS(NEED_SHELL),
	  without_stdin_a_reader_gets_end_of_file },
	{ "stdin may come from a descriptor", NEEDS(NEED_SHELL), stdin_may_come_from_a_descriptor },
	{ "stdin, stdout and stderr can be opened by name", NEEDS(NEED_SHELL),
	  stdio_can_be_opened_by_name },
	{ "output can be copied to stderr", NEEDS(NEED_SHELL), output_can_be_copied_to_stderr },
	{ NULL, 0, NULL },
};
