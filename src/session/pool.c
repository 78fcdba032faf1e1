/* SPDX-License-Identifier: MIT */
#include "session/pool.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/burial.h"
#include "session/creation.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

/* One that waits for somebody to need it. */
struct pooled {
	struct pooled *prev, *next;
	struct pool *pool;
	struct sandbox *sandbox;
	struct loop_watch *death_watch;
	uint64_t since_ms;
};

struct pool {
	struct registry *registry;
	bool has_begun;
	struct pooled *ready; /* oldest first */
	unsigned ready_count;
	struct creation *creation;   /* the next one, or NULL */
	struct loop_timer *patience; /* bounds the creation */
	struct loop_timer *pause;    /* until the later of the two below */
	uint64_t calm_at_ms;	     /* a command that has just begun is left alone until then */
	uint64_t retry_at_ms;	     /* after a failure */
	uint64_t retry_ms;	     /* the last pause after one; 0: none since one was of use */
};

static void on_pause_over(void *context)
{
	pool_advance(context);
}

static void on_patience_over(void *context);

struct pool *pool_create(struct registry *registry)
{
	struct pool *pool = alloc_zeroed(sizeof(*pool));

	pool->registry = registry;
	pool->patience = loop_timer_create(registry->loop, on_patience_over, pool);
	pool->pause = loop_timer_create(registry->loop, on_pause_over, pool);
	return pool;
}

void pool_destroy(struct pool *pool)
{
	assert(!pool->ready && !pool->creation);
	loop_timer_destroy(pool->patience);
	loop_timer_destroy(pool->pause);
	free(pool);
}

/* --- failures -------------------------------------------------------------- */

/* A backend that cannot do it now is not asked again and again. */
static void back_off(struct pool *pool)
{
	const struct registry_config *config = &pool->registry->config;
	uint64_t now_ms = clock_now_ms();

	/* Several that fail together (their backend has gone) are one failure. */
	if (now_ms < pool->retry_at_ms)
		return;
	pool->retry_ms = pool->retry_ms > 0 ? 2 * pool->retry_ms : config->pool_retry_ms;
	if (pool->retry_ms > LIMIT_POOL_RETRY_MAX_MS)
		pool->retry_ms = LIMIT_POOL_RETRY_MAX_MS;
	pool->retry_at_ms = now_ms + pool->retry_ms;
	log_event(LOG_WARNING, "pool_paused", LOG_NUMBER("retry_ms", pool->retry_ms));
}

static void on_patience_over(void *context)
{
	struct pool *pool = context;

	creation_abandon(TAKE_PTR(pool->creation));
	pool->registry->sandboxes--;
	back_off(pool);
	pool_advance(pool);
}

/* --- those that are ready ---------------------------------------------------- */

static struct sandbox *remove_ready(struct pooled *pooled)
{
	struct pool *pool = pooled->pool;
	struct sandbox *sandbox = pooled->sandbox;

	DL_DELETE(pool->ready, pooled);
	pool->ready_count--;
	loop_watch_destroy(pooled->death_watch);
	free(pooled);
	return sandbox;
}

static void bury_dead(struct pooled *pooled)
{
	struct pool *pool = pooled->pool;

	pool->registry->sandboxes--;
	burial_add_dead(pool->registry, remove_ready(pooled));
	back_off(pool);
}

static void on_death(void *context)
{
	struct pooled *pooled = context;
	struct pool *pool = pooled->pool;

	bury_dead(pooled);
	pool_advance(pool);
}

static void add_ready(struct pool *pool, struct sandbox *sandbox)
{
	struct pooled *pooled = alloc_zeroed(sizeof(*pooled));
	int death_fd = sandbox_death_fd(sandbox);

	pooled->pool = pool;
	pooled->sandbox = sandbox;
	pooled->since_ms = clock_now_ms();
	/* Without memory for a watch, death is still noticed when it is taken. */
	if (death_fd >= 0)
		pooled->death_watch =
			loop_watch_readable(pool->registry->loop, death_fd, on_death, pooled, NULL);
	DL_APPEND(pool->ready, pooled);
	pool->ready_count++;
}

