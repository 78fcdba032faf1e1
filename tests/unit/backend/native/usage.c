/* SPDX-License-Identifier: MIT */
#include "backend/native/usage.h"

#include "base/attr.h"
#include "base/clock.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 5
/* It looks once a second. */
#define PATIENCE_MS 30000

static pid_t children[CHILDREN];

static void start_children(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			for (;;)
				(void)pause();
		assert_true(children[i] > 0);
	}
}

static void end_children(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		(void)kill(children[i], SIGKILL);
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	}
}

static void wait_for(struct usage *usage, int expected, struct error *err)
{
	uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;

	while (usage_check(usage, err) != expected) {
		assert_true(clock_now_ms() < deadline_ms);
		(void)poll(NULL, 0, 10);
	}
}

/* This process stands for the zygote, so its children are sandboxes. */
static void follow(const struct cgroup_limits *sum, const char *complaint)
{
	struct usage *usage = usage_create(getpid(), sum);
	struct usage_sandbox *sandbox;
	struct error err = ERROR_INIT;

	assert_int_equal(usage_check(usage, &err), 0);
	start_children();
	sandbox = usage_add(usage, open("/proc", O_PATH | O_CLOEXEC));
	wait_for(usage, -1, &err);
	assert_int_equal(err.kind, ERROR_QUOTA);
	assert_non_null(strstr(err.message, complaint));
	end_children();
	wait_for(usage, 0, &err);
	usage_remove(sandbox);
	usage_destroy(usage);
}

static void too_many_processes_stop_new_sandboxes_while_they_live(void **state)
{
	(void)state;
	follow(&(const struct cgroup_limits){ .pids = CHILDREN - 1 }, "--total-pids");
}

static void too_much_memory_does_so_too(void **state)
{
	(void)state;
	follow(&(const struct cgroup_limits){ .memory_bytes = 1 }, "--total-memory");
}

static void what_is_within_the_sums_is_let_be(void **state)
{
	const struct cgroup_limits sum = { .memory_bytes = 1ULL << 40, .pids = 1000000 };
	struct usage *usage = usage_create(getpid(), &sum);
	struct usage_sandbox *sandbox = usage_add(usage, open("/proc", O_PATH | O_CLOEXEC));

	(void)state;
	(void)poll(NULL, 0, 50);
	assert_int_equal(usage_check(usage, NULL), 0);
	usage_remove(sandbox);
	usage_destroy(usage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_processes_stop_new_sandboxes_while_they_live),
		cmocka_unit_test(too_much_memory_does_so_too),
		cmocka_unit_test(what_is_within_the_sums_is_let_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
