/* SPDX-License-Identifier: MIT */
#include "backend/trace.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct trace_backend {
	struct backend base;
	struct backend *inner;
};

struct trace_sandbox {
	struct sandbox base;
	struct sandbox *inner;
};

static struct backend *inner_of(struct backend *backend)
{
	return CONTAINER_OF(backend, struct trace_backend, base)->inner;
}

static struct trace_sandbox *trace_of(struct sandbox *sandbox)
{
	return CONTAINER_OF(sandbox, struct trace_sandbox, base);
}

/* One line per call. `err` tells why when `failed`. */
static void trace(const char *call, const char *name, uint64_t start_us, int failed,
		  const struct error *err)
{
	uint64_t duration_us = clock_now_us() - start_us;

	log_event(LOG_DEBUG, call, LOG_STRING("name", name), LOG_NUMBER("us", duration_us),
		  LOG_STRING("error", failed ? err->message : ""));
}

static void trace_close(struct backend *backend)
{
	struct trace_backend *wrapper = CONTAINER_OF(backend, struct trace_backend, base);
	const char *name = wrapper->inner->type->name;
	uint64_t start_us = clock_now_us();

	backend_close(wrapper->inner);
	free(wrapper);
	trace("backend_close", name, start_us, 0, NULL);
}

static const char *const *trace_kept_paths(struct backend *backend)
{
	return backend_kept_paths(inner_of(backend));
}

static void trace_prepare_early(struct backend *backend)
{
	uint64_t start_us = clock_now_us();

	backend_prepare_early(inner_of(backend));
	trace("backend_prepare_early", inner_of(backend)->type->name, start_us, 0, NULL);
}

static int trace_check(struct backend *backend, struct error *err)
{
	uint64_t start_us = clock_now_us();
	struct error found = ERROR_INIT;
	int result = backend_check(inner_of(backend), &found);

	trace("backend_check", inner_of(backend)->type->name, start_us, result < 0, &found);
	if (result < 0 && err)
		*err = found;
	return result;
}

static int trace_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	uint64_t start_us = clock_now_us();
	struct error found = ERROR_INIT;
	int result = backend_describe(inner_of(backend), facts, &found);

	trace("backend_describe", inner_of(backend)->type->name, start_us, result < 0, &found);
	if (result < 0 && err)
		*err = found;
	return result;
}

/* Creates below its own wrapper function, which would choose another id. */
static struct sandbox *trace_create(struct backend *backend, const char *id,
				    const struct cancel *cancel,
				    const struct backend_progress *progress, struct error *err)
{
	struct backend *inner = inner_of(backend);
	uint64_t start_us = clock_now_us();
	struct error found = ERROR_INIT;
	struct sandbox *sandbox = inner->type->create(inner, id, cancel, progress, &found);
	struct trace_sandbox *wrapper;

	trace("sandbox_create", id, start_us, !sandbox, &found);
	if (!sandbox) {
		if (err)
			*err = found;
		return NULL;
	}
	sandbox->backend = inner;
	memcpy(sandbox->id, id, sizeof(sandbox->id));
	wrapper = alloc_zeroed(sizeof(*wrapper));
	wrapper->inner = sandbox;
	return &wrapper->base;
}

static int trace_exec(struct sandbox *sandbox, const struct exec_request *request,
		      struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	uint64_t start_us = clock_now_us();
	struct error found = ERROR_INIT;

	if (sandbox_exec(trace_of(sandbox)->inner, request, sink, result, &found) < 0) {
		trace("sandbox_exec", sandbox->id, start_us, 1, &found);
		if (err)
			*err = found;
		return -1;
	}
	log_event(LOG_DEBUG, "sandbox_exec", LOG_STRING("name", sandbox->id),
		  LOG_NUMBER("us", clock_now_us() - start_us), LOG_NUMBER("end", result->end),
		  LOG_NUMBER("code", result->code), LOG_NUMBER("was_reset", result->was_reset),
		  LOG_NUMBER("ran_us", result->duration_us));
	return 0;
}

static int trace_save(struct sandbox *sandbox, const struct exec_output *output,
		      const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	uint64_t start_us = clock_now_us();
	struct error found = ERROR_INIT;
	int result = sandbox_save(trace_of(sandbox)->inner, output, cancel, saved, &found);

	trace("sandbox_save", sandbox->id, start_us, result < 0, &found);
	if (result < 0 && err)
		*err = found;
	return result;
}

static void trace_destroy(struct sandbox *sandbox)
{
	struct trace_sandbox *wrapper = trace_of(sandbox);
	uint64_t start_us = clock_now_us();

	sandbox_destroy(wrapper->inner);
	trace("sandbox_destroy", sandbox->id, start_us, 0, NULL);
	free(wrapper);
}

static int trace_death_fd(const struct sandbox *sandbox)
{
	const struct trace_sandbox *wrapper = (const struct trace_sandbox *)sandbox;

	return sandbox_death_fd(wrapper->inner);
}

static void trace_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
{
	sandbox_death_cause(trace_of(sandbox)->inner, cause);
	log_event(LOG_DEBUG, "sandbox_death", LOG_STRING("name", sandbox->id),
		  LOG_STRING("cause", cause));
}

static const struct backend_type trace_type = {
	.name = "trace",
	.summary = "logs what another backend does",
	.close = trace_close,
	.kept_paths = trace_kept_paths,
	.prepare_early = trace_prepare_early,
	.check = trace_check,
	.describe = trace_describe,
	.create = trace_create,
	.exec = trace_exec,
	.save = trace_save,
	.destroy = trace_destroy,
	.death_fd = trace_death_fd,
	.death_cause = trace_death_cause,
};

struct backend *trace_wrap(struct backend *inner)
{
	struct trace_backend *wrapper = alloc_zeroed(sizeof(*wrapper));

	wrapper->base.type = &trace_type;
	wrapper->base.config = inner->config;
	wrapper->inner = inner;
	return &wrapper->base;
}
