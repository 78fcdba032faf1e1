/* SPDX-License-Identifier: MIT */
#include "tests/unit/session/stub_backend.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

struct stub_sandbox {
	struct sandbox base;
	unsigned number;
	int death_fd;
	bool is_dead;
	unsigned running;
};

static struct stub_backend *stub_of(struct backend *backend)
{
	return CONTAINER_OF(backend, struct stub_backend, base);
}

static struct stub_sandbox *sandbox_of(struct sandbox *sandbox)
{
	return CONTAINER_OF(sandbox, struct stub_sandbox, base);
}

static void count_up(unsigned *now, unsigned *most)
{
	(*now)++;
	if (*now > *most)
		*most = *now;
}

/* With the lock held: a cancel flag has no condition of its own, so it is looked at often. */
static void wait_a_little(struct stub_backend *stub)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&stub->changed, &stub->mutex, &until);
}

static void stub_prepare_early(struct backend *backend)
{
	struct stub_backend *stub = stub_of(backend);

	pthread_mutex_lock(&stub->mutex);
	stub->counts.preparations++;
	while (stub->holds_preparing)
		wait_a_little(stub);
	pthread_mutex_unlock(&stub->mutex);
}

static int stub_check(struct backend *backend, struct error *err)
{
	struct stub_backend *stub = stub_of(backend);
	bool fails;

	pthread_mutex_lock(&stub->mutex);
	stub->counts.checks++;
	fails = stub->failing_checks > 0;
	stub->failing_checks -= fails;
	pthread_mutex_unlock(&stub->mutex);
	return fails ? error_set(err, ERROR_CONFIG, "The stub is not plugged in.") : 0;
}

static int stub_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	struct stub_backend *stub = stub_of(backend);

	(void)err;
	pthread_mutex_lock(&stub->mutex);
	stub->counts.describes++;
	while (stub->holds_describing)
		wait_a_little(stub);
	pthread_mutex_unlock(&stub->mutex);
	(void)snprintf(facts->system, sizeof(facts->system), "a stub");
	return 0;
}

static struct sandbox *stub_create(struct backend *backend, const char *id,
				   const struct cancel *cancel,
				   const struct backend_progress *progress, struct error *err)
{
	struct stub_backend *stub = stub_of(backend);
	struct stub_sandbox *sandbox = NULL;

	(void)id;
	if (stub->progress)
		progress->report(progress->context, stub->progress);
	pthread_mutex_lock(&stub->mutex);
	count_up(&stub->counts.creating, &stub->counts.most_creating);
	while (stub->holds_creation && (stub->ignores_cancel || !cancel_is_raised(cancel)))
		wait_a_little(stub);
	if (cancel_is_raised(cancel) && !stub->ignores_cancel) {
		(void)error_set(err, ERROR_CANCELLED, "cancelled");
	} else if (stub->failing_creations > 0) {
		stub->failing_creations--;
		(void)error_set(err, ERROR_UNAVAILABLE, "The stub is out of sand.");
	} else {
		sandbox = alloc_zeroed(sizeof(*sandbox));
		sandbox->death_fd = eventfd(0, EFD_CLOEXEC);
		assert(sandbox->death_fd >= 0);
		stub->last = sandbox;
		sandbox->number = ++stub->counts.created;
		stub->counts.live++;
	}
	stub->counts.not_created += !sandbox;
	stub->counts.creating--;
	pthread_mutex_unlock(&stub->mutex);
	return sandbox ? &sandbox->base : NULL;
}

static int hold(struct stub_backend *stub, const struct stub_sandbox *sandbox,
		const struct exec_request *request, struct exec_result *result, struct error *err)
{
	while (stub->holds && !sandbox->is_dead && !cancel_is_raised(request->cancel))
		wait_a_little(stub);
	if (sandbox->is_dead)
		return error_set(err, ERROR_LOST, "the stub's sandbox is dead");
	if (cancel_is_raised(request->cancel))
		result->end = EXEC_END_CANCELLED;
	return 0;
}

