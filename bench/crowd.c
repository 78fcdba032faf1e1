/* SPDX-License-Identifier: MIT */

/*
 * Many native sandboxes of one process at once: made by a few threads, as a
 * server does; then a command in all of them at the same moment; then all
 * destroyed. After each phase it prints a line, how long the phase took and then
 * each piece of work in it, in microseconds, and waits for a line on stdin, so
 * that its reader can look at the machine.
 *
 * usage: bench-crowd COUNT PROGRAM [ARGUMENT...]
 */

#include "backend/backend.h"
#include "backend/registry.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_COUNT 10000

struct crowd {
	struct backend *backend;
	unsigned count;
	const char *const *args;
	struct sandbox **sandboxes;
	uint64_t *times_us;
	int (*work)(struct crowd *crowd, unsigned number, struct error *err);
	atomic_uint next;
	atomic_bool has_failed;
};

static int ignore_output(struct exec_sink *sink, enum exec_stream stream, const void *data,
			 size_t bytes)
{
	(void)sink;
	(void)stream;
	(void)data;
	(void)bytes;
	return 0;
}

static int create(struct crowd *crowd, unsigned number, struct error *err)
{
	crowd->sandboxes[number] = sandbox_create(crowd->backend, NULL, NULL, err);
	return crowd->sandboxes[number] ? 0 : -1;
}

static int run(struct crowd *crowd, unsigned number, struct error *err)
{
	struct exec_sink sink = { ignore_output };
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result;

	request.args = crowd->args;
	request.timeout_ms = 60000;
	if (sandbox_exec(crowd->sandboxes[number], &request, &sink, &result, err) < 0)
		return -1;
	if (exec_result_exit_code(&result) != 0)
		return error_set(err, ERROR_INTERNAL, "the command ended with %d",
				 exec_result_exit_code(&result));
	return 0;
}

static int destroy(struct crowd *crowd, unsigned number, struct error *err)
{
	(void)err;
	sandbox_destroy(crowd->sandboxes[number]);
	return 0;
}

static void *take_turns(void *context)
{
	struct crowd *crowd = context;
	struct error err = ERROR_INIT;
	unsigned number;

	while ((number = atomic_fetch_add(&crowd->next, 1)) < crowd->count) {
		uint64_t start_us = clock_now_us();

		if (crowd->work(crowd, number, &err) < 0) {
			if (!atomic_exchange(&crowd->has_failed, true))
				(void)fprintf(stderr, "bench-crowd: %s\n", err.message);
			return NULL;
		}
		crowd->times_us[number] = clock_now_us() - start_us;
	}
	return NULL;
}

/* How many of the threads could be had. */
static unsigned start_threads(struct crowd *crowd, pthread_t *threads, unsigned count)
{
	pthread_attr_t attributes;
	unsigned started = 0;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, LIMIT_SMALL_STACK_BYTES);
	while (started < count &&
	       pthread_create(&threads[started], &attributes, take_turns, crowd) == 0)
		started++;
	(void)pthread_attr_destroy(&attributes);
	return started;
}

static int do_phase(struct crowd *crowd, unsigned threads,
		    int (*work)(struct crowd *crowd, unsigned number, struct error *err))
{
	pthread_t *ids = alloc_array(threads, sizeof(*ids));
	uint64_t start_us = clock_now_us();
	unsigned started;

	crowd->work = work;
	atomic_store(&crowd->next, 0);
	started = start_threads(crowd, ids, threads);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(ids[i], NULL);
	free(ids);
	if (started < threads || atomic_load(&crowd->has_failed))
		return -1;
	(void)printf("%" PRIu64, clock_now_us() - start_us);
	for (unsigned i = 0; i < crowd->count; i++)
		(void)printf(" %" PRIu64, crowd->times_us[i]);
	(void)printf("\n");
	(void)fflush(stdout);
	return getchar() == '\n' ? 0 : -1;
}

/* As many threads as a server would have at it. */
static int do_phases(struct crowd *crowd)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned creators = LIMIT_CREATING_PER_CORE * (cores > 0 ? (unsigned)cores : 1);

	if (do_phase(crowd, creators, create) < 0 || do_phase(crowd, crowd->count, run) < 0)
		return 1;
	return do_phase(crowd, LIMIT_BURIALS, destroy) < 0;
}

static int measure(struct crowd *crowd)
{
	int code;

	crowd->sandboxes = alloc_array(crowd->count, sizeof(*crowd->sandboxes));
	crowd->times_us = alloc_array(crowd->count, sizeof(*crowd->times_us));
	code = do_phases(crowd);
	free(crowd->sandboxes);
	free(crowd->times_us);
	return code;
}

int main(int argc, char **argv)
{
	struct backend_config config = { .disk_bytes = LIMIT_DEFAULT_DISK_BYTES };
	struct crowd crowd = { .args = (const char *const *)argv + 2 };
	struct error err = ERROR_INIT;
	int code = 1;

	if (argc > 2)
		crowd.count = (unsigned)strtoul(argv[1], NULL, 10);
	if (crowd.count < 1 || crowd.count > MAX_COUNT) {
		(void)fprintf(stderr, "usage: bench-crowd COUNT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	config.nofile_hard = fd_raise_limit(&config.nofile_soft);
	crowd.backend = backend_open(backend_find("native"), &config, &err);
	if (crowd.backend && backend_check(crowd.backend, &err) == 0)
		code = measure(&crowd);
	if (err.kind != ERROR_NONE)
		(void)fprintf(stderr, "bench-crowd: %s\n", err.message);
	/* A phase that failed leaves its sandboxes to the end of this process. */
	if (code == 0)
		backend_close(crowd.backend);
	return code;
}
