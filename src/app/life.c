/* SPDX-License-Identifier: MIT */
#include "app/life.h"

#include "app/stop.h"
#include "base/attr.h"
#include "base/limits.h"
#include "session/view.h"

#include <signal.h>
#include <stddef.h>

static void on_gone(void *context)
{
	struct life *life = context;

	loop_stop(life->loop);
}

void life_end(struct life *life)
{
	if (life->is_ending)
		return;
	life->is_ending = true;
	loop_timer_stop(life->patience);
	life->events.on_end(life->events.context);
	registry_shut_down(life->registry, 0, on_gone, life);
}

static void on_patience_over(void *context)
{
	life_end(context);
}

static uint64_t end_ms(const struct registry *registry)
{
	struct registry_counts counts;
	uint64_t of_many_ms;

	registry_count(registry, &counts);
	of_many_ms = LIMIT_EOF_GRACE_MS +
		     (uint64_t)(counts.sandboxes + counts.removing) * LIMIT_SHUTDOWN_SANDBOX_MS;
	return of_many_ms > LIMIT_SHUTDOWN_MS ? of_many_ms : LIMIT_SHUTDOWN_MS;
}

void life_announce_end(struct life *life, const char *reason)
{
	log_event(LOG_INFO, "stopping", LOG_STRING("reason", reason));
	stop_after(end_ms(life->registry));
}

void life_be_patient(struct life *life)
{
	loop_timer_start(life->patience, LIMIT_EOF_GRACE_MS);
}

static void on_signal(void *context)
{
	struct life *life = context;

	life_announce_end(life, "signal");
	stop_on_signal(NULL);
	life->events.on_signal(life->events.context);
}

static int watch_signals(struct life *life, struct error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(numbers); i++) {
		life->signals[i] = loop_signal_create(life->loop, numbers[i], on_signal, life, err);
		if (!life->signals[i])
			return -1;
	}
	return 0;
}

int life_begin(struct life *life, const struct config *config, struct backend *backend,
	       const struct life_events *events, struct error *err)
{
	const struct mcp_server_config *mcp_config;

	*life = (struct life){ .events = *events };
	life->loop = loop_create(err);
	if (!life->loop)
		return -1;
	life->registry = registry_create(life->loop, backend, &config->registry);
	mcp_config = &(const struct mcp_server_config){
		.loop = life->loop,
		.registry = life->registry,
		.sandbox_scope = config->sandbox_scope,
		.protocol = config->protocol,
		.is_http = config->transport == TRANSPORT_HTTP,
		.timeout_s = config->timeout_s,
		.max_timeout_s = config->max_timeout_s,
		.output_limit_bytes = config->registry.output_limit_bytes,
		.description_override = config->description_override,
		.description_extension = config->description_extension,
	};
	life->mcp = mcp_server_create(mcp_config);
	life->patience = loop_timer_create(life->loop, on_patience_over, life);
	return watch_signals(life, err);
}

void life_run(struct life *life)
{
	loop_run(life->loop);
}

void life_finish(struct life *life)
{
	size_t i;

	mcp_server_destroy(life->mcp);
	registry_destroy(life->registry);
	for (i = 0; i < ARRAY_LENGTH(life->signals); i++)
		loop_signal_destroy(life->signals[i]);
	/* The loop has put back what was there before it; the end is not over yet. */
	stop_on_signal(NULL);
	loop_timer_destroy(life->patience);
	loop_destroy(life->loop);
}
