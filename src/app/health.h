/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * /healthz: whether sandboxes can be made, as of the last one that was, or
 * was tried, at most LIMIT_HEALTH_MS ago. If there was none, one is made for the
 * question and removed, on a thread; all that ask meanwhile wait for it, up to
 * LIMIT_HEALTH_ANSWER_MS. Nobody asks, nothing is done. Loop thread.
 */

#include "backend/backend.h"
#include "base/loop.h"

#include <stdbool.h>

struct health;

struct health *health_create(struct loop *loop, struct backend *backend);
/* Those who wait get no answer. Waits until the thread lets go of the backend. Takes NULL. */
void health_destroy(struct health *health);

/* A sandbox was made, or could not be. */
void health_note(struct health *health, bool is_ok);
/* Calls back once, at once or later. `asker` tells one from another. With LIMIT_HEALTH_ASKERS
 * waiting already, the answer is that nobody can tell: no. */
void health_ask(struct health *health, void (*on_answer)(void *context, void *asker, bool is_ok),
		void *context, void *asker);
/* Whoever asked has gone. Nothing, if there was an answer. */
void health_forget(struct health *health, const void *asker);
