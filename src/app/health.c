/* SPDX-License-Identifier: MIT */
#include "app/health.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "exec/cancel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct asker {
	void (*on_answer)(void *context, void *asker, bool is_ok);
	void *context;
	void *asker;
};

struct health {
	struct loop *loop;
	struct backend *backend;
	bool is_known;
	bool is_ok;
	uint64_t known_ms; /* when */
	struct asker askers[LIMIT_HEALTH_ASKERS];
	size_t asker_count;
	struct loop_timer *patience; /* of those who wait */

	/* The thread that tries; its own while it runs. */
	bool is_trying;
	pthread_t thread;
	struct cancel cancel;
	bool has_worked;
	struct error error;
	struct loop_task task;
};

static void answer_all(struct health *health, bool is_ok)
{
	struct asker askers[LIMIT_HEALTH_ASKERS];
	size_t count = health->asker_count;

	/* Being answered, somebody may ask again. */
	memcpy(askers, health->askers, sizeof(askers));
	health->asker_count = 0;
	loop_timer_stop(health->patience);
	for (size_t i = 0; i < count; i++)
		askers[i].on_answer(askers[i].context, askers[i].asker, is_ok);
}

/* The try goes on: whoever asks next may have its result. */
static void on_patience_over(void *context)
{
	answer_all(context, false);
}

void health_note(struct health *health, bool is_ok)
{
	health->is_known = true;
	health->is_ok = is_ok;
	health->known_ms = clock_now_ms();
}

static void try_sandbox(void *context)
{
	struct health *health = context;
	struct sandbox *sandbox = NULL;

	health->error = (struct error)ERROR_INIT;
	if (backend_check(health->backend, &health->error) == 0)
		sandbox = sandbox_create(health->backend, &health->cancel, NULL, &health->error);
	health->has_worked = sandbox != NULL;
	sandbox_destroy(sandbox);
	loop_post(health->loop, &health->task);
}

static void on_tried(struct loop_task *task)
{
	struct health *health = CONTAINER_OF(task, struct health, task);

	(void)pthread_join(health->thread, NULL);
	health->is_trying = false;
	if (!health->has_worked)
		log_event(LOG_WARNING, "health_probe_failed",
			  LOG_STRING("error", health->error.message));
	health_note(health, health->has_worked);
	answer_all(health, health->is_ok);
}

static void start_trying(struct health *health)
{
	if (health->is_trying)
		return;
	health->is_trying = thread_start_joinable(LIMIT_SMALL_STACK_BYTES, try_sandbox, health,
						  &health->thread, NULL) == 0;
	if (health->is_trying)
		return;
	/* Without a thread there is no sandbox either. */
	health_note(health, false);
	answer_all(health, health->is_ok);
}

struct health *health_create(struct loop *loop, struct backend *backend)
{
	struct health *health = alloc_zeroed(sizeof(*health));

	*health = (struct health){ .loop = loop, .backend = backend, .task = { .run = on_tried } };
	health->patience = loop_timer_create(loop, on_patience_over, health);
	if (cancel_init(&health->cancel, NULL) < 0)
		health->cancel.fd = -1;
	return health;
}

void health_destroy(struct health *health)
{
	if (!health)
		return;
	if (health->is_trying) {
		cancel_raise(&health->cancel);
		(void)pthread_join(health->thread, NULL);
	}
	cancel_finish(&health->cancel);
	loop_timer_destroy(health->patience);
	free(health);
}

void health_ask(struct health *health, void (*on_answer)(void *context, void *asker, bool is_ok),
		void *context, void *asker)
{
	bool is_fresh = health->is_known && clock_now_ms() - health->known_ms <= LIMIT_HEALTH_MS;

	if (is_fresh || health->asker_count == LIMIT_HEALTH_ASKERS) {
		on_answer(context, asker, is_fresh && health->is_ok);
		return;
	}
	health->askers[health->asker_count++] = (struct asker){ on_answer, context, asker };
	if (health->asker_count == 1)
		loop_timer_start(health->patience, LIMIT_HEALTH_ANSWER_MS);
	start_trying(health);
}

void health_forget(struct health *health, const void *asker)
{
	for (size_t i = 0; i < health->asker_count; i++) {
		if (health->askers[i].asker != asker)
			continue;
		health->askers[i] = health->askers[--health->asker_count];
		return;
	}
}
