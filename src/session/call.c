/* SPDX-License-Identifier: MIT */
#include "session/call.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/lease.h"
#include "session/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* --- the end ------------------------------------------------------------- */

static enum call_encoding encode(struct call *call, const struct exec_saved *saved)
{
	struct call_outcome outcome = {
		.error = call->error,
		.result = call->result,
		.capture = &call->capture,
		.saved = saved,
	};

	if (call->error.kind == ERROR_NONE)
		memcpy(outcome.handle, call->handle, sizeof(outcome.handle));
	return call->callbacks.encode(call->callbacks.context, &outcome, &call->reply);
}

static void tell_observer(const struct call *call)
{
	const struct registry_observer *observer = &call->session->registry->config.observer;
	bool has_result = call->error.kind == ERROR_NONE && call->began_us > 0;
	uint64_t until_us = call->began_us > 0 ? call->began_us : clock_now_us();
	const struct call_record record = {
		.principal = call->session->principal->name,
		.session = call->session->tag,
		.sandbox = call->sandbox_id,
		.command = call->request.command,
		.args = (const char *const *)call->request.args,
		.error = &call->error,
		.exit_code = has_result ? exec_result_exit_code(&call->result) : 0,
		.ended_by = has_result ? exec_result_ended_by(&call->result) : NULL,
		.duration_us = call->result.duration_us,
		.queued_us = until_us - call->came_us,
		.stdout_bytes = call->printed_bytes[EXEC_STDOUT],
		.stderr_bytes = call->printed_bytes[EXEC_STDERR],
		.was_cancelled = call->is_cancelled,
	};

	if (observer->on_call)
		observer->on_call(observer->context, &record);
}

/* The caller is told, and the call is gone. */
static void finish_call(struct call *call)
{
	struct session *session = call->session;
	struct registry *registry = session->registry;

	loop_timer_destroy(call->queue_timer);
	loop_timer_destroy(call->progress_timer);
	DL_DELETE(session->calls, call);
	tell_observer(call);
	call->callbacks.on_done(call->callbacks.context, &call->reply, call->is_cancelled);
	buf_finish(&call->reply);
	call_request_finish(&call->request);
	budget_give(session->principal->budget, call->held_bytes);
	free(call);
	session->call_count--;
	registry->calls--;
	session_settle(session);
	registry_something_ended(registry);
}

static void end_unrun(struct loop_task *task)
{
	struct call *call = CONTAINER_OF(task, struct call, ending);

	if (!call->is_cancelled)
		(void)encode(call, NULL);
	finish_call(call);
}

/* From the loop: nobody expects on_done inside call_start or call_cancel. */
static void post_end(struct call *call)
{
	call->state = CALL_ENDING;
	loop_timer_stop(call->queue_timer);
	loop_timer_stop(call->progress_timer);
	call->ending.run = end_unrun;
	loop_post(call->session->registry->loop, &call->ending);
}

void call_refuse(struct call *call, const struct error *error)
{
	call->error = *error;
	post_end(call);
}

/* --- on its thread ------------------------------------------------------- */

/* Keeps in the sandbox what the agent does not get. */
static void save_output(struct call *call, struct exec_saved *saved)
{
	const struct exec_output output = capture_output(&call->capture);
	struct error err = ERROR_INIT;

	*saved = (struct exec_saved){ 0 };
	/* A reset sandbox is gone, and its result says so. */
	if (call->result.was_reset || cancel_is_raised(&call->cancel))
		return;
	if (call->result.limits_hit & (EXEC_LIMIT_MEMORY | EXEC_LIMIT_MACHINE))
		(void)error_set(&err, ERROR_QUOTA, "the sandbox is out of memory");
	else
		(void)sandbox_save(call->sandbox, &output, &call->cancel, saved, &err);
	if (err.kind == ERROR_NONE)
		return;
	(void)snprintf(saved->reason, sizeof(saved->reason), "%s", err.message);
	log_event(LOG_INFO, "output_not_saved", LOG_STRING("sandbox", call->sandbox->id),
		  LOG_STRING("error", err.message));
}

/* What the agent is to get of a command that ran. */
static void conclude(struct call *call, const struct exec_request *request)
{
	struct exec_saved saved = { 0 };

	if (capture_is_withheld(&call->result) && !capture_has_failed(&call->capture))
		save_output(call, &saved);
	(void)capture_conclude(&call->capture, request, &call->result, &saved, &call->error);
}

static void encode_result(struct call *call)
{
	struct exec_saved saved;

	buf_set_budget(&call->reply, call->session->principal->budget);
	if (encode(call, NULL) == CALL_ENCODED)
		return;
	save_output(call, &saved);
	(void)encode(call, &saved);
}

