/* SPDX-License-Identifier: MIT */

/*
 * Native sandboxes without a client, for the scripts beside this file.
 *
 *   driver [--image IMAGE] run PROGRAM [ARGUMENT]...   one command, output passed through
 *   driver [--image IMAGE] hold COUNT PROGRAM...       makes COUNT sandboxes, runs the program in
 *                                                      each, prints "ready", waits for stdin's end
 *   driver [--image IMAGE] watch PROGRAM...            makes one, runs the program, prints "ready",
 *                                                      and what it sees when the sandbox dies
 *   driver [--image IMAGE] time COUNT                  prints what creating and running cost
 *   driver [--image IMAGE] doctor
 */

#include "backend/backend.h"
#include "backend/registry.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend_config config = { .disk_bytes = 64 * MIB };

static int pass_output(struct exec_sink *sink, enum exec_stream stream, const void *data,
		       size_t bytes)
{
	(void)sink;
	return fd_write_all(stream == EXEC_STDOUT ? 1 : 2, data, bytes, NULL);
}

static struct exec_sink through = { pass_output };

static int fail(const struct error *err)
{
	(void)fprintf(stderr, "driver: %s\n", err->message);
	return 125;
}

static struct backend *open_backend(struct error *err)
{
	const struct backend_type *type = backend_find("native");

	assert(type);
	return type->open ? backend_open(type, &config, err) : NULL;
}

static int exec_args(struct sandbox *sandbox, char **args, struct error *err)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result;

	request.args = (const char *const *)args;
	request.timeout_ms = 60000;
	if (sandbox_exec(sandbox, &request, &through, &result, err) < 0)
		return -1;
	return exec_result_exit_code(&result);
}

static int run(struct backend *backend, char **args, struct error *err)
{
	struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, err);
	int code;

	if (!sandbox)
		return -1;
	code = exec_args(sandbox, args, err);
	sandbox_destroy(sandbox);
	return code;
}

static int hold(struct backend *backend, int count, char **args, struct error *err)
{
	struct sandbox **sandboxes = alloc_array((size_t)count, sizeof(struct sandbox *));
	int made = 0;
	int result = 0;
	char ignored;

	while (made < count && result == 0) {
		sandboxes[made] = sandbox_create(backend, NULL, NULL, err);
		result = sandboxes[made] ? 0 : -1;
		if (result == 0)
			result = exec_args(sandboxes[made++], args, err);
	}
	if (result == 0) {
		(void)fd_write_all(1, "ready\n", 6, NULL);
		(void)!read(0, &ignored, 1);
	}
	while (made > 0)
		sandbox_destroy(sandboxes[--made]);
	free(sandboxes);
	return result;
}

/* Tells how a death looks from the server: when, why, and whether it can go on. */
static int watch(struct backend *backend, char **args, struct error *err)
{
	struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, err);
	char cause[BACKEND_CAUSE_BYTES];
	struct pollfd death;
	int result;

	if (!sandbox)
		return -1;
	result = exec_args(sandbox, args, err);
	(void)fd_write_all(1, "ready\n", 6, NULL);
	death = (struct pollfd){ .fd = sandbox_death_fd(sandbox), .events = POLLIN };
	if (result >= 0 && poll(&death, 1, 60000) == 1) {
		sandbox_death_cause(sandbox, cause);
		(void)printf("died: %s\n", cause);
		if (exec_args(sandbox, args, err) < 0)
			(void)printf("exec: %s\n", err->message);
	}
	sandbox_destroy(sandbox);
	sandbox = sandbox_create(backend, NULL, NULL, err);
	(void)printf("create: %s\n", sandbox ? "works" : err->message);
	sandbox_destroy(sandbox);
	return result;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_times(const char *what, uint64_t *us, int count)
{
	qsort(us, (size_t)count, sizeof(*us), compare);
	(void)printf("%-8s min %llu  p10 %llu  median %llu  p90 %llu us\n", what,
		     (unsigned long long)us[0], (unsigned long long)us[count / 10],
		     (unsigned long long)us[count / 2], (unsigned long long)us[count * 9 / 10]);
}

static int measure(struct backend *backend, int count, struct error *err)
{
	char program[] = "/bin/true";
	char *true_args[] = { program, NULL };
	uint64_t *times = alloc_array(4 * (size_t)count, sizeof(*times));
	int result = 0;

	for (int i = 0; i < count && result == 0; i++) {
		uint64_t start = clock_now_us();
		struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, err);

		times[i] = clock_now_us() - start;
		if (!sandbox) {
			result = -1;
			break;
		}
		for (int round = 1; round <= 2 && result == 0; round++) {
			start = clock_now_us();
			result = exec_args(sandbox, true_args, err);
			times[round * count + i] = clock_now_us() - start;
		}
		start = clock_now_us();
		sandbox_destroy(sandbox);
		times[3 * count + i] = clock_now_us() - start;
	}
	if (result == 0) {
		print_times("create", times, count);
		print_times("first", times + count, count);
		print_times("second", times + 2 * (size_t)count, count);
		print_times("destroy", times + 3 * (size_t)count, count);
	}
	free(times);
	return result;
}

static void print_line(void *context, enum diagnosis_level level, const char *what,
		       const char *found, const char *fix)
{
	static const char *const levels[] = { "ok", "warning", "FAILED" };

	(void)context;
	(void)printf("%s: %s: %s%s%s\n", levels[level], what, found, fix ? "; " : "",
		     fix ? fix : "");
}

static int work(struct backend *backend, int argc, char **argv, struct error *err)
{
	uint64_t start = clock_now_us();

	if (backend_check(backend, err) < 0)
		return -1;
	if (strcmp(argv[0], "run") == 0 && argc > 1)
		return run(backend, argv + 1, err);
	if (strcmp(argv[0], "hold") == 0 && argc > 2)
		return hold(backend, (int)strtol(argv[1], NULL, 10), argv + 2, err);
	if (strcmp(argv[0], "watch") == 0 && argc > 1)
		return watch(backend, argv + 1, err);
	if (strcmp(argv[0], "time") == 0 && argc > 1) {
		(void)printf("check    %llu us\n", (unsigned long long)(clock_now_us() - start));
		return measure(backend, (int)strtol(argv[1], NULL, 10), err);
	}
	return error_set(err, ERROR_USAGE, "unknown work \"%s\"", argv[0]);
}

int main(int argc, char **argv)
{
	static const struct diagnosis lines = { print_line, NULL };
	struct error err = ERROR_INIT;
	struct backend *backend;
	uint64_t start = clock_now_us();
	int code;

	argc--;
	argv++;
	if (argc > 2 && strcmp(argv[0], "--image") == 0) {
		config.image = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (argc < 1)
		return 2;
	config.nofile_hard = fd_raise_limit(&config.nofile_soft);
	if (strcmp(argv[0], "doctor") == 0) {
		backend_find("native")->diagnose(&config, &lines);
		return 0;
	}
	backend = open_backend(&err);
	if (!backend)
		return fail(&err);
	if (strcmp(argv[0], "time") == 0)
		(void)printf("open     %llu us\n", (unsigned long long)(clock_now_us() - start));
	code = work(backend, argc, argv, &err);
	backend_close(backend);
	return code < 0 ? fail(&err) : code;
}
