/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/random.h"
#include "session/lease.h"
#include "session/state.h"

#include <stdlib.h>
#include <utlist.h>

struct session *session_open(struct principal *principal)
{
	struct session *session = alloc_zeroed(sizeof(*session));

	session->principal = principal;
	session->registry = principal->registry;
	random_hex(session->tag, (sizeof(session->tag) - 1) / 2);
	DL_APPEND(session->registry->sessions, session);
	return session;
}

void session_cancel_calls(struct session *session)
{
	struct call *call;

	/* Ends come from the loop: the list does not change under us. */
	DL_FOREACH (session->calls, call)
		call_cancel(call);
}

void session_close(struct session *session)
{
	struct registry *registry = session->registry;

	session_cancel_calls(session);
	if (session->own)
		lease_close(session->own);
	session->is_closed = true;
	session_settle(session);
	registry_something_ended(registry);
}

void session_settle(struct session *session)
{
	if (!session->is_closed || session->call_count > 0 || session->own)
		return;
	DL_DELETE(session->registry->sessions, session);
	free(session);
}

const char *session_tag(const struct session *session)
{
	return session->tag;
}

unsigned session_calls(const struct session *session)
{
	return session->call_count;
}

const char *session_principal(const struct session *session)
{
	return session->principal->name;
}

struct budget *session_budget(const struct session *session)
{
	return session->principal->budget;
}
