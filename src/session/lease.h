/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A lease is a place for one sandbox at a time. It has the sandbox made when a
 * call first needs it (demand.h), once for all that wait; lets calls in by order
 * of arrival; and when the sandbox ends, sees to it that its clients are told
 * exactly once (ending.h). Loop thread.
 *
 * Any function that takes a lease away from a call, or takes something from a
 * lease, may free it, unless it is pinned.
 */

#include "session/state.h"

/* The session's own. */
struct lease *lease_open(struct session *session);
/* The principal's own. */
struct lease *lease_open_shared(struct principal *principal);
/* With a new handle. */
struct lease *lease_open_with_handle(struct principal *principal);
/* NULL unless the handle is one of this principal's; dead ones are found too. */
struct lease *lease_find(struct principal *principal, const char *handle);
/* Its calls have been cancelled; gives up its sandbox. */
void lease_close(struct lease *lease);

/* The call waits here, or is refused at once. */
void lease_enter(struct lease *lease, struct call *call);
/* A waiting call goes without having run. */
void lease_leave(struct lease *lease, struct call *call);
/* Why a call has waited for so long; ERROR_NONE: for its sandbox to be made, which has a time limit
 * of its own. */
void lease_explain_wait(const struct lease *lease, struct error *err);

enum lease_call_end {
	LEASE_CALL_OVER,     /* the call has its answer, or wants none */
	LEASE_CALL_BEREAVED, /* it is the lease's until it is told what became of the sandbox */
};

/* A call has come back from its thread. */
void lease_on_call_ended(struct lease *lease, struct call *call, enum lease_call_end end);

/* --- for demand.c and ending.c ------------------------------------------- */

/* Between the two the lease is not freed. */
void lease_pin(struct lease *lease);
void lease_unpin(struct lease *lease);
/* Something was taken from it: frees it if it has no further use and nobody is using it. */
void lease_settle(struct lease *lease);
/* Something is new: its calls go on, if they can. */
void lease_advance(struct lease *lease);
/* A waiting call ends with this error, or all of them do. */
void lease_refuse(struct lease *lease, struct call *call, const struct error *error);
void lease_refuse_all(struct lease *lease, const struct error *error);