/* With the lock held. */
static int perform(struct stub_backend *stub, const struct stub_sandbox *sandbox,
		   const struct exec_request *request, struct exec_result *result,
		   struct error *err)
{
	size_t noted = strlen(stub->notes);

	if (sandbox->is_dead)
		return error_set(err, ERROR_LOST, "the stub's sandbox is dead");
	if (strcmp(request->command, "hold") == 0)
		return hold(stub, sandbox, request, result, err);
	if (strncmp(request->command, "note ", 5) == 0)
		(void)snprintf(stub->notes + noted, sizeof(stub->notes) - noted, "%s ",
			       request->command + 5);
	if (strncmp(request->command, "late ", 5) == 0 ||
	    strncmp(request->command, "hungry ", 7) == 0)
		result->end = EXEC_END_TIMEOUT;
	if (strncmp(request->command, "hungry ", 7) == 0)
		result->limits_hit = EXEC_LIMIT_MEMORY;
	if (strcmp(request->command, "reset") == 0) {
		result->end = EXEC_END_TIMEOUT;
		result->was_reset = true;
	}
	return 0;
}

static void print(const char *command, struct exec_sink *sink)
{
	static const char *const words[] = { "say ", "late ", "hungry " };

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		size_t length = strlen(words[i]);

		if (strncmp(command, words[i], length) == 0)
			(void)sink->on_output(sink, EXEC_STDOUT, command + length,
					      strlen(command + length));
	}
}

/* As a pump would: whoever has had enough is not given more. */
static void flood(const char *command, struct exec_sink *sink, struct exec_result *result)
{
	char piece[1024];
	unsigned long left;

	if (strncmp(command, "flood ", 6) != 0)
		return;
	memset(piece, 'x', sizeof(piece));
	for (left = strtoul(command + 6, NULL, 10); left > 0;) {
		size_t bytes = left < sizeof(piece) ? left : sizeof(piece);

		if (sink->on_output(sink, EXEC_STDOUT, piece, bytes) < 0) {
			result->end = EXEC_END_OUTPUT_LIMIT;
			return;
		}
		left -= bytes;
	}
}

static int stub_exec(struct sandbox *base, const struct exec_request *request,
		     struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	struct stub_backend *stub = stub_of(base->backend);
	struct stub_sandbox *sandbox = sandbox_of(base);
	char number[16];
	int done;

	pthread_mutex_lock(&stub->mutex);
	count_up(&stub->counts.running, &stub->counts.most_running);
	count_up(&sandbox->running, &stub->counts.most_in_one);
	done = perform(stub, sandbox, request, result, err);
	sandbox->running--;
	stub->counts.running--;
	pthread_mutex_unlock(&stub->mutex);
	if (done == 0)
		print(request->command, sink);
	if (done == 0)
		flood(request->command, sink, result);
	if (done == 0 && strcmp(request->command, "who") == 0)
		(void)sink->on_output(
			sink, EXEC_STDOUT, number,
			(size_t)snprintf(number, sizeof(number), "%u", sandbox->number));
	return done;
}

static int stub_save(struct sandbox *base, const struct exec_output *output,
		     const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	struct stub_backend *stub = stub_of(base->backend);
	bool refuses;

	pthread_mutex_lock(&stub->mutex);
	stub->counts.saving++;
	while (stub->holds_saving && !cancel_is_raised(cancel))
		wait_a_little(stub);
	stub->counts.saving--;
	stub->counts.saves++;
	refuses = stub->refuses_saving || cancel_is_raised(cancel);
	pthread_mutex_unlock(&stub->mutex);
	if (refuses)
		return error_set(err, ERROR_UNAVAILABLE, "the stub is full");
	(void)snprintf(saved->paths[EXEC_STDOUT], EXEC_SAVED_PATH_BYTES, "/%.*s",
		       (int)output->bytes[EXEC_STDOUT], output->data[EXEC_STDOUT]);
	(void)snprintf(saved->paths[EXEC_STDERR], EXEC_SAVED_PATH_BYTES, "/err");
	saved->bytes[EXEC_STDOUT] = output->bytes[EXEC_STDOUT];
	return 0;
}

