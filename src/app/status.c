/* SPDX-License-Identifier: MIT */
#include "app/status.h"

#include "app/excerpt.h"
#include "app/history.h"
#include "base/clock.h"
#include "base/escape.h"
#include "mcp/endpoint.h"
#include "session/view.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define NO_RESULT                                                                                  \
	",\"exit_code\":null,\"duration_ms\":null,\"stdout_bytes\":null,\"stderr_bytes\":null"

/* The answer while it is written, as the visitors of one list see it. */
struct status {
	struct buf *out;
	uint64_t now_ms;
	unsigned seen; /* all that there are; of them at most LIMIT_STATUS_ROWS are written */
	unsigned running;
};

/* --- JSON ----------------------------------------------------------------- */

/* A comma, unless this is the first in its object or list. */
static void separate(struct buf *out)
{
	char last = out->length > 0 ? out->data[out->length - 1] : '{';

	if (last != '{' && last != '[')
		(void)buf_append_byte(out, ',');
}

static void put_name(struct buf *out, const char *name)
{
	separate(out);
	(void)buf_printf(out, "\"%s\":", name);
}

/* NULL and "" are null: there is none. */
static void put_text(struct buf *out, const char *name, const char *text)
{
	put_name(out, name);
	if (!text || !*text) {
		(void)buf_append_string(out, "null");
		return;
	}
	(void)buf_append_byte(out, '"');
	(void)escape_append(out, text, strlen(text), strlen(text), ESCAPE_JSON);
	(void)buf_append_byte(out, '"');
}

static void put_number(struct buf *out, const char *name, uint64_t number)
{
	put_name(out, name);
	(void)buf_printf(out, "%" PRIu64, number);
}

static void put_truth(struct buf *out, const char *name, bool is_true)
{
	put_name(out, name);
	(void)buf_append_string(out, is_true ? "true" : "false");
}

/* Whether there is room for one more row, which has then been begun. */
static bool begin_row(struct status *status)
{
	if (++status->seen > LIMIT_STATUS_ROWS)
		return false;
	separate(status->out);
	(void)buf_append_byte(status->out, '{');
	return true;
}

static void end_row(struct status *status)
{
	(void)buf_append_byte(status->out, '}');
}

/* --- the lists ------------------------------------------------------------ */

static void put_session(void *context, const struct endpoint_session_view *view)
{
	struct status *status = context;
	struct buf *out = status->out;

	if (!begin_row(status))
		return;
	put_text(out, "id", view->tag);
	put_text(out, "principal", view->principal);
	put_number(out, "age_s", view->age_ms / 1000);
	put_number(out, "idle_s", view->unused_ms / 1000);
	put_text(out, "protocol", view->protocol_version);
	end_row(status);
}

static void put_sandbox(void *context, const struct sandbox_view *view)
{
	static const char *const states[] = {
		[SANDBOX_VIEW_CREATING] = "creating",
		[SANDBOX_VIEW_READY] = "ready",
		[SANDBOX_VIEW_ENDING] = "ending",
	};
	struct status *status = context;
	struct buf *out = status->out;

	if (!begin_row(status))
		return;
	put_text(out, "id", view->id);
	put_text(out, "principal", view->principal);
	put_text(out, "session", view->session);
	put_text(out, "state", states[view->state]);
	put_number(out, "age_s", view->age_ms / 1000);
	put_number(out, "idle_s", view->idle_ms / 1000);
	put_number(out, "running", view->running);
	put_number(out, "waiting", view->waiting);
	put_truth(out, "is_handle", view->has_handle);
	end_row(status);
}

static void put_call(struct buf *out, const char *state, const char *principal, const char *sandbox,
		     const char *command, uint64_t age_ms)
{
	put_text(out, "state", state);
	put_text(out, "principal", principal);
	put_text(out, "sandbox", sandbox);
	/* One without a character is a command too. */
	put_name(out, "command");
	(void)buf_append_byte(out, '"');
	(void)escape_append(out, command, strlen(command), strlen(command), ESCAPE_JSON);
	(void)buf_append_byte(out, '"');
	put_number(out, "age_s", age_ms / 1000);
}

