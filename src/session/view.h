/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What there is just now, for whoever watches the server, and the one thing that
 * he may do. Loop thread; what is passed to a visitor is borrowed for that call,
 * in which it must not change anything here. What clients sent is as they sent
 * it: whoever shows it escapes it.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct registry;

enum sandbox_view_state {
	SANDBOX_VIEW_CREATING, /* has no id yet */
	SANDBOX_VIEW_READY,
	SANDBOX_VIEW_ENDING,
};

struct sandbox_view {
	const char *id;	       /* the public one; "" while it is made */
	const char *principal; /* NULL: the unnamed */
	const char *session;   /* the tag of the session whose own it is; NULL: another's */
	enum sandbox_view_state state;
	bool has_handle;
	uint64_t age_ms;	   /* since its principal got it; 0 while it is made */
	uint64_t idle_ms;	   /* since the end of its last call; 0: in use */
	unsigned running, waiting; /* calls */
};

/* Those that somebody has; the pool's are only counted. `principal` NULL: everybody's. */
void registry_each_sandbox(const struct registry *registry, const char *principal,
			   void (*visit)(void *context, const struct sandbox_view *view),
			   void *context);

struct call_view {
	bool is_running;       /* else it waits */
	const char *principal; /* NULL: the unnamed */
	const char *session;   /* its tag */
	const char *sandbox;   /* public id; "": it has none yet */
	const char *command;   /* or args, as asked; see observer_append_command */
	const char *const *args;
	uint64_t age_ms;     /* since it came */
	uint64_t running_ms; /* since it was started; 0: it waits */
};

/* Those that run or wait. `principal` NULL: everybody's. */
void registry_each_call(const struct registry *registry, const char *principal,
			void (*visit)(void *context, const struct call_view *view), void *context);

struct registry_counts {
	unsigned sessions;
	unsigned sandboxes; /* made or being made, the pool's included */
	unsigned pooled;    /* of them, those that stand ready */
	unsigned creating;
	unsigned removing; /* nobody's any more, and not gone yet; not among `sandboxes` */
	unsigned running;  /* calls */
	unsigned waiting;
};

void registry_count(const struct registry *registry, struct registry_counts *counts);

/* An operator wants this sandbox gone: what runs in it is killed, and its clients are told.
 * Nothing, if it is ending already. ERROR_INVALID: there is none of this id. */
int registry_end_sandbox(struct registry *registry, const char *id, struct error *err);
