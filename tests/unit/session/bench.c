/* SPDX-License-Identifier: MIT */
#include "tests/unit/session/bench.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include "tests/unit/unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only a test that hangs gets here. */
#define HANG_GUARD_MS 120000

const struct registry_config bench_config = {
	.output_limit_bytes = 1024,
	.max_parallel = 8,
	.max_running = 1024,
	.max_creating = 4,
	.max_sandboxes = 2000,
	.max_handles = 64,
};

static void on_gone(void *context)
{
	struct bench *bench = context;

	assert_false(bench->is_gone);
	bench->is_gone = true;
}

static enum call_encoding encode(void *context, const struct call_outcome *outcome,
				 struct buf *reply)
{
	struct bench_call *call = context;
	const struct capture *capture = outcome->capture;

	memcpy(call->encoded_handle, outcome->handle, sizeof(call->encoded_handle));
	if (outcome->error.kind != ERROR_NONE) {
		(void)buf_append_string(reply, outcome->error.message);
		return CALL_ENCODED;
	}
	if (capture->out.length >= 5 && memcmp(capture->out.data, "large", 5) == 0) {
		if (!outcome->saved)
			return CALL_TOO_LARGE;
		(void)buf_printf(reply, "exit %d: too large; %s%s",
				 exec_result_exit_code(&outcome->result),
				 outcome->saved->paths[EXEC_STDOUT], outcome->saved->reason);
		return CALL_ENCODED;
	}
	(void)buf_printf(reply, "exit %d: ", exec_result_exit_code(&outcome->result));
	(void)buf_append(reply, capture->out.data, capture->out.length);
	(void)buf_append(reply, capture->err.data, capture->err.length);
	return CALL_ENCODED;
}

static void on_progress(void *context, uint64_t elapsed_ms, const char *message)
{
	struct bench_call *call = context;

	(void)elapsed_ms;
	assert_int_equal(call->ends, 0);
	call->reports++;
	(void)snprintf(call->progress, sizeof(call->progress), "%s", message ? message : "");
}

static void on_done(void *context, struct buf *reply, bool is_cancelled)
{
	struct bench_call *call = context;

	call->call = NULL;
	call->ends++;
	call->is_cancelled = is_cancelled;
	call->bench->ended++;
	if (call->closes)
		session_close(call->closes);
	if (is_cancelled)
		return;
	memcpy(call->handle, call->encoded_handle, sizeof(call->handle));
	(void)snprintf(call->text, sizeof(call->text), "%.*s", (int)reply->length, reply->data);
}

struct session *bench_session(struct bench *bench)
{
	return bench_session_of(bench, NULL);
}

struct session *bench_session_of(struct bench *bench, const char *principal)
{
	return session_open(registry_principal(bench->registry, principal));
}

struct bench *bench_create(const struct registry_config *config)
{
	struct bench *bench = alloc_zeroed(sizeof(*bench));

	log_configure(LOG_ERROR, LOG_TEXT);
	bench->config = *config;
	bench->loop = loop_create(NULL);
	bench->stub = stub_backend_open();
	bench->registry = registry_create(bench->loop, &bench->stub->base, config);
	bench->session = bench_session(bench);
	return bench;
}

static bool is_gone(struct bench *bench, unsigned figure)
{
	(void)figure;
	return bench->is_gone;
}

void bench_destroy(struct bench *bench)
{
	struct stub_counts counts;
	unsigned i;

	if (!bench->is_gone) {
		registry_shut_down(bench->registry, 0, on_gone, bench);
		bench_wait(bench, is_gone, 0);
	}
	if (bench->session)
		session_close(bench->session);
	for (i = 0; i < bench->call_count; i++)
		assert_int_equal(bench->calls[i].ends, 1);
	counts = stub_counts(bench->stub);
	assert_int_equal(counts.live, 0);
	assert_int_equal(counts.creating, 0);
	assert_int_equal(counts.running, 0);
	registry_destroy(bench->registry);
	stub_backend_close(bench->stub);
	loop_destroy(bench->loop);
	free(bench);
}

struct bench_call *bench_start(struct bench *bench, struct session *session,
			       struct call_request *request)
{
	struct bench_call *call = &bench->calls[bench->call_count++];
	const struct call_callbacks callbacks = { encode, on_progress, on_done, call };

	assert_in_range(bench->call_count, 1, BENCH_MAX_CALLS);
	call->bench = bench;
	call->call = call_start(session, request, &callbacks);
	assert_non_null(call->call);
	assert_null(request->command);
	return call;
}

struct bench_call *bench_call_in(struct bench *bench, struct session *session,
				 enum call_target target, const char *handle, const char *command)
{
	struct call_request request = { .target = target, .command = alloc_string(command) };

	if (handle)
		(void)snprintf(request.handle, sizeof(request.handle), "%s", handle);
	return bench_start(bench, session, &request);
}

struct bench_call *bench_call(struct bench *bench, const char *command)
{
	return bench_call_in(bench, bench->session, CALL_TARGET_SESSION, NULL, command);
}

void bench_wait(struct bench *bench, bool (*is_so)(struct bench *bench, unsigned figure),
		unsigned figure)
{
	uint64_t deadline_ms = clock_now_ms() + HANG_GUARD_MS;

	while (!is_so(bench, figure)) {
		if (clock_now_ms() >= deadline_ms)
			fail_msg("this hangs");
		/* One round of what is due. */
		loop_stop(bench->loop);
		loop_run(bench->loop);
		(void)poll(NULL, 0, 1);
	}
}

bool bench_has_ended(struct bench *bench, unsigned calls)
{
	return bench->ended == calls;
}

bool bench_is_running(struct bench *bench, unsigned commands)
{
	return stub_counts(bench->stub).running == commands;
}

bool bench_is_creating(struct bench *bench, unsigned sandboxes)
{
	return stub_counts(bench->stub).creating == sandboxes;
}

bool bench_has_live(struct bench *bench, unsigned sandboxes)
{
	return stub_counts(bench->stub).live == sandboxes;
}

bool bench_has_examined(struct bench *bench, unsigned sandboxes)
{
	return stub_counts(bench->stub).autopsies == sandboxes;
}

bool bench_has_made(struct bench *bench, unsigned sandboxes)
{
	return stub_counts(bench->stub).created == sandboxes;
}

bool bench_has_failed(struct bench *bench, unsigned creations)
{
	return stub_counts(bench->stub).not_created == creations;
}

static bool has_lingered(struct bench *bench, unsigned rounds)
{
	return bench->rounds++ >= rounds;
}

void bench_linger(struct bench *bench, unsigned milliseconds)
{
	bench->rounds = 0;
	bench_wait(bench, has_lingered, milliseconds);
}

void bench_wait_for_all(struct bench *bench)
{
	bench_wait(bench, bench_has_ended, bench->call_count);
}