/* An error is small, and is told whatever the others hold. */
static void answer(struct call *call)
{
	if (call->error.kind == ERROR_NONE)
		encode_result(call);
	if (call->reply.failed) {
		buf_finish(&call->reply);
		buf_set_budget(&call->reply, NULL);
		(void)error_set(&call->error, ERROR_BUSY,
				"Server is busy: it has no memory left for the answer. The command "
				"was run. Try again later, or print less.");
	}
	if (call->error.kind != ERROR_NONE)
		(void)encode(call, NULL);
}

static void execute(struct call *call, const struct exec_request *request)
{
	int result = sandbox_exec(call->sandbox, request, &call->capture.sink, &call->result,
				  &call->error);

	memcpy(call->printed_bytes, call->capture.printed_bytes, sizeof(call->printed_bytes));
	if (result == 0)
		conclude(call, request);
}

static void run(struct worker *worker)
{
	struct call *call = CONTAINER_OF(worker, struct call, worker);
	const struct registry_config *config = &call->session->registry->config;
	const struct exec_request request = {
		.command = call->request.command,
		.args = (const char *const *)call->request.args,
		.working_directory = call->request.working_directory,
		.stdin_data = call->request.stdin_data,
		.stdin_bytes = call->request.stdin_bytes,
		.stdin_fd = -1,
		.timeout_ms = call->request.timeout_ms,
		.cancel = &call->cancel,
	};

	capture_init(&call->capture, config->output_limit_bytes);
	capture_set_budget(&call->capture, call->session->principal->budget);
	execute(call, &request);
	/* Why a sandbox ended is told to all its calls at once: ending.c. */
	if (call->error.kind != ERROR_LOST && !cancel_is_raised(&call->cancel)) {
		answer(call);
		call->is_answered = true;
	}
	capture_finish(&call->capture);
	cleanup_free(&call->request.stdin_data);
}

/* --- on the loop --------------------------------------------------------- */

static void log_end(const struct call *call)
{
	enum log_level failure = call->error.kind == ERROR_CANCELLED ? LOG_INFO : LOG_WARNING;

	if (call->error.kind != ERROR_NONE)
		log_event(failure, "call_failed", LOG_STRING("sandbox", call->sandbox_id),
			  LOG_STRING("error", call->error.message));
	else
		log_event(LOG_INFO, "call_ended", LOG_STRING("sandbox", call->sandbox_id),
			  LOG_STRING("ended_by", exec_result_ended_by(&call->result)),
			  LOG_NUMBER("exit_code", exec_result_exit_code(&call->result)),
			  LOG_NUMBER("duration_us", call->result.duration_us));
}

static void on_run_ended(struct worker *worker)
{
	struct call *call = CONTAINER_OF(worker, struct call, worker);
	struct lease *lease = TAKE_PTR(call->lease);
	/* Or cancelled, but not by its caller. */
	bool is_bereaved =
		call->error.kind == ERROR_LOST || (!call->is_answered && !call->is_cancelled);

	call->state = CALL_ENDING;
	loop_timer_stop(call->progress_timer);
	log_end(call);
	cancel_finish(&call->cancel);
	/* A bereaved call stays with its lease for now: call_refuse ends it. */
	lease_on_call_ended(lease, call, is_bereaved ? LEASE_CALL_BEREAVED : LEASE_CALL_OVER);
	if (!is_bereaved)
		finish_call(call);
}

static int ask_observer(const struct call *call, struct error *err)
{
	const struct registry_observer *observer = &call->session->registry->config.observer;
	const struct call_record record = {
		.principal = call->session->principal->name,
		.session = call->session->tag,
		.sandbox = call->lease->sandbox->id,
		.command = call->request.command,
		.args = (const char *const *)call->request.args,
		.error = &call->error,
		.queued_us = clock_now_us() - call->came_us,
	};

	return observer->on_start ? observer->on_start(observer->context, &record, err) : 0;
}

int call_run(struct call *call, struct error *err)
{
	if (ask_observer(call, err) < 0 || cancel_init(&call->cancel, err) < 0)
		return -1;
	call->sandbox = call->lease->sandbox;
	memcpy(call->sandbox_id, call->sandbox->id, sizeof(call->sandbox_id));
	memcpy(call->handle, call->lease->handle, sizeof(call->handle));
	call->worker.run = run;
	call->worker.done = on_run_ended;
	if (worker_start(&call->worker, call->session->registry->loop, err) < 0) {
		cancel_finish(&call->cancel);
		call->sandbox_id[0] = '\0';
		return -1;
	}
	call->state = CALL_RUNNING;
	call->began_us = clock_now_us();
	loop_timer_stop(call->queue_timer);
	return 0;
}

