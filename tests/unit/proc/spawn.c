/* SPDX-License-Identifier: MIT */
#include "proc/spawn.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_GUARD_MS 60000

static const char *const test_env[] = { "PATH=/usr/bin:/bin", "ONLY=this", NULL };

/* Runs a shell script as a child, its stdin and stdout being pipes of ours. */
struct script {
	struct spawn_child child;
	int input_fd, output_fd;
};

static void start_script(struct script *script, struct spawn_request *request, const char *text)
{
	const char *args[] = { "sh", "-c", text, NULL };
	struct error err = ERROR_INIT;
	int input[2], output[2];

	assert_int_equal(fd_open_pipe(input, NULL), 0);
	assert_int_equal(fd_open_pipe(output, NULL), 0);
	request->path = "/bin/sh";
	request->args = args;
	request->env = test_env;
	request->stdin_fd = input[0];
	request->stdout_fd = output[1];
	if (spawn_start(&script->child, request, &err) < 0)
		fail_msg("%s", err.message);
	close(input[0]);
	close(output[1]);
	script->input_fd = input[1];
	script->output_fd = output[0];
}

/* Ends its stdin, collects what it prints; returns the wait status. */
static int finish_script(struct script *script, char *text, size_t bytes)
{
	ssize_t got;
	int status;

	close(script->input_fd);
	got = fd_read_full(script->output_fd, text, bytes - 1, NULL);
	assert_true(got >= 0);
	text[got] = '\0';
	close(script->output_fd);
	assert_int_equal(spawn_wait(&script->child, clock_now_ms() + HANG_GUARD_MS, -1, &status),
			 1);
	spawn_finish(&script->child);
	return status;
}

static void a_child_has_exactly_the_environment_it_was_given(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	char text[4096];

	(void)state;
	start_script(&script, &request, "tr '\\0' '\\n' </proc/$$/environ | grep -v ^PWD= | sort");
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_string_equal(text, "ONLY=this\nPATH=/usr/bin:/bin\n");
}

static void a_child_has_exactly_the_descriptors_it_was_given(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	CLEANUP(cleanup_fd) int inherited = open("/dev/zero", O_RDONLY);
	int memory = fd_sealed_memory("given", "hello", 5, NULL);
	const struct spawn_fd fds[] = { { memory, 5 } };
	struct script script;
	char text[4096];

	(void)state;
	assert_true(inherited >= 0 && memory >= 0);
	request.fds = fds;
	request.fd_count = 1;
	start_script(&script, &request,
		     "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1));"
		     "done; cat <&5; readlink /proc/$$/fd/2");
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_string_equal(text, "0\n1\n2\n5\nhello/dev/null\n");
	close(memory);
}

static void descriptors_may_trade_places(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	int a = fd_sealed_memory("a", "A", 1, NULL);
	int b = fd_sealed_memory("b", "B", 1, NULL);
	const struct spawn_fd fds[] = { { a, b }, { b, a } };
	struct script script;
	char text[64], source[64];

	(void)state;
	request.fds = fds;
	request.fd_count = 2;
	(void)snprintf(source, sizeof(source), "cat <&%d; cat <&%d", a, b);
	start_script(&script, &request, source);
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_string_equal(text, "BA");
	close(a);
	close(b);
}

static void signals_are_reset_whatever_ours_are(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	unsigned long long mask = 1, ignored = 1;
	sigset_t blocked, before;
	char text[4096];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigfillset(&blocked);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	start_script(&script, &request, "grep -E 'Sig(Blk|Ign)' /proc/self/status");
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_int_equal(sscanf(text, "SigBlk: %llx SigIgn: %llx", &mask, &ignored), 2);
	assert_int_equal(mask, 0);
	/* 32 and 33 belong to the C library, which leaves them ignored and sets them itself. */
	assert_int_equal(ignored & ~0x180000000ULL, 0);
}

static void the_soft_descriptor_limit_is_restored(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	char text[64];

	(void)state;
	request.nofile_soft = 77;
	start_script(&script, &request, "read go; ulimit -Sn");
	assert_int_equal(write(script.input_fd, "go\n", 3), 3);
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_string_equal(text, "77\n");
}

