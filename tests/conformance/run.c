/* SPDX-License-Identifier: MIT */
#include "tests/conformance/conformance.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool is_machine_busy(void)
{
	double load = 0;

	return getloadavg(&load, 1) == 1 && load > (double)sysconf(_SC_NPROCESSORS_ONLN) / 2;
}

void run_finish(struct run *run)
{
	capture_finish(&run->capture);
}

void run_in(struct sandbox *sandbox, struct run *run)
{
	capture_init(&run->capture, run->output_limit_bytes);
	run->err = (struct error)ERROR_INIT;
	run->status =
		sandbox_exec(sandbox, &run->request, &run->capture.sink, &run->result, &run->err);
}

void run_command(struct suite *suite, struct run *run, const char *command)
{
	*run = (struct run)RUN_INIT;
	run->request.command = command;
	run_in(suite->sandbox, run);
}

static void show(const char *what, const struct buf *bytes)
{
	int shown = bytes->length > 400 ? 400 : (int)bytes->length;

	(void)printf("# %s (%zu bytes): %.*s\n", what, bytes->length, shown,
		     bytes->data ? bytes->data : "");
}

static void show_run(const struct run *run)
{
	if (run->status < 0) {
		(void)printf("# error %d: %s\n", (int)run->err.kind, run->err.message);
		return;
	}
	(void)printf("# end %d, code %d, step %d, was_reset %d, %llu us\n", (int)run->result.end,
		     run->result.code, (int)run->result.start_step, run->result.was_reset,
		     (unsigned long long)run->result.duration_us);
	show("stdout", &run->capture.out);
	show("stderr", &run->capture.err);
}

bool run_exited(const struct run *run, int code)
{
	bool is_so = run->status == 0 && run->result.end == EXEC_END_EXIT &&
		     run->result.code == code && !run->result.was_reset;

	if (!is_so)
		show_run(run);
	return is_so;
}

bool run_printed(const struct run *run, const char *text)
{
	bool is_so =
		run->status == 0 && run->capture.out.length == strlen(text) &&
		memcmp(run->capture.out.data ? run->capture.out.data : "", text, strlen(text)) == 0;

	if (!is_so)
		show_run(run);
	return is_so;
}
