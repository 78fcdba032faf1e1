/* SPDX-License-Identifier: MIT */

/* What commands leave running. */

#include "tests/conformance/conformance.h"

#include "base/cleanup.h"

#include <string.h>

#define BACKGROUND (NEEDS(NEED_SHELL) | NEEDS(NEED_PROCESSES))

static void a_background_process_lives_on(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run, "sleep 1000 & echo $! > pid");
	CHECK(suite, run_exited(&run, 0));
	run_command(suite, &next, "kill -0 $(cat pid)");
	CHECK(suite, run_exited(&next, 0));
}

static void a_background_process_may_go_on_writing(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	/* More than a pipe holds, so somebody must read it. */
	run_command(suite, &run,
		    "(i=0; while [ $i -lt 30 ]; do head -c 10000 /dev/zero || exit 1; sleep 0.02; "
		    "i=$((i+1)); done; echo survived > log) & true");
	CHECK(suite, run_exited(&run, 0));
	run_command(suite, &next,
		    "i=0; while [ ! -s log ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; "
		    "cat log");
	CHECK(suite, run_exited(&next, 0));
	CHECK(suite, run_printed(&next, "survived\n"));
}

/* Not redirected: its log goes to the pipes of the call that started it. */
static void a_web_server_answers_after_its_call_returned(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run next = RUN_INIT;

	run_command(suite, &run,
		    "echo page > index.html; python3 -u -c '\n"
		    "import http.server as h\n"
		    "s = h.ThreadingHTTPServer((\"127.0.0.1\", 0), h.SimpleHTTPRequestHandler)\n"
		    "open(\"port\", \"w\").write(str(s.server_port))\n"
		    "s.serve_forever()\n"
		    "' &");
	CHECK(suite, run_exited(&run, 0));
	run_command(suite, &next,
		    "python3 -c '\n"
		    "import os, time, urllib.request\n"
		    "while not os.path.exists(\"port\") or not open(\"port\").read():\n"
		    "  time.sleep(0.01)\n"
		    "url = \"http://127.0.0.1:\" + open(\"port\").read()\n"
		    "open_ = urllib.request.build_opener(urllib.request.ProxyHandler({})).open\n"
		    "print(sum(open_(url).read() == b\"page\\n\" for _ in range(100)))\n"
		    "'");
	CHECK(suite, run_exited(&next, 0));
	CHECK(suite, run_printed(&next, "100\n"));
}

static void many_calls_may_leave_something_behind(struct suite *suite)
{
	CLEANUP(run_finish) struct run next = RUN_INIT;

	for (int i = 0; i < 40; i++) {
		CLEANUP(run_finish) struct run run = RUN_INIT;

		run_command(suite, &run, "sleep 1000 & echo $! >> pids");
		CHECK(suite, run_exited(&run, 0));
	}
	run_command(suite, &next,
		    "n=0; for p in $(cat pids); do kill -0 $p && n=$((n+1)); done; "
		    "echo $n");
	CHECK(suite, run_printed(&next, "40\n"));
}

const struct suite_case background_cases[] = {
	{ "a background process lives on after its call", BACKGROUND,
	  a_background_process_lives_on },
	{ "a background process may go on writing to its call's output", BACKGROUND,
	  a_background_process_may_go_on_writing },
	{ "a web server answers a hundred requests after its call returned",
	  BACKGROUND | NEEDS(NEED_PYTHON3), a_web_server_answers_after_its_call_returned },
	{ "forty calls may each leave something running", BACKGROUND,
	  many_calls_may_leave_something_behind },
	{ NULL, 0, NULL },
};
