/* SPDX-License-Identifier: MIT */
#include "session/creation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/burial.h"
#include "session/demand.h"
#include "session/pool.h"

#include <stdio.h>
#include <stdlib.h>

#define PROGRESS_MESSAGE_BYTES 256

struct creation {
	struct worker worker;
	struct registry *registry;
	struct lease *lease; /* NULL: the pool's or abandoned */
	struct pool *pool;   /* NULL: the lease's or abandoned */
	struct cancel cancel;
	uint64_t started_us;
	struct sandbox *sandbox;
	struct error error;

	pthread_mutex_t mutex; /* guards the two below: progress comes from any thread */
	char message[PROGRESS_MESSAGE_BYTES];
	bool is_posted;
	struct loop_task progress_task;
};

static void report_progress(void *context, const char *message)
{
	struct creation *creation = context;

	pthread_mutex_lock(&creation->mutex);
	(void)snprintf(creation->message, sizeof(creation->message), "%s", message);
	if (!creation->is_posted)
		loop_post(creation->registry->loop, &creation->progress_task);
	creation->is_posted = true;
	pthread_mutex_unlock(&creation->mutex);
}

static void take_progress(struct loop_task *task)
{
	struct creation *creation = CONTAINER_OF(task, struct creation, progress_task);
	char message[PROGRESS_MESSAGE_BYTES];

	pthread_mutex_lock(&creation->mutex);
	creation->is_posted = false;
	(void)snprintf(message, sizeof(message), "%s", creation->message);
	pthread_mutex_unlock(&creation->mutex);
	if (creation->lease)
		demand_on_progress(creation->lease, message);
}

static void create(struct worker *worker)
{
	struct creation *creation = CONTAINER_OF(worker, struct creation, worker);
	const struct backend_progress progress = { report_progress, creation };

	if (registry_pass_check(creation->registry, &creation->error) == 0)
		creation->sandbox = sandbox_create(creation->registry->backend, &creation->cancel,
						   &progress, &creation->error);
}

static const char *owner_name(const struct creation *creation)
{
	if (creation->lease)
		return "call";
	return creation->pool ? "pool" : "nobody";
}

static void log_end(const struct creation *creation, uint64_t duration_us)
{
	enum log_level failure = creation->error.kind == ERROR_CANCELLED ? LOG_INFO : LOG_WARNING;
	int64_t duration_ms = (int64_t)(duration_us / 1000);

	if (creation->sandbox)
		log_event(LOG_INFO, "sandbox_created", LOG_STRING("sandbox", creation->sandbox->id),
			  LOG_NUMBER("duration_ms", duration_ms),
			  LOG_STRING("for", owner_name(creation)));
	else
		log_event(failure, "sandbox_not_created",
			  LOG_STRING("error", creation->error.message),
			  LOG_NUMBER("duration_ms", duration_ms),
			  LOG_STRING("for", owner_name(creation)));
}

static void free_creation(struct creation *creation)
{
	cancel_finish(&creation->cancel);
	(void)pthread_mutex_destroy(&creation->mutex);
	free(creation);
}

static void finish(struct worker *worker)
{
	struct creation *creation = CONTAINER_OF(worker, struct creation, worker);
	struct registry *registry = creation->registry;
	const struct registry_observer *observer = &registry->config.observer;
	uint64_t duration_us = clock_now_us() - creation->started_us;

	registry->creating--;
	log_end(creation, duration_us);
	if (observer->on_creation)
		observer->on_creation(observer->context, duration_us,
				      creation->sandbox ? NULL : &creation->error);
	if (creation->lease)
		demand_on_created(creation->lease, creation->sandbox, &creation->error);
	else if (creation->pool)
		pool_on_created(creation->pool, creation->sandbox);
	else if (creation->sandbox)
		burial_add(registry, creation->sandbox);
	free_creation(creation);
	demand_start_queued(registry);
	registry_something_ended(registry);
}

static struct creation *start(struct registry *registry, struct error *err)
{
	struct creation *creation = alloc_zeroed(sizeof(*creation));

	*creation = (struct creation){
		.worker = { .run = create, .done = finish },
		.registry = registry,
		.cancel = { -1 },
		.started_us = clock_now_us(),
		.progress_task = { .run = take_progress },
	};
	(void)pthread_mutex_init(&creation->mutex, NULL);
	if (cancel_init(&creation->cancel, err) < 0 ||
	    worker_start(&creation->worker, registry->loop, err) < 0) {
		free_creation(creation);
		return NULL;
	}
	registry->creating++;
	return creation;
}

struct creation *creation_start(struct lease *lease, struct error *err)
{
	struct creation *creation = start(lease->principal->registry, err);

	if (creation)
		creation->lease = lease;
	return creation;
}

struct creation *creation_start_pooled(struct registry *registry, struct error *err)
{
	struct creation *creation = start(registry, err);

	if (creation)
		creation->pool = registry->pool;
	return creation;
}

void creation_give(struct creation *creation, struct lease *lease)
{
	creation->lease = lease;
	creation->pool = NULL;
}

void creation_abandon(struct creation *creation)
{
	creation->lease = NULL;
	creation->pool = NULL;
	cancel_raise(&creation->cancel);
}
