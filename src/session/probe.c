/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "session/pool.h"
#include "session/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* --- before anybody asks ------------------------------------------------------------ */

struct preparation {
	struct worker worker;
	struct registry *registry;
};

static void prepare(struct worker *worker)
{
	struct preparation *preparation = CONTAINER_OF(worker, struct preparation, worker);

	backend_prepare_early(preparation->registry->backend);
}

static void finish_preparation(struct worker *worker)
{
	struct preparation *preparation = CONTAINER_OF(worker, struct preparation, worker);
	struct registry *registry = preparation->registry;

	registry->preparation = NULL;
	free(preparation);
	registry_something_ended(registry);
}

/* It waits for what has been started here. */
static void begin_pool(struct registry *registry)
{
	if (registry->config.is_pool_early)
		pool_begin(registry->pool);
}

void registry_prepare(struct registry *registry)
{
	struct preparation *preparation;

	if (registry->was_prepared || registry->is_shutting_down)
		return;
	registry->was_prepared = true;
	preparation = alloc_zeroed(sizeof(*preparation));
	preparation->worker.run = prepare;
	preparation->worker.done = finish_preparation;
	preparation->registry = registry;
	/* Without a thread the first call does it. */
	if (worker_start(&preparation->worker, registry->loop, NULL) == 0)
		registry->preparation = preparation;
	else
		free(preparation);
	begin_pool(registry);
}

/* --- what the tool description says --------------------------------------------------- */

/* One who asked. */
struct asker {
	struct asker *next;
	void (*on_facts)(void *context, const struct exec_facts *facts, const struct error *err);
	void *context;
};

struct probe {
	struct worker worker;
	struct registry *registry;
	struct asker *askers;
	struct loop_timer *timer;
	bool is_overdue; /* nobody waits for it any more */
	struct exec_facts *facts;
	struct error error;
};

static void ask_backend(struct worker *worker)
{
	struct probe *probe = CONTAINER_OF(worker, struct probe, worker);
	struct registry *registry = probe->registry;

	if (registry_pass_check(registry, &probe->error) == 0)
		(void)backend_describe(registry->backend, probe->facts, &probe->error);
}

static void tell_askers(struct probe *probe, const struct exec_facts *facts,
			const struct error *err)
{
	struct asker *asker = TAKE_PTR(probe->askers);

	while (asker) {
		struct asker *next = asker->next;

		asker->on_facts(asker->context, facts, err);
		free(asker);
		asker = next;
	}
}

static void fail_askers(struct probe *probe, const struct error *err)
{
	log_event(LOG_WARNING, "probe_failed", LOG_STRING("error", err->message));
	tell_askers(probe, NULL, err);
}

static void set_overdue(const struct registry *registry, struct error *err)
{
	(void)error_set(err, ERROR_UNAVAILABLE,
			"What sandboxes are like was not found out within %" PRIu64 " s.",
			registry->config.create_ms / 1000);
}

/* A backend that hangs must not hold up the list of tools, which a client waits for at start. */
static void on_timer(void *context)
{
	struct probe *probe = context;
	struct error error = ERROR_INIT;

	probe->is_overdue = true;
	set_overdue(probe->registry, &error);
	fail_askers(probe, &error);
}

static void finish(struct worker *worker)
{
	struct probe *probe = CONTAINER_OF(worker, struct probe, worker);
	struct registry *registry = probe->registry;

	registry->probe = NULL;
	loop_timer_destroy(probe->timer);
	if (probe->error.kind == ERROR_NONE) {
		registry->facts = TAKE_PTR(probe->facts);
		tell_askers(probe, registry->facts, NULL);
	} else {
		fail_askers(probe, &probe->error);
	}
	free(probe->facts);
	free(probe);
	registry_something_ended(registry);
}

static int start_probe(struct registry *registry, struct error *err)
{
	struct probe *probe = alloc_zeroed(sizeof(*probe));

	probe->worker.run = ask_backend;
	probe->worker.done = finish;
	probe->registry = registry;
	probe->facts = alloc_zeroed(sizeof(*probe->facts));
	if (worker_start(&probe->worker, registry->loop, err) < 0) {
		free(probe->facts);
		free(probe);
		return -1;
	}
	probe->timer = loop_timer_create(registry->loop, on_timer, probe);
	loop_timer_start(probe->timer, registry->config.create_ms);
	registry->probe = probe;
	return 0;
}

void registry_get_facts(struct registry *registry,
			void (*on_facts)(void *context, const struct exec_facts *facts,
					 const struct error *err),
			void *context)
{
	struct error error = ERROR_INIT;
	struct asker *asker;

	if (registry->facts) {
		on_facts(context, registry->facts, NULL);
		return;
	}
	if (registry->is_shutting_down)
		(void)error_set(&error, ERROR_UNAVAILABLE, "The server is shutting down.");
	else if (registry->probe && registry->probe->is_overdue)
		set_overdue(registry, &error);
	if (error.kind != ERROR_NONE || (!registry->probe && start_probe(registry, &error) < 0)) {
		on_facts(context, NULL, &error);
		return;
	}
	asker = alloc_zeroed(sizeof(*asker));
	asker->on_facts = on_facts;
	asker->context = context;
	LL_APPEND(registry->probe->askers, asker);
	begin_pool(registry);
}
