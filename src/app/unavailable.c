/* SPDX-License-Identifier: MIT */
#include "app/unavailable.h"

#include "base/alloc.h"
#include "base/attr.h"

#include <assert.h>
#include <stdlib.h>

struct unavailable {
	struct backend base;
	struct error reason;
};

static struct backend *unavailable_create(const struct backend_config *config, struct error *err)
{
	struct unavailable *unavailable = alloc_zeroed(sizeof(*unavailable));

	(void)config;
	(void)err;
	return &unavailable->base;
}

static void unavailable_close(struct backend *backend)
{
	free(CONTAINER_OF(backend, struct unavailable, base));
}

static const char *const *keep_nothing(struct backend *backend)
{
	static const char *const none[] = { NULL };

	(void)backend;
	return none;
}

static int refuse(struct backend *backend, struct error *err)
{
	const struct unavailable *unavailable = CONTAINER_OF(backend, struct unavailable, base);

	return error_set(err, ERROR_UNAVAILABLE, "%s", unavailable->reason.message);
}

static int unavailable_describe(struct backend *backend, struct exec_facts *facts,
				struct error *err)
{
	(void)facts;
	return refuse(backend, err);
}

static struct sandbox *refuse_sandbox(struct backend *backend, const char *id,
				      const struct cancel *cancel,
				      const struct backend_progress *progress, struct error *err)
{
	(void)id;
	(void)cancel;
	(void)progress;
	(void)refuse(backend, err);
	return NULL;
}

/* Nothing of a sandbox is here: none can exist. */
static const struct backend_type unavailable_type = {
	.name = "unavailable",
	.summary = "refuses every sandbox with the reason",
	.open = unavailable_create,
	.close = unavailable_close,
	.kept_paths = keep_nothing,
	.check = refuse,
	.describe = unavailable_describe,
	.create = refuse_sandbox,
};

struct backend *unavailable_open(const struct backend_config *config, const struct error *reason)
{
	struct backend *backend = backend_open(&unavailable_type, config, NULL);

	assert(backend);
	CONTAINER_OF(backend, struct unavailable, base)->reason = *reason;
	return backend;
}
