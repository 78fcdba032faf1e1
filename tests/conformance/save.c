/* SPDX-License-Identifier: MIT */

/* Output that is kept in its sandbox, whatever stands in its way there. */

#include "tests/conformance/conformance.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* A deadline that a busy machine missed is no failure; so often it is. */
#define ATTEMPTS 20
#define RACES 200

/* Kind BUSY: it came late. What it has written by then, a whole pair, half of one, or nothing,
 * counts as a pair. */
static int save_once(struct suite *suite, const char *out, size_t out_bytes,
		     struct exec_saved *saved, struct error *err)
{
	const struct exec_output output = { { out, "errors\n" }, { out_bytes, 7 } };
	int result;

	*err = (struct error)ERROR_INIT;
	result = sandbox_save(suite->sandbox, &output, NULL, saved, err);
	if (result < 0)
		(void)printf("# not saved (%d): %s\n", (int)err->kind, err->message);
	return result;
}

static int try_to_save(struct suite *suite, const char *out, size_t out_bytes,
		       struct exec_saved *saved, struct error *err)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		if (save_once(suite, out, out_bytes, saved, err) == 0)
			return 0;
		if (err->kind != ERROR_BUSY)
			break;
	}
	return -1;
}

static int save_text(struct suite *suite, const char *out, struct exec_saved *saved)
{
	struct error err;

	return try_to_save(suite, out, strlen(out), saved, &err);
}

/* Runs `command` with the name of the directory of saved files in place of its "%s". */
static void run_there(struct suite *suite, struct run *run, const char *path, const char *command)
{
	char directory[EXEC_SAVED_PATH_BYTES];
	CLEANUP(cleanup_free) char *text = NULL;

	(void)snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	text = alloc_printf("d=%s; %s", directory, command);
	run_command(suite, run, text);
}

/* Where it is; the sandbox has nothing of it yet, afterwards. */
static bool find_place(struct suite *suite, struct exec_saved *saved)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;

	if (save_text(suite, "first\n", saved) < 0)
		return false;
	run_there(suite, &run, saved->paths[EXEC_STDOUT], "rm -r $d");
	return run_exited(&run, 0);
}

static void later_commands_read_what_was_saved(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	CLEANUP(run_finish) struct run modes = RUN_INIT;
	struct exec_saved saved;

	CHECK(suite, save_text(suite, "output\n", &saved) == 0);
	CHECK(suite, saved.bytes[EXEC_STDOUT] == 7 && saved.bytes[EXEC_STDERR] == 7);
	run_there(suite, &run, saved.paths[EXEC_STDOUT], "cd $d && cat 1.stdout 1.stderr");
	CHECK(suite, run_printed(&run, "output\nerrors\n"));
	run_there(suite, &modes, saved.paths[EXEC_STDERR], "stat -c %a $d $d/1.stdout");
	CHECK(suite, run_printed(&modes, "700\n600\n"));
}

static void nothing_printed_is_nothing_saved(struct suite *suite)
{
	const struct exec_output output = { { NULL, NULL }, { 0, 0 } };
	struct exec_saved saved;
	struct error err = ERROR_INIT;

	CHECK(suite, sandbox_save(suite->sandbox, &output, NULL, &saved, &err) == 0);
	CHECK(suite, saved.paths[EXEC_STDOUT][0] == '\0');
}

static void the_ninth_pair_takes_the_place_of_the_first(struct suite *suite)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	struct exec_saved saved;
	int in_a_row = 0;

	/* So many in a row, that what came late has been removed again. */
	for (int i = 0; in_a_row < LIMIT_SAVED_PAIRS + 1; i++) {
		struct error err;

		CHECK(suite, i < ATTEMPTS * LIMIT_SAVED_PAIRS);
		if (save_once(suite, "output\n", 7, &saved, &err) == 0) {
			in_a_row++;
		} else {
			CHECK(suite, err.kind == ERROR_BUSY);
			in_a_row = 0;
		}
	}
	run_there(suite, &run, saved.paths[EXEC_STDOUT],
		  "cd $d && ls | wc -l && ls 1.* 2>/dev/null; true");
	CHECK(suite, run_printed(&run, "16\n"));
}

