/* SPDX-License-Identifier: MIT */
#include "session/burial.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/demand.h"
#include "session/ending.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* When not even one thread can be had. */
#define BURIAL_RETRY_MS 100

struct burial {
	struct worker worker;
	struct burial *prev, *next;
	struct registry *registry;
	struct sandbox *sandbox;
	struct lease *lease; /* not NULL: only to be examined */
	bool is_dead;	     /* nobody else says so */
	char cause[BACKEND_CAUSE_BYTES];
};

static void destroy(struct worker *worker)
{
	struct burial *burial = CONTAINER_OF(worker, struct burial, worker);
	char id[SANDBOX_ID_BYTES];

	(void)snprintf(id, sizeof(id), "%s", burial->sandbox->id);
	if (burial->is_dead) {
		sandbox_death_cause(burial->sandbox, burial->cause);
		log_event(LOG_WARNING, "sandbox_died", LOG_STRING("sandbox", id),
			  LOG_STRING("cause", burial->cause));
	}
	sandbox_destroy(burial->sandbox);
	log_event(LOG_INFO, "sandbox_removed", LOG_STRING("sandbox", id));
}

static void examine(struct worker *worker)
{
	struct burial *burial = CONTAINER_OF(worker, struct burial, worker);

	sandbox_death_cause(burial->sandbox, burial->cause);
}

static void finish(struct worker *worker)
{
	struct burial *burial = CONTAINER_OF(worker, struct burial, worker);
	struct registry *registry = burial->registry;

	registry->burying--;
	if (burial->lease)
		ending_on_examined(burial->lease, burial->cause);
	else
		registry->removing--;
	free(burial);
	burial_start_queued(registry);
	demand_start_queued(registry);
	registry_something_ended(registry);
}

void burial_start_queued(void *context)
{
	struct registry *registry = context;

	while (registry->burials && registry->burying < LIMIT_BURIALS) {
		struct burial *burial = registry->burials;

		if (worker_start(&burial->worker, registry->loop, NULL) < 0) {
			if (registry->burying == 0)
				loop_timer_start(registry->burial_timer, BURIAL_RETRY_MS);
			return;
		}
		DL_DELETE(registry->burials, burial);
		registry->burying++;
	}
}

static void enqueue(struct registry *registry, const struct burial *what)
{
	struct burial *burial = alloc_zeroed(sizeof(*burial));

	*burial = *what;
	burial->worker.run = burial->lease ? examine : destroy;
	burial->worker.done = finish;
	burial->registry = registry;
	registry->removing += !burial->lease;
	DL_APPEND(registry->burials, burial);
	burial_start_queued(registry);
}

void burial_add(struct registry *registry, struct sandbox *sandbox)
{
	enqueue(registry, &(const struct burial){ .sandbox = sandbox });
}

void burial_add_dead(struct registry *registry, struct sandbox *sandbox)
{
	enqueue(registry, &(const struct burial){ .sandbox = sandbox, .is_dead = true });
}

void burial_examine(struct lease *lease)
{
	enqueue(lease->principal->registry,
		&(const struct burial){ .sandbox = lease->sandbox, .lease = lease });
}

bool burial_leaves_room(const struct registry *registry)
{
	return registry->sandboxes + registry->removing <=
	       registry->config.max_sandboxes + LIMIT_BURIALS;
}

bool burial_is_idle(const struct registry *registry)
{
	return registry->burying == 0 && !registry->burials;
}
