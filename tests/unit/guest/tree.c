/* SPDX-License-Identifier: MIT */
#include "guest/tree.h"

#include "base/clock.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tree tree;

static void add(pid_t pid, pid_t parent)
{
	struct tree_process process = { .pid = pid, .parent = parent, .state = 'S' };

	assert_int_equal(tree_add(&tree, &process), 0);
}

static bool is_killed(pid_t pid)
{
	return tree_find(&tree, pid)->mark == TREE_KILL;
}

/* 1 ─ 10 ─ 11 ─ 12
 *   ├ 20 ─ 21
 *   └ 30 */
static int plant(void **state)
{
	(void)state;
	tree_clear(&tree);
	add(12, 11);
	add(21, 20);
	add(1, 0);
	add(30, 1);
	add(11, 10);
	add(10, 1);
	add(20, 1);
	tree_build_index(&tree);
	return 0;
}

static void what_is_below_a_process_is_marked_and_nothing_else(void **state)
{
	(void)state;
	tree_set(&tree, 10, TREE_KEEP, TREE_KILL);
	tree_spread(&tree);
	assert_false(is_killed(10));
	assert_true(is_killed(11));
	assert_true(is_killed(12));
	assert_false(is_killed(1));
	assert_false(is_killed(20));
	assert_false(is_killed(21));
	assert_false(is_killed(30));
}

static void what_is_spared_keeps_its_children(void **state)
{
	(void)state;
	tree_set(&tree, 1, TREE_KEEP, TREE_KILL);
	tree_set(&tree, 20, TREE_KEEP, TREE_KEEP);
	tree_spread(&tree);
	assert_true(is_killed(10));
	assert_true(is_killed(12));
	assert_true(is_killed(30));
	assert_false(is_killed(20));
	assert_false(is_killed(21));
}

static void a_pid_that_is_not_there_decides_nothing(void **state)
{
	(void)state;
	tree_set(&tree, 99, TREE_KEEP, TREE_KILL);
	tree_spread(&tree);
	for (size_t i = 0; i < tree.count; i++)
		assert_int_equal(tree.processes[i].mark, TREE_KEEP);
	assert_null(tree_find(&tree, 99));
}

/* In a snapshot of a moving system pids change hands. */
static void a_circle_of_parents_ends(void **state)
{
	(void)state;
	tree_clear(&tree);
	add(2, 3);
	add(3, 4);
	add(4, 2);
	add(5, 4);
	add(6, 6);
	tree_build_index(&tree);
	tree_spread(&tree);
	for (size_t i = 0; i < tree.count; i++)
		assert_int_equal(tree.processes[i].mark, TREE_KEEP);
}

static void an_empty_snapshot_is_no_special_case(void **state)
{
	(void)state;
	tree_clear(&tree);
	tree_build_index(&tree);
	tree_set(&tree, 1, TREE_KEEP, TREE_KILL);
	tree_spread(&tree);
	assert_null(tree_find(&tree, 1));
}

/* Quadratic marking would take half an hour here. */
static void the_longest_chain_is_marked_in_one_walk(void **state)
{
	uint64_t start_ms = clock_now_ms();

	(void)state;
	tree_clear(&tree);
	for (unsigned i = TREE_MAX_PROCESSES; i > 0; i--)
		add((pid_t)i + 1, (pid_t)i);
	tree_build_index(&tree);
	tree_set(&tree, 2, TREE_KEEP, TREE_KILL);
	tree_spread(&tree);
	for (size_t i = 0; i < tree.count; i++)
		assert_int_equal(tree.processes[i].mark,
				 tree.processes[i].pid == 2 ? TREE_KEEP : TREE_KILL);
	assert_true(clock_now_ms() - start_ms < 20000);
}

static void more_processes_than_fit_are_an_error(void **state)
{
	struct tree_process process = { .pid = 1 };

	(void)state;
	tree_clear(&tree);
	for (unsigned i = 0; i < TREE_MAX_PROCESSES; i++)
		assert_int_equal(tree_add(&tree, &process), 0);
	assert_int_equal(tree_add(&tree, &process), -1);
}

static int parse(struct tree_process *process, const char *line)
{
	/* Of exactly this size, for the address sanitizer. */
	char *copy = malloc(strlen(line) + 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, line, strlen(line));
	result = tree_parse_stat(process, copy, strlen(line));
	free(copy);
	return result;
}

static void a_name_cannot_forge_a_stat_line(void **state)
{
	struct tree_process process;

	(void)state;
	assert_int_equal(parse(&process, "77 (x) S 1 (evil) T 42 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 "
					 "0 12345 0 0"),
			 0);
	assert_int_equal(process.pid, 77);
	assert_int_equal(process.state, 'T');
	assert_int_equal(process.parent, 42);
	assert_int_equal(process.start, 12345);
}

static void a_process_lives_as_long_as_one_of_its_threads(void **state)
{
	struct tree_process process;

	(void)state;
	assert_int_equal(parse(&process, "7 (a) Z 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 5 0 0"), 0);
	assert_true(tree_is_alive(&process));
	assert_int_equal(parse(&process, "7 (a) Z 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0"), 0);
	assert_false(tree_is_alive(&process));
}

static void what_is_no_stat_line_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"x",
		"1",
		"1 (a",
		"1 (a)",
		"1 (a) S",
		"1 (a) S x 0",
		"1 (a) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0",
		"1 (a) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x",
		"1 (a) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 x 0 5",
		"1 (a) S 99999999999 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5",
		"99999999999999999999999 (a) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5",
	};
	struct tree_process process;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(&process, lines[i]), -1);
}

static void the_real_proc_is_read(void **state)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct tree_process *self;

	(void)state;
	assert_int_equal(tree_scan(&tree, proc_fd, TREE_MAX_PROCESSES), 0);
	self = tree_find(&tree, getpid());
	assert_non_null(self);
	assert_int_equal(self->parent, getppid());
	assert_int_equal(self->state, 'R');
	assert_int_equal(tree_scan(&tree, proc_fd, 1), -1);
	assert_int_equal(tree.count, 1);
	assert_int_equal(tree_scan(&tree, -1, TREE_MAX_PROCESSES), -1);
	assert_int_equal(tree.count, 0);
	(void)close(proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_below_a_process_is_marked_and_nothing_else, plant),
		cmocka_unit_test_setup(what_is_spared_keeps_its_children, plant),
		cmocka_unit_test_setup(a_pid_that_is_not_there_decides_nothing, plant),
		cmocka_unit_test(a_circle_of_parents_ends),
		cmocka_unit_test(an_empty_snapshot_is_no_special_case),
		cmocka_unit_test(the_longest_chain_is_marked_in_one_walk),
		cmocka_unit_test(more_processes_than_fit_are_an_error),
		cmocka_unit_test(a_name_cannot_forge_a_stat_line),
		cmocka_unit_test(a_process_lives_as_long_as_one_of_its_threads),
		cmocka_unit_test(what_is_no_stat_line_is_refused),
		cmocka_unit_test(the_real_proc_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