static void a_pair_as_large_as_all_the_room_takes_it_alone(struct suite *suite)
{
	CLEANUP(cleanup_free) char *large = alloc_zeroed(LIMIT_SAVED_BYTES);
	CLEANUP(run_finish) struct run run = RUN_INIT;
	struct exec_saved saved;
	struct error err;

	CHECK(suite, save_text(suite, "output\n", &saved) == 0);
	CHECK(suite, try_to_save(suite, large, LIMIT_SAVED_BYTES - 6, &saved, &err) < 0);
	CHECK(suite, err.kind == ERROR_QUOTA);
	CHECK(suite, try_to_save(suite, large, LIMIT_SAVED_BYTES - 7, &saved, &err) == 0);
	run_there(suite, &run, saved.paths[EXEC_STDOUT], "cat $d/* | wc -c; ls $d | wc -l");
	CHECK(suite, run_printed(&run, "16777216\n2\n"));
}

/* Each makes something else of the directory's name, $d, and says what must be so afterwards. */
static const struct {
	const char *plant;
	const char *check;
} obstacles[] = {
	{ "mkdir $d.victim && ln -s $d.victim $d", "[ -L $d ] && [ -z \"$(ls $d.victim)\" ]" },
	{ "ln -s $d.nowhere $d", "[ -L $d ] && [ ! -e $d.nowhere ]" },
	{ "mkfifo $d", "[ -p $d ]" },
	{ "echo mine > $d", "[ \"$(cat $d)\" = mine ]" },
};

static void what_stands_in_the_way_is_neither_followed_nor_changed(struct suite *suite)
{
	struct exec_saved saved;
	struct exec_saved none;

	CHECK(suite, find_place(suite, &saved));
	for (size_t i = 0; i < ARRAY_LENGTH(obstacles); i++) {
		CLEANUP(run_finish) struct run plant = RUN_INIT;
		CLEANUP(run_finish) struct run check = RUN_INIT;
		CLEANUP(run_finish) struct run clear = RUN_INIT;

		run_there(suite, &plant, saved.paths[EXEC_STDOUT], obstacles[i].plant);
		CHECK(suite, run_exited(&plant, 0));
		CHECK(suite, save_text(suite, "output\n", &none) < 0);
		run_there(suite, &check, saved.paths[EXEC_STDOUT], obstacles[i].check);
		CHECK(suite, run_exited(&check, 0));
		run_there(suite, &clear, saved.paths[EXEC_STDOUT], "rm -rf $d $d.*");
		CHECK(suite, run_exited(&clear, 0));
	}
	CHECK(suite, save_text(suite, "output\n", &none) == 0);
}

/* Files of the next pairs, whose numbers anybody can guess. */
static void files_that_are_there_already_are_not_written_to(struct suite *suite)
{
	CLEANUP(run_finish) struct run plant = RUN_INIT;
	CLEANUP(run_finish) struct run check = RUN_INIT;
	struct exec_saved saved;

	CHECK(suite, save_text(suite, "output\n", &saved) == 0);
	run_there(suite, &plant, saved.paths[EXEC_STDOUT],
		  "cd $d && echo mine > victim && for n in $(seq 2 40); do "
		  "ln -s victim $n.stdout; ln victim $n.stderr; done");
	CHECK(suite, run_exited(&plant, 0));
	CHECK(suite, save_text(suite, "output\n", &saved) < 0);
	run_there(suite, &check, saved.paths[EXEC_STDOUT], "cd $d && cat victim && ls | wc -l");
	CHECK(suite, run_printed(&check, "mine\n81\n"));
}

static void a_directory_without_rights_is_an_answer_either_way(struct suite *suite)
{
	CLEANUP(run_finish) struct run plant = RUN_INIT;
	CLEANUP(run_finish) struct run after = RUN_INIT;
	struct exec_saved saved;
	struct exec_saved again;

	CHECK(suite, find_place(suite, &saved));
	run_there(suite, &plant, saved.paths[EXEC_STDOUT], "mkdir -m 0000 $d");
	CHECK(suite, run_exited(&plant, 0));
	/* Root of a sandbox may write there, another user may not. */
	if (save_text(suite, "output\n", &again) == 0) {
		run_there(suite, &after, again.paths[EXEC_STDOUT],
			  "stat -c %a $d && cat $d/2.stdout");
		CHECK(suite, run_printed(&after, "0\noutput\n"));
	} else {
		run_there(suite, &after, saved.paths[EXEC_STDOUT], "stat -c %a $d");
		CHECK(suite, run_printed(&after, "0\n"));
	}
}

