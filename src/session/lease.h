/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A lease is a place for one sandbox at a time. It has the sandbox made when a
 * call first needs it, once for all that wait; lets calls in by order of
 * arrival; notices that the sandbox died, and sees to it that its clients are
 * told exactly once. Loop thread.
 *
 * Any function that takes a lease away from a call, or takes something from a
 * lease, may free it.
 */

#include "session/state.h"

/* The session's own. */
struct lease *lease_open(struct session *session);
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

void lease_on_call_ended(struct lease *lease, struct call *call);
/* One of sandbox (taken) and err. */
void lease_on_created(struct lease *lease, struct sandbox *sandbox, const struct error *err);
void lease_on_progress(struct lease *lease, const char *message);
void lease_on_examined(struct lease *lease, const char *cause);

/* Gives free places among --max-creating to those that wait for one. */
void lease_start_queued(struct registry *registry);
