/* SPDX-License-Identifier: MIT */
#include "tests/conformance/conformance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* Of all processors since boot, in clock ticks: all time, and idle time. */
static bool read_processors(uint64_t *all, uint64_t *idle)
{
	CLEANUP(cleanup_file) FILE *file = fopen("/proc/stat", "re");
	unsigned long long user, nice, system, unused, waiting;

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &unused,
			    &waiting) != 5)
		return false;
	*idle = unused + waiting;
	*all = user + nice + system + *idle;
	return true;
}

bool is_machine_busy(void)
{
	uint64_t all[2], idle[2];

	if (!read_processors(&all[0], &idle[0]))
		return false;
	(void)poll(NULL, 0, 200);
	return read_processors(&all[1], &idle[1]) && 2 * (idle[1] - idle[0]) < all[1] - all[0];
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
