/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the files of this room share, and nobody else sees.
 *
 *   registry   all there is, and the limits over it
 *   principal  who a client is; owns leases, and has its share of what there is
 *   session    a conversation; owns calls, and one of its principal's leases
 *   lease      a place for one sandbox at a time: a session's own, a principal's own, or a handle's
 *   turns      leases that wait for a place among all; principals take turns
 *   demand     a lease that needs a sandbox and has one made
 *   ending     a sandbox that ends under its lease: died, idle for too long, ended by an operator
 *   creation   a sandbox being made, on a thread; belongs to a lease, not to a call
 *   call       waits in its lease for a sandbox and a free place, then runs on a thread
 *   burial     a sandbox that nobody uses any more, being looked at or destroyed on a thread
 *   pool       sandboxes that nobody uses yet
 *   probe      finds out on a thread what the tool description needs
 *   worker     the thread that each of these has while it works
 *
 * All of it belongs to the loop thread; no locks. A thread gets only what is its
 * own while it runs: a creation, a burial, a probe, or a call's request, capture
 * and result. What a thread may share says so.
 */

#include "base/hash.h"
#include "base/loop.h"
#include "base/table.h"
#include "session/call.h"
#include "session/registry.h"
#include "session/worker.h"

#include <pthread.h>

struct burial;
struct creation;
struct lease;
struct pool;
struct preparation;
struct probe;

/* backend_check succeeds once per server. Shared by threads, under its mutex; a
 * failed check is tried again by the next. */
struct check_gate {
	pthread_mutex_t mutex;
	bool is_passed;
};

/* For which places leases wait. */
enum turn_kind {
	TURN_CREATE, /* to have a sandbox made */
	TURN_RUN,    /* to run a call */
	TURN_KINDS,
};

/* The leases of one principal that wait for the same. */
struct turn {
	struct principal *principal;
	struct turn *prev, *next; /* in registry->turns; only while there are any */
	struct lease *leases;	  /* queue_prev; in order of arrival */
};

struct registry {
	struct loop *loop;
	struct backend *backend;
	struct registry_config config;
	struct check_gate gate;

	struct principal *principals; /* uthash, by name */
	struct principal *unnamed;
	struct session *sessions;
	struct lease *handles; /* uthash, by SHA-256 of the handle */

	unsigned calls;	    /* that have not had their on_done */
	unsigned running;   /* of them, on threads */
	unsigned sandboxes; /* made or being made, and not given up */
	unsigned creating;  /* creations, abandoned ones included */
	unsigned burying;   /* burials on threads */
	unsigned removing;  /* sandboxes to be destroyed, those on threads included */

	struct turn
		*turns[TURN_KINDS]; /* principals that have leases waiting, the next one first */
	struct burial *burials;	    /* those that wait for a thread */
	struct loop_timer *burial_timer;

	bool was_prepared;
	struct preparation *preparation; /* running; else NULL */
	struct probe *probe;		 /* the same */
	struct exec_facts *facts;
	struct pool *pool;

	bool is_shutting_down;
	bool is_end_posted;
	bool is_gone;
	struct loop_timer *grace_timer;
	struct loop_task end_task;
	void (*on_gone)(void *context);
	void *on_gone_context;
};

struct principal {
	struct registry *registry;
	char *name;	       /* NULL: the unnamed */
	struct budget *budget; /* its share of the registry's; borrowed */
	struct lease *leases;
	struct lease *own;  /* for CALL_TARGET_PRINCIPAL; NULL until it is first needed */
	struct lease *dead; /* handles that are LEASE_DEAD (queue_prev), oldest first */
	struct turn turns[TURN_KINDS];
	unsigned live_handles;
	unsigned dead_handles;
	unsigned sandboxes; /* as in the registry */
	unsigned running;   /* calls on threads */
	UT_hash_handle hh;
};

#define SESSION_TAG_BYTES 13

struct session {
	struct principal *principal;
	struct registry *registry;
	struct session *prev, *next;
	struct lease *own; /* for CALL_TARGET_SESSION; NULL until it is first needed */
	struct call *calls;
	unsigned call_count;
	bool is_closed;
	char tag[SESSION_TAG_BYTES];
};

enum lease_state {
	LEASE_EMPTY,	/* no sandbox; the next call has one made */
	LEASE_QUEUED,	/* waits for its turn */
	LEASE_CREATING, /* has a creation */
	LEASE_READY,	/* has a sandbox */
	LEASE_DYING,	/* has a sandbox that is dead or to be ended, whose calls are coming back or
			   whose cause of death is being found out */
	LEASE_DEAD,	/* a handle's last state: says so to its owner */
};

/* How a lease lost its sandbox, as its clients are told. */
enum lease_end {
	LEASE_END_DEATH,
	LEASE_END_RESET, /* killed because a command could not be */
	LEASE_END_IDLE,
	LEASE_END_OPERATOR,
};

