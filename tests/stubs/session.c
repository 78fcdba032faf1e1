/* SPDX-License-Identifier: MIT */
#include "tests/stubs/session.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void stub_registry_init(struct registry *registry)
{
	*registry = (struct registry){ .has_facts = true };
	(void)snprintf(registry->facts.system, sizeof(registry->facts.system),
		       "Debian 12 userland");
	(void)snprintf(registry->facts.shell, sizeof(registry->facts.shell), "/bin/bash");
	(void)snprintf(registry->facts.user, sizeof(registry->facts.user), "root");
	(void)snprintf(registry->facts.directory, sizeof(registry->facts.directory), "/workspace");
	registry->facts.disk_bytes = 512 * MIB;
}

struct principal *registry_principal(struct registry *registry, const char *name)
{
	const char *wanted = name ? name : "";
	struct principal *principal;
	size_t i;

	for (i = 0; i < registry->principal_count; i++) {
		if (strcmp(registry->principals[i].name, wanted) == 0)
			return &registry->principals[i];
	}
	assert(registry->principal_count < STUB_PRINCIPALS && strlen(wanted) < STUB_NAME_BYTES);
	principal = &registry->principals[registry->principal_count++];
	principal->registry = registry;
	(void)snprintf(principal->name, sizeof(principal->name), "%s", wanted);
	return principal;
}

struct session *session_open(struct principal *principal)
{
	struct session *session = alloc_zeroed(sizeof(*session));

	session->principal = principal;
	principal->registry->session_count++;
	return session;
}

static void free_if_over(struct session *session)
{
	if (session->is_closed && session->call_count == 0)
		free(session);
}

void session_close(struct session *session)
{
	struct registry *registry = session->principal->registry;
	size_t i;

	session->is_closed = true;
	registry->session_count--;
	for (i = 0; i < registry->call_count; i++) {
		if (registry->calls[i] && registry->calls[i]->session == session)
			registry->calls[i]->is_cancelled = true;
	}
	free_if_over(session);
}

const char *session_tag(const struct session *session)
{
	(void)session;
	return "0123456789ab";
}

unsigned session_calls(const struct session *session)
{
	return session->call_count;
}

const char *session_principal(const struct session *session)
{
	return session->principal->name[0] ? session->principal->name : NULL;
}

struct budget *session_budget(const struct session *session)
{
	return budget_share(session->principal->registry->budget, session_principal(session));
}

struct call *call_start(struct session *session, struct call_request *request,
			const struct call_callbacks *callbacks)
{
	struct registry *registry = session->principal->registry;
	struct call *call = alloc_zeroed(sizeof(*call));

	assert(registry->call_count < STUB_CALLS);
	call->registry = registry;
	call->session = session;
	call->index = registry->call_count;
	call->request = *request;
	*request = (struct call_request){ 0 };
	call->callbacks = *callbacks;
	registry->calls[registry->call_count++] = call;
	session->call_count++;
	return call;
}

void call_cancel(struct call *call)
{
	call->is_cancelled = true;
}

static void end_call(struct call *call, struct buf *reply)
{
	struct session *session = call->session;

	call->registry->calls[call->index] = NULL;
	call->callbacks.on_done(call->callbacks.context, reply, call->is_cancelled);
	session->call_count--; /* until here it holds the session */
	call_request_finish(&call->request);
	free(call);
	free_if_over(session);
}

void stub_settle(struct registry *registry)
{
	struct buf reply = BUF_INIT(1);
	size_t i;

	for (i = 0; i < registry->call_count; i++) {
		if (registry->calls[i] && registry->calls[i]->is_cancelled)
			end_call(registry->calls[i], &reply);
	}
}

void stub_finish(struct call *call, const struct stub_outcome *outcome)
{
	static const struct exec_saved nothing;
	struct capture capture = { 0 };
	struct call_outcome told = { .error = outcome->error,
				     .result = outcome->result,
				     .capture = &capture };
	struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);
	size_t out_bytes = outcome->out_bytes;

	buf_init(&capture.out, LIMIT_MESSAGE_BYTES);
	buf_init(&capture.err, LIMIT_MESSAGE_BYTES);
	if (outcome->out)
		(void)buf_append(&capture.out, outcome->out,
				 out_bytes ? out_bytes : strlen(outcome->out));
	if (outcome->err)
		(void)buf_append_string(&capture.err, outcome->err);
	(void)snprintf(told.handle, sizeof(told.handle), "%s",
		       outcome->handle ? outcome->handle : "");
	/* Nothing is saved here. */
	if (call->callbacks.encode(call->callbacks.context, &told, &reply) == CALL_TOO_LARGE) {
		told.saved = &nothing;
		(void)call->callbacks.encode(call->callbacks.context, &told, &reply);
	}
	end_call(call, &reply);
	buf_finish(&reply);
	buf_finish(&capture.out);
	buf_finish(&capture.err);
}

void registry_prepare(struct registry *registry)
{
	(void)registry;
}

void registry_get_facts(struct registry *registry,
			void (*on_facts)(void *context, const struct exec_facts *facts,
					 const struct error *err),
			void *context)
{
	registry->on_facts = on_facts;
	registry->facts_context = context;
	if (!registry->is_holding_facts)
		stub_release_facts(registry);
}

void stub_release_facts(struct registry *registry)
{
	struct error err = ERROR_INIT;

	if (!registry->on_facts)
		return;
	(void)error_set(&err, ERROR_UNAVAILABLE, "no sandbox can be made here");
	registry->on_facts(registry->facts_context, registry->has_facts ? &registry->facts : NULL,
			   &err);
	registry->on_facts = NULL;
}

void stub_registry_finish(struct registry *registry)
{
	size_t i;

	for (i = 0; i < registry->call_count; i++) {
		if (registry->calls[i])
			registry->calls[i]->is_cancelled = true;
	}
	stub_settle(registry);
	assert(registry->session_count == 0);
}