static void a_child_leads_its_own_session_in_the_directory_asked_for(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	char text[256], expected[64];

	(void)state;
	request.directory = "/proc";
	start_script(&script, &request, "pwd -P; cut -d' ' -f6 /proc/$$/stat");
	(void)snprintf(expected, sizeof(expected), "/proc\n%d\n", script.child.pid);
	assert_int_equal(finish_script(&script, text, sizeof(text)), 0);
	assert_string_equal(text, expected);
}

static void a_program_can_be_started_from_a_sealed_memory_file(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	const char *args[] = { "cat", NULL };
	struct error err = ERROR_INIT;
	struct spawn_child child;
	CLEANUP(cleanup_fd) int binary = open("/bin/cat", O_RDONLY | O_CLOEXEC);
	char *image = malloc(4 << 20);
	ssize_t bytes = fd_read_full(binary, image, 4 << 20, NULL);
	int memory = fd_sealed_memory("cat", image, (size_t)bytes, NULL);
	/* The lowest target is where the file itself may stand. */
	const struct spawn_fd fds[] = { { 2, memory < 11 ? memory : 3 } };
	int status;

	(void)state;
	request.path = "the cat";
	request.executable_fd = memory;
	request.args = args;
	request.fds = fds;
	request.fd_count = 1;
	if (spawn_start(&child, &request, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(spawn_wait(&child, clock_now_ms() + HANG_GUARD_MS, -1, &status), 1);
	assert_int_equal(status, 0);
	spawn_finish(&child);
	close(memory);
	free(image);
}

static void what_cannot_run_says_why(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	const char *args[] = { "nothing", NULL };
	struct spawn_child child = SPAWN_CHILD_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	request.path = "/nonexistent/program";
	request.args = args;
	assert_int_equal(spawn_start(&child, &request, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_string_equal(err.message,
			    "cannot start /nonexistent/program: No such file or directory");
	assert_true(child.is_reaped);
}

static void waiting_ends_at_the_deadline_or_by_cancel_and_finish_kills(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	CLEANUP(cleanup_fd) int raised = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	pid_t pid;
	int status;

	(void)state;
	start_script(&script, &request, "read forever");
	pid = script.child.pid;
	assert_int_equal(spawn_wait(&script.child, clock_now_ms() + 1, -1, &status), 0);
	assert_int_equal(spawn_wait(&script.child, CLOCK_NEVER, raised, &status), 0);
	spawn_finish(&script.child);
	assert_int_equal(kill(pid, 0), -1);
	close(script.input_fd);
	close(script.output_fd);
}

static void an_end_by_a_signal_is_reported(void **state)
{
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct script script;
	char text[16];
	int status;

	(void)state;
	start_script(&script, &request, "read forever");
	spawn_kill(&script.child, SIGKILL);
	status = finish_script(&script, text, sizeof(text));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void foreign_programs_see_no_secret_of_ours(void **state)
{
	const char **env;
	size_t i;
	bool has_docker = false;

	(void)state;
	assert_int_equal(setenv("KILNTAINERS_AUTH_TOKEN", "secret", 1), 0);
	assert_int_equal(setenv("E2B_API_KEY", "secret", 1), 0);
	assert_int_equal(setenv("PATHOLOGY", "secret", 1), 0);
	assert_int_equal(setenv("DOCKER_HOST", "unix:///nowhere", 1), 0);
	env = spawn_environment();
	for (i = 0; env[i]; i++) {
		assert_null(strstr(env[i], "secret"));
		has_docker |= strcmp(env[i], "DOCKER_HOST=unix:///nowhere") == 0;
	}
	assert_true(has_docker);
	free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_has_exactly_the_environment_it_was_given),
		cmocka_unit_test(a_child_has_exactly_the_descriptors_it_was_given),
		cmocka_unit_test(descriptors_may_trade_places),
		cmocka_unit_test(signals_are_reset_whatever_ours_are),
		cmocka_unit_test(the_soft_descriptor_limit_is_restored),
		cmocka_unit_test(a_child_leads_its_own_session_in_the_directory_asked_for),
		cmocka_unit_test(a_program_can_be_started_from_a_sealed_memory_file),
		cmocka_unit_test(what_cannot_run_says_why),
		cmocka_unit_test(waiting_ends_at_the_deadline_or_by_cancel_and_finish_kills),
		cmocka_unit_test(an_end_by_a_signal_is_reported),
		cmocka_unit_test(foreign_programs_see_no_secret_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
