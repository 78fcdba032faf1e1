/* SPDX-License-Identifier: MIT */
#include "backend/backend.h"

#include "base/random.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct backend *backend_open(const struct backend_type *type, const struct backend_config *config,
			     struct error *err)
{
	struct backend *backend;

	if (type->missing) {
		(void)error_set(err, ERROR_CONFIG, "The %s backend is not in this build: %s",
				type->name, type->missing);
		return NULL;
	}
	backend = type->open(config, err);
	if (!backend)
		return NULL;
	backend->type = type;
	backend->config = config;
	return backend;
}

void backend_close(struct backend *backend)
{
	if (backend)
		backend->type->close(backend);
}

const char *const *backend_kept_paths(struct backend *backend)
{
	return backend->type->kept_paths ? backend->type->kept_paths(backend) : NULL;
}

void backend_prepare_early(struct backend *backend)
{
	if (backend->type->prepare_early)
		backend->type->prepare_early(backend);
}

int backend_check(struct backend *backend, struct error *err)
{
	return backend->type->check(backend, err);
}

int backend_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	struct exec_facts found = { 0 };

	if (backend->type->describe(backend, &found, err) < 0)
		return -1;
	*facts = found;
	return 0;
}

void backend_diagnose(const struct backend_type *type, const struct backend_config *config,
		      const struct diagnosis *diagnosis)
{
	if (type->diagnose)
		type->diagnose(config, diagnosis);
}

void backend_cleanup(const struct backend_type *type, const struct backend_config *config,
		     const struct cleanup_request *request)
{
	if (type->cleanup)
		type->cleanup(config, request);
}

static void report_nothing(void *context, const char *message)
{
	(void)context;
	(void)message;
}

struct sandbox *sandbox_create(struct backend *backend, const struct cancel *cancel,
			       const struct backend_progress *progress, struct error *err)
{
	static const struct backend_progress silence = { report_nothing, NULL };
	char id[SANDBOX_ID_BYTES];
	struct sandbox *sandbox;

	if (cancel_is_raised(cancel)) {
		(void)error_set(err, ERROR_CANCELLED, "cancelled before the sandbox was made");
		return NULL;
	}
	random_hex(id, (SANDBOX_ID_BYTES - 1) / 2);
	sandbox = backend->type->create(backend, id, cancel, progress ? progress : &silence, err);
	if (!sandbox)
		return NULL;
	sandbox->backend = backend;
	memcpy(sandbox->id, id, sizeof(id));
	return sandbox;
}

int sandbox_exec(struct sandbox *sandbox, const struct exec_request *request,
		 struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	struct exec_result found = { .end = EXEC_END_EXIT };

	assert((request->command != NULL) != (request->args != NULL));
	assert(!request->args || request->args[0]);
	assert(!request->working_directory || request->working_directory[0] == '/');
	assert(request->stdin_bytes == 0 || (request->stdin_data && request->stdin_fd < 0));
	assert(sink->on_output);
	if (cancel_is_raised(request->cancel))
		return error_set(err, ERROR_CANCELLED, "cancelled before the command was sent");
	if (sandbox->backend->type->exec(sandbox, request, sink, &found, err) < 0)
		return -1;
	*result = found;
	return 0;
}

int sandbox_save(struct sandbox *sandbox, const struct exec_output *output,
		 const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	const struct backend_type *type = sandbox->backend->type;
	struct exec_saved found = { 0 };

	if (type->save && (output->bytes[EXEC_STDOUT] > 0 || output->bytes[EXEC_STDERR] > 0) &&
	    type->save(sandbox, output, cancel, &found, err) < 0)
		return -1;
	*saved = found;
	return 0;
}

void sandbox_destroy(struct sandbox *sandbox)
{
	if (sandbox)
		sandbox->backend->type->destroy(sandbox);
}

int sandbox_death_fd(const struct sandbox *sandbox)
{
	const struct backend_type *type = sandbox->backend->type;

	return type->death_fd ? type->death_fd(sandbox) : -1;
}

bool sandbox_is_dead(const struct sandbox *sandbox)
{
	struct pollfd death = { sandbox_death_fd(sandbox), POLLIN, 0 };

	return death.fd >= 0 && poll(&death, 1, 0) == 1;
}

void sandbox_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
{
	const struct backend_type *type = sandbox->backend->type;

	cause[0] = '\0';
	if (type->death_cause)
		type->death_cause(sandbox, cause);
	if (cause[0] == '\0')
		(void)snprintf(cause, BACKEND_CAUSE_BYTES, "it ended and nobody knows why");
}