/* Puts links, files and FIFOs in the directory's place and back, as fast as it can. */
static const char swapper[] =
	"mkdir $d.victim; python3 -c '\n"
	"import os, shutil, sys, time\n"
	"d = sys.argv[1]\n"
	"end = time.time() + 60\n"
	"def turn(make):\n"
	"    try:\n"
	"        make()\n"
	"        os.rename(d, d + \".out\")\n"
	"        os.unlink(d + \".out\")\n"
	"    except OSError:\n"
	"        pass\n"
	"while time.time() < end and not os.path.exists(d + \".stop\"):\n"
	"    try:\n"
	"        os.rename(d, d + \".aside\")\n"
	"    except OSError:\n"
	"        pass\n"
	"    turn(lambda: os.symlink(d + \".victim\", d))\n"
	"    turn(lambda: os.mkfifo(d))\n"
	"    turn(lambda: os.close(os.open(d, os.O_CREAT | os.O_EXCL, 0o644)))\n"
	"    try:\n"
	"        os.rename(d + \".aside\", d)\n"
	"    except OSError:\n"
	"        shutil.rmtree(d + \".aside\", ignore_errors=True)\n"
	"    open(d + \".begun\", \"w\").close()\n"
	"' $d >/dev/null 2>&1 & while [ ! -e $d.begun ]; do sleep 0.01; done";

static void a_directory_that_is_swapped_all_the_time_leads_nowhere(struct suite *suite)
{
	CLEANUP(run_finish) struct run begin = RUN_INIT;
	CLEANUP(run_finish) struct run end = RUN_INIT;
	struct exec_saved place;
	unsigned done = 0;

	CHECK(suite, find_place(suite, &place));
	run_there(suite, &begin, place.paths[EXEC_STDOUT], swapper);
	CHECK(suite, run_exited(&begin, 0));
	for (int i = 0; i < RACES; i++) {
		const struct exec_output output = { { "output\n", NULL }, { 7, 0 } };
		struct exec_saved saved;
		struct error err = ERROR_INIT;

		if (sandbox_save(suite->sandbox, &output, NULL, &saved, &err) == 0)
			done++;
		else
			CHECK(suite, err.kind != ERROR_LOST);
	}
	(void)printf("# %u of %d were saved\n", done, RACES);
	run_there(suite, &end, place.paths[EXEC_STDOUT], "touch $d.stop; ls $d.victim | wc -l");
	CHECK(suite, run_printed(&end, "0\n"));
}

#define SAVE_NEEDS (NEEDS(NEED_SHELL) | NEEDS(NEED_SAVE))

const struct suite_case save_cases[] = {
	{ "later commands read what was saved", SAVE_NEEDS, later_commands_read_what_was_saved },
	{ "nothing printed is nothing saved", SAVE_NEEDS, nothing_printed_is_nothing_saved },
	{ "the ninth saved pair takes the place of the first", SAVE_NEEDS,
	  the_ninth_pair_takes_the_place_of_the_first },
	{ "a saved pair as large as all the room takes it alone", SAVE_NEEDS,
	  a_pair_as_large_as_all_the_room_takes_it_alone },
	{ "what stands in the way of saving is neither followed nor changed", SAVE_NEEDS,
	  what_stands_in_the_way_is_neither_followed_nor_changed },
	{ "files that are there already are not saved into", SAVE_NEEDS,
	  files_that_are_there_already_are_not_written_to },
	{ "saving into a directory without rights is answered either way", SAVE_NEEDS,
	  a_directory_without_rights_is_an_answer_either_way },
	{ "a directory that is swapped all the time leads saved output nowhere",
	  SAVE_NEEDS | NEEDS(NEED_PYTHON3) | NEEDS(NEED_PROCESSES),
	  a_directory_that_is_swapped_all_the_time_leads_nowhere },
	{ NULL, 0, NULL },
};