unsigned pool_ready(const struct pool *pool)
{
	return pool->ready_count;
}

struct sandbox *pool_take(struct pool *pool)
{
	while (pool->ready) {
		struct pooled *pooled = pool->ready;
		/* The dead one before is in the list no more.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		uint64_t waited_ms = clock_now_ms() - pooled->since_ms;
		struct sandbox *sandbox;

		if (sandbox_is_dead(pooled->sandbox)) {
			bury_dead(pooled);
			continue;
		}
		sandbox = remove_ready(pooled);
		pool->retry_ms = 0;
		log_event(LOG_INFO, "sandbox_taken", LOG_STRING("sandbox", sandbox->id),
			  LOG_NUMBER("waited_ms", waited_ms));
		return sandbox;
	}
	return NULL;
}

/* --- making the next ----------------------------------------------------------- */

/* Would another be right, whatever the hour? */
static bool has_room(const struct pool *pool)
{
	const struct registry *registry = pool->registry;

	return pool->has_begun && !registry->is_shutting_down && !pool->creation &&
	       pool->ready_count < registry->config.pool_size &&
	       registry->sandboxes < registry->config.max_sandboxes && burial_leaves_room(registry);
}

/* Somebody waits for what a creation now would delay; its end comes back to pool_advance. */
static bool is_in_the_way(const struct registry *registry)
{
	return registry->creating > 0 || registry->turns[TURN_CREATE] || registry->preparation ||
	       registry->probe;
}

static void start_creation(struct pool *pool)
{
	struct registry *registry = pool->registry;
	struct error error = ERROR_INIT;

	pool->creation = creation_start_pooled(registry, &error);
	if (!pool->creation) {
		back_off(pool);
		pool_advance(pool);
		return;
	}
	registry->sandboxes++;
	loop_timer_start(pool->patience, registry->config.create_ms);
}

void pool_advance(struct pool *pool)
{
	uint64_t due_ms =
		pool->calm_at_ms > pool->retry_at_ms ? pool->calm_at_ms : pool->retry_at_ms;
	uint64_t now_ms = clock_now_ms();

	if (!has_room(pool) || is_in_the_way(pool->registry))
		return;
	if (now_ms < due_ms)
		loop_timer_start(pool->pause, due_ms - now_ms);
	else
		start_creation(pool);
}

void pool_begin(struct pool *pool)
{
	pool->has_begun = true;
	pool_advance(pool);
}

void pool_on_served(struct pool *pool)
{
	uint64_t now_ms = clock_now_ms();

	/* Not put off again by each of many. */
	if (pool->calm_at_ms <= now_ms)
		pool->calm_at_ms = now_ms + LIMIT_POOL_CALM_MS;
	pool_begin(pool);
}

void pool_on_call_ended(struct pool *pool)
{
	uint64_t soon_ms = clock_now_ms() + LIMIT_POOL_SOON_MS;

	if (pool->registry->running > 0 || pool->calm_at_ms <= soon_ms)
		return;
	pool->calm_at_ms = soon_ms;
	pool_advance(pool);
}

struct creation *pool_take_creation(struct pool *pool, struct lease *lease)
{
	struct creation *creation = TAKE_PTR(pool->creation);

	if (!creation)
		return NULL;
	loop_timer_stop(pool->patience);
	creation_give(creation, lease);
	return creation;
}

void pool_on_created(struct pool *pool, struct sandbox *sandbox)
{
	pool->creation = NULL;
	loop_timer_stop(pool->patience);
	if (sandbox) {
		add_ready(pool, sandbox);
		return;
	}
	pool->registry->sandboxes--;
	back_off(pool);
}

void pool_close(struct pool *pool)
{
	struct registry *registry = pool->registry;

	loop_timer_stop(pool->patience);
	loop_timer_stop(pool->pause);
	if (pool->creation) {
		creation_abandon(TAKE_PTR(pool->creation));
		registry->sandboxes--;
	}
	while (pool->ready) {
		registry->sandboxes--;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
		burial_add(registry, remove_ready(pool->ready));
	}
}