static void put_live_call(void *context, const struct call_view *view)
{
	struct status *status = context;
	char command[EXCERPT_BYTES(LIMIT_STATUS_TEXT_BYTES)];

	if (view->is_running)
		status->running++;
	if (!begin_row(status))
		return;
	excerpt_call(command, sizeof(command), view->command, view->args);
	put_call(status->out, view->is_running ? "running" : "waiting", view->principal,
		 view->sandbox, command, view->age_ms);
	put_text(status->out, "ended_by", NULL);
	(void)buf_append_string(status->out, NO_RESULT);
	put_text(status->out, "error", NULL);
	end_row(status);
}

static void put_result(struct buf *out, const struct history_call *call)
{
	put_text(out, "ended_by", call->ended_by);
	if (!call->has_result) {
		(void)buf_append_string(out, NO_RESULT);
		return;
	}
	(void)buf_printf(out, ",\"exit_code\":%d,\"duration_ms\":%" PRIu64 ".%03" PRIu64,
			 call->exit_code, call->duration_us / 1000, call->duration_us % 1000);
	put_number(out, "stdout_bytes", call->stdout_bytes);
	put_number(out, "stderr_bytes", call->stderr_bytes);
}

static void put_ended_call(void *context, const struct history_call *call)
{
	struct status *status = context;
	struct buf *out = status->out;

	/* The history is bounded by itself. */
	separate(out);
	(void)buf_append_byte(out, '{');
	put_call(out, "ended", call->principal, call->sandbox, call->command,
		 status->now_ms - call->ended_ms);
	put_result(out, call);
	put_text(out, "error", call->error);
	end_row(status);
}

/* --- the whole ------------------------------------------------------------ */

static void put_server(struct buf *out, const struct status_source *source, uint64_t now_ms)
{
	put_name(out, "server");
	(void)buf_append_byte(out, '{');
	put_text(out, "version", KILNTAINERS_VERSION);
	put_text(out, "backend", source->backend);
	put_number(out, "uptime_s", (now_ms - source->started_ms) / 1000);
	(void)buf_append_byte(out, '}');
}

static struct status begin_list(struct buf *out, const char *name, uint64_t now_ms)
{
	put_name(out, name);
	(void)buf_append_byte(out, '[');
	return (struct status){ .out = out, .now_ms = now_ms };
}

int status_json(struct buf *out, const struct status_source *source,
		const struct status_asker *asker)
{
	const char *whose = asker->is_operator ? NULL : asker->principal;
	uint64_t now_ms = clock_now_ms();
	struct status sessions, sandboxes, calls;

	/* NULL would be everybody's. */
	assert(asker->is_operator || asker->principal);
	(void)buf_append_byte(out, '{');
	put_truth(out, "is_operator", asker->is_operator);
	put_text(out, "principal", asker->principal);
	put_server(out, source, now_ms);
	sessions = begin_list(out, "sessions", now_ms);
	endpoint_each_session(source->endpoint, whose, put_session, &sessions);
	(void)buf_append_byte(out, ']');
	sandboxes = begin_list(out, "sandboxes", now_ms);
	registry_each_sandbox(source->registry, whose, put_sandbox, &sandboxes);
	(void)buf_append_byte(out, ']');
	calls = begin_list(out, "calls", now_ms);
	registry_each_call(source->registry, whose, put_live_call, &calls);
	history_each(source->history, whose, put_ended_call, &calls);
	(void)buf_append_byte(out, ']');
	put_name(out, "counts");
	(void)buf_printf(out, "{\"sessions\":%u,\"sandboxes\":%u,\"running\":%u,\"waiting\":%u}}",
			 sessions.seen, sandboxes.seen, calls.running, calls.seen - calls.running);
	return out->failed ? -1 : 0;
}
