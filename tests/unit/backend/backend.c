/* SPDX-License-Identifier: MIT */
#include "backend/backend.h"

#include "backend/registry.h"
#include "backend/trace.h"

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A backend that remembers what it was asked and answers as it is told. */

struct puppet {
	struct backend base;
	struct sandbox sandbox;
	char id[SANDBOX_ID_BYTES];
	unsigned created, destroyed, closed, executed;
	bool must_fail;
};

static struct puppet puppet;

static struct backend *puppet_open(const struct backend_config *config, struct error *err)
{
	(void)config;
	if (puppet.must_fail) {
		(void)error_set(err, ERROR_UNAVAILABLE, "no strings");
		return NULL;
	}
	return &puppet.base;
}

static void puppet_close(struct backend *backend)
{
	assert_ptr_equal(backend, &puppet.base);
	puppet.closed++;
}

static int puppet_check(struct backend *backend, struct error *err)
{
	(void)backend;
	return puppet.must_fail ? error_set(err, ERROR_CONFIG, "cut") : 0;
}

static int puppet_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	(void)backend;
	memset(facts->shell, 'x', 3);
	return puppet.must_fail ? error_set(err, ERROR_CONFIG, "cut") : 0;
}

static struct sandbox *puppet_create(struct backend *backend, const char *id,
				     const struct cancel *cancel,
				     const struct backend_progress *progress, struct error *err)
{
	(void)backend;
	(void)cancel;
	if (puppet.must_fail) {
		(void)error_set(err, ERROR_BUSY, "tangled");
		return NULL;
	}
	/* Never NULL behind the wrapper. */
	progress->report(progress->context, "made");
	memcpy(puppet.id, id, sizeof(puppet.id));
	puppet.created++;
	return &puppet.sandbox;
}

static int puppet_exec(struct sandbox *sandbox, const struct exec_request *request,
		       struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	(void)sandbox;
	(void)request;
	(void)sink;
	puppet.executed++;
	result->code = 5;
	return puppet.must_fail ? error_set(err, ERROR_LOST, "gone") : 0;
}

static void puppet_destroy(struct sandbox *sandbox)
{
	assert_ptr_equal(sandbox, &puppet.sandbox);
	puppet.destroyed++;
}

/* Says nothing of its death and cannot tell when it comes. */
static const struct backend_type puppet_type = {
	.name = "puppet",
	.summary = "for tests",
	.open = puppet_open,
	.close = puppet_close,
	.check = puppet_check,
	.describe = puppet_describe,
	.create = puppet_create,
	.exec = puppet_exec,
	.destroy = puppet_destroy,
};

static const struct backend_config config;

static int reset(void **state)
{
	(void)state;
	memset(&puppet, 0, sizeof(puppet));
	return 0;
}

static struct backend *open_plain(void)
{
	return backend_open(&puppet_type, &config, NULL);
}

static struct backend *open_traced(void)
{
	return trace_wrap(backend_open(&puppet_type, &config, NULL));
}

static int swallow(struct exec_sink *sink, enum exec_stream stream, const void *data, size_t bytes)
{
	(void)sink;
	(void)stream;
	(void)data;
	(void)bytes;
	return 0;
}

/* A sandbox's whole life, as every backend goes through it. */
static void live(struct backend *backend)
{
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_sink sink = { swallow };
	struct exec_result result = { .code = -1 };
	struct error err = ERROR_INIT;
	char cause[BACKEND_CAUSE_BYTES];
	struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, &err);

	assert_non_null(sandbox);
	assert_ptr_equal(sandbox->backend, backend);
	assert_string_equal(sandbox->id, puppet.id);
	assert_int_equal(strlen(sandbox->id), SANDBOX_ID_BYTES - 1);
	request.command = "x";
	assert_int_equal(sandbox_exec(sandbox, &request, &sink, &result, &err), 0);
	assert_int_equal(result.code, 5);
	puppet.must_fail = true;
	assert_int_equal(sandbox_exec(sandbox, &request, &sink, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_LOST);
	assert_string_equal(err.message, "gone");
	assert_int_equal(sandbox_death_fd(sandbox), -1);
	sandbox_death_cause(sandbox, cause);
	assert_true(cause[0] != '\0');
	sandbox_destroy(sandbox);
	sandbox_destroy(NULL);
	assert_int_equal(puppet.destroyed, 1);
	assert_null(sandbox_create(backend, NULL, NULL, &err));
	assert_int_equal(err.kind, ERROR_BUSY);
	backend_close(backend);
	assert_int_equal(puppet.closed, 1);
}