static void stub_destroy(struct sandbox *base)
{
	struct stub_backend *stub = stub_of(base->backend);
	struct stub_sandbox *sandbox = sandbox_of(base);
	unsigned takes_ms;

	pthread_mutex_lock(&stub->mutex);
	assert(sandbox->running == 0);
	count_up(&stub->counts.destroying, &stub->counts.most_destroying);
	takes_ms = stub->destroy_takes_ms;
	pthread_mutex_unlock(&stub->mutex);
	(void)poll(NULL, 0, (int)takes_ms);
	pthread_mutex_lock(&stub->mutex);
	stub->counts.destroying--;
	stub->counts.live--;
	if (stub->last == sandbox)
		stub->last = NULL;
	pthread_mutex_unlock(&stub->mutex);
	cleanup_fd(&sandbox->death_fd);
	free(sandbox);
}

static int stub_death_fd(const struct sandbox *sandbox)
{
	return ((const struct stub_sandbox *)sandbox)->death_fd;
}

static void stub_death_cause(struct sandbox *base, char cause[BACKEND_CAUSE_BYTES])
{
	struct stub_backend *stub = stub_of(base->backend);

	pthread_mutex_lock(&stub->mutex);
	assert(sandbox_of(base)->running == 0);
	stub->counts.autopsies++;
	pthread_mutex_unlock(&stub->mutex);
	(void)snprintf(cause, BACKEND_CAUSE_BYTES, "the test killed it");
}

static const struct backend_type stub_type = {
	.name = "stub",
	.prepare_early = stub_prepare_early,
	.check = stub_check,
	.describe = stub_describe,
	.create = stub_create,
	.exec = stub_exec,
	.save = stub_save,
	.destroy = stub_destroy,
	.death_fd = stub_death_fd,
	.death_cause = stub_death_cause,
};

struct stub_backend *stub_backend_open(void)
{
	struct stub_backend *stub = alloc_zeroed(sizeof(*stub));

	stub->base.type = &stub_type;
	stub->holds = true;
	(void)pthread_mutex_init(&stub->mutex, NULL);
	(void)pthread_cond_init(&stub->changed, NULL);
	return stub;
}

void stub_backend_close(struct stub_backend *stub)
{
	(void)pthread_cond_destroy(&stub->changed);
	(void)pthread_mutex_destroy(&stub->mutex);
	free(stub);
}

struct stub_counts stub_counts(struct stub_backend *stub)
{
	struct stub_counts counts;

	pthread_mutex_lock(&stub->mutex);
	counts = stub->counts;
	pthread_mutex_unlock(&stub->mutex);
	return counts;
}

void stub_set(struct stub_backend *stub, bool *flag, bool value)
{
	pthread_mutex_lock(&stub->mutex);
	*flag = value;
	pthread_cond_broadcast(&stub->changed);
	pthread_mutex_unlock(&stub->mutex);
}

bool stub_kill_last_if_any(struct stub_backend *stub)
{
	bool is_there;

	pthread_mutex_lock(&stub->mutex);
	is_there = stub->last != NULL;
	if (is_there) {
		stub->last->is_dead = true;
		(void)eventfd_write(stub->last->death_fd, 1);
		pthread_cond_broadcast(&stub->changed);
	}
	pthread_mutex_unlock(&stub->mutex);
	return is_there;
}

void stub_kill_last(struct stub_backend *stub)
{
	bool was_there = stub_kill_last_if_any(stub);

	assert(was_there);
	(void)was_there;
}