struct lease {
	struct principal *principal;
	struct session *session;   /* whose own it is; NULL: a handle's or principal's */
	struct lease *prev, *next; /* in principal->leases */
	struct lease *queue_prev, *queue_next; /* in a turn's leases or in principal->dead */
	enum lease_state state;
	struct turn *turn;	/* that it waits for; or NULL */
	unsigned pins;		/* functions up the stack that still need it */
	bool is_closing;	/* nobody comes any more; goes with its last call */
	bool is_being_examined; /* a burial looks for the cause of death */
	enum lease_end end;	/* of its sandbox, while DYING */
	bool end_was_told;	/* to a call that ran at the time */
	bool is_known;		/* its client has been given the handle */

	struct creation *creation;
	struct sandbox *sandbox;
	struct loop_watch *death_watch;
	struct loop_timer *timer; /* bounds QUEUED and CREATING, and how long READY is idle */
	struct call *waiting;	  /* in order of arrival */
	unsigned waiting_count;
	unsigned running;
	struct call *active;	/* that run */
	struct call *bereaved;	/* ran when the sandbox ended; answered once the cause is known */
	uint64_t since_ms;	/* when it got its sandbox */
	uint64_t idle_since_ms; /* the end of its last call, or when it got its sandbox */
	char *epitaph;		/* what the next call (a dead handle: every call) is told */

	bool has_handle;
	/* Looked up by its hash alone, so that no comparison tells a guesser how near he came. The
	 * text is kept as well, because its owner may have lost it (call.c, refuse_handle): whoever
	 * can read this memory has the sandboxes themselves, and only the principal that made
	 * a handle is ever told it. */
	char handle[CALL_HANDLE_BYTES];
	unsigned char digest[HASH_BYTES];
	UT_hash_handle hh;
};

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_ENDING };

struct call {
	struct session *session;
	struct call *prev, *next;	      /* in session->calls */
	struct call *queue_prev, *queue_next; /* in lease->waiting, ->active or ->bereaved */
	struct lease *lease;		      /* while WAITING or RUNNING */
	enum call_state state;
	bool is_cancelled;
	bool lost_its_sandbox; /* it was waiting for the sandbox that ended */
	bool is_answered;      /* its thread has made the reply */
	uint64_t came_us;
	uint64_t began_us;		   /* on its thread; 0: it has not */
	char sandbox_id[SANDBOX_ID_BYTES]; /* since then */
	struct loop_timer *queue_timer;
	struct loop_timer *progress_timer;
	struct loop_task ending;

	/* The thread's while RUNNING, but for `cancel`, which anyone may raise, and what the
	 * request asks for, which does not change. */
	struct worker worker;
	struct call_request request;
	struct call_callbacks callbacks;
	struct cancel cancel;
	struct sandbox *sandbox;
	char handle[CALL_HANDLE_BYTES];
	size_t held_bytes; /* what is charged to the budget, beside capture and reply */
	struct capture capture;
	struct exec_result result;
	size_t printed_bytes[2]; /* by enum exec_stream */
	struct error error;
	struct buf reply;
};

/* --- call.c -------------------------------------------------------------- */

/* Runs a call that has just left lease->waiting. It comes back by lease_on_call_ended. On failure
 * it is as if nothing had happened. */
int call_run(struct call *call, struct error *err);
/* Ends a call that is not on its thread with this error; on_done follows from the loop. */
void call_refuse(struct call *call, const struct error *error);
void call_report_progress(struct call *call, const char *message);
/* It queues for a place from now on. */
void call_restart_queue_timer(struct call *call);

/* --- registry.c ---------------------------------------------------------- */

/* Once per server, whoever comes first. Any thread. */
int registry_pass_check(struct registry *registry, struct error *err);
/* Something ended: tells whoever waits for the end of all. */
void registry_something_ended(struct registry *registry);

/* --- session.c ----------------------------------------------------------- */

void session_cancel_calls(struct session *session);
/* Frees a closed session that has neither calls nor a sandbox any more. */
void session_settle(struct session *session);

/* --- principal.c --------------------------------------------------------- */

/* Whether another call of it may run, as far as its own share goes. */
bool principal_may_run(const struct principal *principal);
/* Whether it may have another sandbox, for this lease of it. */
int principal_check_quota(const struct lease *lease, struct error *err);
/* Whether it may have another handle. */
int principal_check_handles(const struct principal *principal, struct error *err);

/* The unnamed; all others are made by registry_principal. */
struct principal *principal_create(struct registry *registry);
/* No call is left: gives up all its sandboxes. */
void principal_close_leases(struct principal *principal);
/* Without leases. */
void principal_destroy(struct principal *principal);