static void a_sandbox_lives_behind_the_wrappers(void **state)
{
	(void)state;
	live(open_plain());
}

static void a_traced_sandbox_lives_the_same_life(void **state)
{
	(void)state;
	live(open_traced());
}

static void check_refusals(struct backend *backend)
{
	struct exec_facts facts = { .shell = "before" };
	struct error err = ERROR_INIT;

	assert_int_equal(backend_check(backend, &err), 0);
	assert_int_equal(backend_describe(backend, &facts, &err), 0);
	assert_string_equal(facts.shell, "xxx");
	puppet.must_fail = true;
	assert_int_equal(backend_check(backend, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	(void)snprintf(facts.shell, sizeof(facts.shell), "before");
	assert_int_equal(backend_describe(backend, &facts, &err), -1);
	/* On failure results are left alone. */
	assert_string_equal(facts.shell, "before");
	backend_close(backend);
}

static void a_refusal_comes_through_unchanged(void **state)
{
	(void)state;
	check_refusals(open_plain());
	reset(NULL);
	check_refusals(open_traced());
}

static void a_failed_exec_leaves_the_result_alone(void **state)
{
	struct backend *backend = open_plain();
	struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, NULL);
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_sink sink = { swallow };
	struct exec_result result = { .code = 77 };

	(void)state;
	request.command = "x";
	puppet.must_fail = true;
	assert_int_equal(sandbox_exec(sandbox, &request, &sink, &result, NULL), -1);
	assert_int_equal(result.code, 77);
}

static void what_was_cancelled_before_it_began_never_reaches_the_backend(void **state)
{
	struct backend *backend = open_plain();
	struct sandbox *sandbox = sandbox_create(backend, NULL, NULL, NULL);
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_sink sink = { swallow };
	struct exec_result result;
	struct error err = ERROR_INIT;
	struct cancel cancel;

	(void)state;
	assert_int_equal(cancel_init(&cancel, NULL), 0);
	cancel_raise(&cancel);
	request.command = "x";
	request.cancel = &cancel;
	assert_null(sandbox_create(backend, &cancel, NULL, &err));
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_int_equal(sandbox_exec(sandbox, &request, &sink, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_CANCELLED);
	assert_int_equal(puppet.created, 1);
	assert_int_equal(puppet.executed, 0);
	cancel_finish(&cancel);
}

static void a_backend_that_is_not_built_says_what_to_do(void **state)
{
	unsigned missing = 0;

	(void)state;
	for (size_t i = 0; backend_registry[i]; i++) {
		const struct backend_type *type = backend_registry[i];
		struct error err = ERROR_INIT;

		assert_ptr_equal(backend_find(type->name), type);
		assert_true(strlen(type->summary) > 0);
		if (!type->missing)
			continue;
		missing++;
		assert_null(backend_open(type, &config, &err));
		assert_int_equal(err.kind, ERROR_CONFIG);
		assert_non_null(strstr(err.message, type->name));
		assert_non_null(strstr(err.message, type->missing));
	}
	assert_true(missing > 0);
	assert_null(backend_find("no such backend"));
	assert_null(backend_find(""));
}

static void every_backend_that_is_built_fills_its_table(void **state)
{
	(void)state;
	for (size_t i = 0; backend_registry[i]; i++) {
		const struct backend_type *type = backend_registry[i];

		if (type->missing)
			continue;
		assert_true(type->open && type->close && type->check && type->describe);
		assert_true(type->diagnose && type->create && type->exec && type->destroy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_sandbox_lives_behind_the_wrappers, reset),
		cmocka_unit_test_setup(a_traced_sandbox_lives_the_same_life, reset),
		cmocka_unit_test_setup(a_refusal_comes_through_unchanged, reset),
		cmocka_unit_test_setup(a_failed_exec_leaves_the_result_alone, reset),
		cmocka_unit_test_setup(what_was_cancelled_before_it_began_never_reaches_the_backend,
				       reset),
		cmocka_unit_test(a_backend_that_is_not_built_says_what_to_do),
		cmocka_unit_test(every_backend_that_is_built_fills_its_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