void call_report_progress(struct call *call, const char *message)
{
	if (call->is_cancelled)
		return;
	call->callbacks.on_progress(call->callbacks.context,
				    (clock_now_us() - call->came_us) / 1000, message);
}

static void restart_progress_timer(struct call *call)
{
	loop_timer_start(call->progress_timer, call->session->registry->config.progress_ms);
}

static void on_progress_timer(void *context)
{
	struct call *call = context;

	restart_progress_timer(call);
	call_report_progress(call, call->state == CALL_WAITING ? "Waiting for the sandbox" : NULL);
}

void call_restart_queue_timer(struct call *call)
{
	loop_timer_start(call->queue_timer, call->session->registry->config.queue_wait_ms);
}

static void on_queue_timer(void *context)
{
	struct call *call = context;
	struct error error = ERROR_INIT;

	lease_explain_wait(call->lease, &error);
	if (error.kind == ERROR_NONE) {
		call_restart_queue_timer(call);
		return;
	}
	lease_leave(call->lease, call);
	call_refuse(call, &error);
}

static struct lease *find_shared(struct principal *principal, struct error *err)
{
	/* All who come without a name would share it, who are nothing to each other. */
	if (!principal->name) {
		(void)error_set(err, ERROR_INVALID,
				"This server has one sandbox for each token (--sandbox-scope "
				"principal), and this client has no token. Nothing was run.");
		return NULL;
	}
	if (!principal->own)
		principal->own = lease_open_shared(principal);
	return principal->own;
}

static struct lease *find_lease(struct session *session, const struct call_request *request,
				struct error *err)
{
	struct principal *principal = session->principal;
	struct lease *lease = NULL;

	switch (request->target) {
	case CALL_TARGET_SESSION:
		if (!session->own)
			session->own = lease_open(session);
		return session->own;
	case CALL_TARGET_PRINCIPAL:
		return find_shared(principal, err);
	case CALL_TARGET_NEW:
		if (principal_check_handles(principal, err) < 0)
			return NULL;
		return lease_open_with_handle(principal);
	case CALL_TARGET_HANDLE:
		lease = lease_find(principal, request->handle);
		break;
	}
	/* One text whether it is unknown, another client's, or no handle at all. */
	if (!lease)
		(void)error_set(err, ERROR_INVALID,
				"Sandbox not found or expired; its files are gone. Call again "
				"without sandbox_id to start a new one.");
	return lease;
}

/* Memory for what the call holds until it is over. */
static int charge(struct call *call, struct error *err)
{
	size_t bytes = sizeof(*call) + call_request_bytes(&call->request);

	if (!budget_take(call->session->principal->budget, bytes))
		return error_set(err, ERROR_BUSY,
				 "Server is busy: it has no memory left for another call. Nothing "
				 "was run. Try again later.");
	call->held_bytes = bytes;
	return 0;
}

static struct call *create_call(struct session *session, struct call_request *request,
				const struct call_callbacks *callbacks)
{
	struct registry *registry = session->registry;
	struct call *call = alloc_zeroed(sizeof(*call));

	call->session = session;
	call->request = *request;
	*request = (struct call_request){ .target = request->target };
	call->callbacks = *callbacks;
	call->cancel.fd = -1;
	call->came_us = clock_now_us();
	buf_init(&call->reply, LIMIT_REPLY_BYTES);
	call->queue_timer = loop_timer_create(registry->loop, on_queue_timer, call);
	call->progress_timer = loop_timer_create(registry->loop, on_progress_timer, call);
	restart_progress_timer(call);
	DL_APPEND(session->calls, call);
	session->call_count++;
	registry->calls++;
	return call;
}

struct call *call_start(struct session *session, struct call_request *request,
			const struct call_callbacks *callbacks)
{
	struct call *call = create_call(session, request, callbacks);
	struct error error = ERROR_INIT;
	struct lease *lease = NULL;

	if (session->registry->is_shutting_down)
		(void)error_set(&error, ERROR_UNAVAILABLE,
				"The server is shutting down. Nothing was run.");
	else if (charge(call, &error) == 0)
		lease = find_lease(session, &call->request, &error);
	if (lease)
		lease_enter(lease, call);
	else
		call_refuse(call, &error);
	return call;
}

void call_cancel(struct call *call)
{
	call->is_cancelled = true;
	switch (call->state) {
	case CALL_WAITING:
		lease_leave(call->lease, call);
		post_end(call);
		break;
	case CALL_RUNNING:
		cancel_raise(&call->cancel);
		break;
	case CALL_ENDING:
		break;
	}
}
