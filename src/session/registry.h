/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * All principals, sessions, sandboxes (leases) and handles of one server, and
 * the limits over them. Owned by the loop thread; no locks.
 *
 * A principal is who a client is, by the name of its token; those without one
 * are one principal together, the unnamed. Handles belong to a principal: any of
 * its sessions may use them, and they outlive the session that made them.
 *
 * A session is a conversation: the stdio process, a legacy HTTP session, or one
 * request of those who have no sessions. It has at most one sandbox of its own,
 * made at its first call, which ends with it.
 */

#include "backend/backend.h"
#include "base/loop.h"
#include "exec/facts.h"
#include "session/call.h"
#include "session/observer.h"

enum sandbox_scope {
	SANDBOX_SCOPE_AUTO,	 /* the session's in legacy MCP, a handle in modern */
	SANDBOX_SCOPE_SESSION,	 /* the session's, whatever the era */
	SANDBOX_SCOPE_HANDLE,	 /* handles, whatever the era */
	SANDBOX_SCOPE_PRINCIPAL, /* one per token */
};

/* A named principal runs at most half of max_running at once, and where something is to be waited
 * for, principals take turns. */
struct registry_config {
	struct budget *budget; /* borrowed; NULL: without an end. For what calls hold: their
				  requests, output and replies, each from its principal's share */
	struct registry_observer observer;
	uint64_t output_limit_bytes; /* stdout and stderr of one call together */
	unsigned max_parallel;	     /* commands at once in one sandbox; 1: in order of arrival */
	unsigned max_running;	     /* commands at once in all */
	unsigned max_creating;	     /* sandboxes being made at once */
	unsigned max_sandboxes;	     /* live ones in all */
	/* Live ones of a named principal; 0: as many as there are in all. */
	unsigned max_sandboxes_per_principal;
	unsigned max_handles;	/* live ones of the unnamed; 0: as many as sandboxes */
	bool hides_handles;	/* the unnamed are many who must not be told each other's */
	unsigned pool_size;	/* sandboxes kept ready */
	bool is_pool_early;	/* before the first call, by what registry_prepare announces */
	uint64_t idle_ms;	/* after its last call a sandbox ends; 0: never */
	uint64_t create_ms;	/* until a creation is given up; 0: LIMIT_CREATE_MS */
	uint64_t queue_wait_ms; /* until a queued call is refused; 0: LIMIT_QUEUE_WAIT_MS */
	uint64_t progress_ms;	/* between reports; 0: LIMIT_PROGRESS_INTERVAL_MS */
	uint64_t pool_retry_ms; /* the first pause of the pool; 0: LIMIT_POOL_RETRY_MS */
};

struct registry *registry_create(struct loop *loop, struct backend *backend,
				 const struct registry_config *config);
/* After every session was closed and registry_shut_down reported that all is gone (or before the
 * first call). Takes NULL. */
void registry_destroy(struct registry *registry);

/* Cancels every call, destroys every sandbox; on_gone follows on the loop thread, once no thread
 * uses the backend any more. New calls are refused from now on. With grace_ms, those that have
 * come may finish by themselves first; shutting down again shortens the grace. */
void registry_shut_down(struct registry *registry, uint64_t grace_ms,
			void (*on_gone)(void *context), void *context);

/* Found, or made. `name` is copied; NULL: the unnamed. Lives as long as the registry. */
struct principal *registry_principal(struct registry *registry, const char *name);

struct session *session_open(struct principal *principal);
/* Cancels its calls (their on_done still comes, is_cancelled) and destroys its own sandbox; its
 * principal keeps what was made for handles. */
void session_close(struct session *session);
/* 12 hex digits that name it in logs and views; no secret. */
const char *session_tag(const struct session *session);
/* Calls whose on_done has not come, or has not returned. */
unsigned session_calls(const struct session *session);

/* The name of its principal; NULL: the unnamed. */
const char *session_principal(const struct session *session);
/* Its principal's share of the registry's, for what is held of answers; as long-lived as that. */
struct budget *session_budget(const struct session *session);

/* Begins on a thread what the first call will need; a call is to be expected soon. */
void registry_prepare(struct registry *registry);

/* What the tool description is made of. Probed once, on a thread; `on_facts` comes on the loop
 * thread, later or at once; on failure `err` (then probing is tried again next time). Nobody waits
 * longer than for a sandbox: what is found out later serves those who ask later. */
void registry_get_facts(struct registry *registry,
			void (*on_facts)(void *context, const struct exec_facts *facts,
					 const struct error *err),
			void *context);
