/* SPDX-License-Identifier: MIT */

/* With the real hierarchies of this machine, as far as they are ours to divide. */

#include "backend/native/cgroup.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_BYTES (32u << 20)
#define PIDS 20

struct bench {
	char name[64];
	char directories[8][4096];
	unsigned directory_count;
	struct cgroups *cgroups;
	struct cgroups_facts facts;
};

static struct bench bench;

static void note_directory(void *context, const char *path)
{
	(void)context;
	assert_true(bench.directory_count < ARRAY_LENGTH(bench.directories));
	(void)snprintf(bench.directories[bench.directory_count++], sizeof(bench.directories[0]),
		       "%s", path);
}

static int begin(void **state)
{
	struct cgroups_request request = {
		.zygote = getpid(),
		.name = bench.name,
		.each = { .memory_bytes = MEMORY_BYTES, .pids = PIDS },
		.sum = { .memory_bytes = 512u << 20, .pids = 1000 },
		.on_directory = note_directory,
	};
	char secret[13];

	(void)state;
	memset(&bench, 0, sizeof(bench));
	random_hex(secret, 6);
	(void)snprintf(bench.name, sizeof(bench.name), "kilntainers-test-%s", secret);
	bench.cgroups = cgroups_create(&request, &bench.facts);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cgroups_destroy(bench.cgroups);
	for (unsigned i = 0; i < bench.directory_count; i++)
		assert_int_equal(access(bench.directories[i], F_OK), -1);
	return 0;
}

static void skip_without_groups(void)
{
	if (bench.cgroups && bench.facts.holds[CGROUP_MEMORY] && bench.facts.holds[CGROUP_PIDS])
		return;
	print_message("# SKIP %s\n", bench.facts.reason);
	skip();
}

static struct cgroup *take(void)
{
	struct error err = ERROR_INIT;
	struct cgroup *group = cgroup_take(bench.cgroups, &err);

	if (!group)
		fail_msg("%s", err.message);
	return group;
}

/* A child in the group; returns its wait status. */
static int run_inside(const struct cgroup *group, void (*work)(void))
{
	struct cgroup_directories directories;
	struct error err = ERROR_INIT;
	int status = 0;
	pid_t pid;

	assert_int_equal(cgroup_open(group, &directories, &err), 0);
	pid = fork();
	if (pid == 0) {
		for (unsigned i = 0; i < directories.count; i++) {
			int fd = openat(directories.fds[i], "cgroup.procs", O_WRONLY);

			if (write(fd, "0", 1) != 1)
				_exit(99);
		}
		work();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (unsigned i = 0; i < directories.count; i++)
		(void)close(directories.fds[i]);
	return status;
}

static void use_too_much_memory(void)
{
	char *memory = mmap(NULL, 2 * MEMORY_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	_exit(memory == MAP_FAILED ? 1 : 0);
}

static void start_too_many(void)
{
	pid_t children[2 * PIDS];
	int refused = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			for (;;)
				(void)pause();
		refused += children[i] < 0;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		if (children[i] > 0)
			(void)kill(children[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	_exit(refused > 0 ? 0 : 1);
}

static void do_nothing(void)
{
}

static void kills_by_the_memory_limit_are_counted(void **state)
{
	struct guest_link_counters counters;
	struct cgroup *group;
	int status;

	(void)state;
	skip_without_groups();
	group = take();
	status = run_inside(group, use_too_much_memory);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cgroup_count(group, &counters);
	assert_int_equal(counters.memory_kills, 1);
	assert_true(counters.own_memory_limits > 0);
	assert_int_equal(counters.refused_processes, 0);
	cgroup_release(group);
}

static void refused_processes_are_counted(void **state)
{
	struct guest_link_counters counters;
	struct cgroup *group;

	(void)state;
	skip_without_groups();
	group = take();
	assert_int_equal(run_inside(group, start_too_many), 0);
	cgroup_count(group, &counters);
	assert_true(counters.refused_processes > 0);
	assert_int_equal(counters.memory_kills, 0);
	cgroup_release(group);
}

static void a_group_that_is_used_again_counts_from_zero(void **state)
{
	struct guest_link_counters counters;
	struct cgroup *group;

	(void)state;
	skip_without_groups();
	group = take();
	assert_int_equal(run_inside(group, start_too_many), 0);
	cgroup_release(group);
	group = take();
	cgroup_count(group, &counters);
	assert_int_equal(counters.refused_processes, 0);
	assert_int_equal(run_inside(group, do_nothing), 0);
	cgroup_release(group);
}

static void groups_beyond_those_that_are_kept_go(void **state)
{
	struct cgroup *groups[20];

	(void)state;
	skip_without_groups();
	for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
		groups[i] = take();
	for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
		cgroup_release(groups[i]);
}

static void the_smallest_share_of_a_processor_can_be_held(void **state)
{
	char name[sizeof(bench.name) + 8];
	struct cgroups_request request = { .zygote = getpid(),
					   .name = name,
					   .each = { .cpu_milli = 1 },
					   .on_directory = note_directory };
	struct error err = ERROR_INIT;
	struct cgroups_facts facts;
	struct cgroups *cgroups;
	struct cgroup *group;

	(void)state;
	skip_without_groups();
	(void)snprintf(name, sizeof(name), "%s-little", bench.name);
	cgroups = cgroups_create(&request, &facts);
	if (!cgroups || !facts.holds[CGROUP_CPU]) {
		cgroups_destroy(cgroups);
		print_message("# SKIP no cpu controller: %s\n", facts.reason);
		skip();
	}
	group = cgroup_take(cgroups, &err);
	assert_string_equal(err.message, "");
	assert_non_null(group);
	cgroup_release(group);
	cgroups_destroy(cgroups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_by_the_memory_limit_are_counted, begin, end),
		cmocka_unit_test_setup_teardown(refused_processes_are_counted, begin, end),
		cmocka_unit_test_setup_teardown(a_group_that_is_used_again_counts_from_zero, begin,
						end),
		cmocka_unit_test_setup_teardown(groups_beyond_those_that_are_kept_go, begin, end),
		cmocka_unit_test_setup_teardown(the_smallest_share_of_a_processor_can_be_held,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
