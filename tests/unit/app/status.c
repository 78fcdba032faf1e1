/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/history.h"
#include "app/status.h"
#include "base/clock.h"
#include "mcp/endpoint.h"
#include "session/view.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What there is, in place of the rooms that know it. The name by which it was asked for is noted:
 * nobody but an operator may ask for everybody's. */
static struct {
	const struct endpoint_session_view *sessions;
	const struct sandbox_view *sandboxes;
	const struct call_view *calls;
	unsigned session_count, sandbox_count, call_count;
	unsigned repeat; /* each this many times; 0 is once */
	const char *asked[3];
} there;

void endpoint_each_session(const struct endpoint *endpoint, const char *principal,
			   void (*visit)(void *context, const struct endpoint_session_view *view),
			   void *context)
{
	unsigned i;

	(void)endpoint;
	there.asked[0] = principal;
	for (i = 0; i < there.session_count; i++)
		visit(context, &there.sessions[i]);
}

void registry_each_sandbox(const struct registry *registry, const char *principal,
			   void (*visit)(void *context, const struct sandbox_view *view),
			   void *context)
{
	unsigned i;

	(void)registry;
	there.asked[1] = principal;
	for (i = 0; i < there.sandbox_count; i++)
		visit(context, &there.sandboxes[i]);
}

void registry_each_call(const struct registry *registry, const char *principal,
			void (*visit)(void *context, const struct call_view *view), void *context)
{
	unsigned i, again;

	(void)registry;
	there.asked[2] = principal;
	for (i = 0; i < there.call_count; i++) {
		for (again = 0; again == 0 || again < there.repeat; again++)
			visit(context, &there.calls[i]);
	}
}

static int start(void **state)
{
	memset(&there, 0, sizeof(there));
	*state = history_create();
	return *state ? 0 : -1;
}

static int end(void **state)
{
	history_destroy(*state);
	return 0;
}

static json_t *status_of(struct history *history, struct status_asker asker)
{
	const struct status_source source = {
		.history = history,
		.backend = "native",
		.started_ms = clock_now_ms(),
	};
	struct buf out = BUF_INIT(LIMIT_STATUS_BYTES);
	json_error_t problem;
	json_t *json;

	assert_int_equal(status_json(&out, &source, &asker), 0);
	json = json_loadb(out.data, out.length, JSON_REJECT_DUPLICATES, &problem);
	if (!json)
		fail_msg("%s at %d: %.*s", problem.text, problem.position, (int)out.length,
			 out.data);
	buf_finish(&out);
	return json;
}

static const struct status_asker everybody = { .is_operator = true };

/* Takes both. */
static void expect_json(json_t *found, json_t *expected)
{
	char *text = json_dumps(found, JSON_ENCODE_ANY);

	assert_non_null(expected);
	if (!json_equal(found, expected))
		fail_msg("%s", text);
	free(text);
	json_decref(found);
	json_decref(expected);
}

static void a_server_with_nothing_to_do_says_so(void **state)
{
	json_t *status = status_of(*state, everybody);

	expect_json(status, json_pack("{s:b, s:n, s:{s:s, s:s, s:i}, s:[], s:[], s:[], "
				      "s:{s:i, s:i, s:i, s:i}}",
				      "is_operator", 1, "principal", "server", "version",
				      KILNTAINERS_VERSION, "backend", "native", "uptime_s", 0,
				      "sessions", "sandboxes", "calls", "counts", "sessions", 0,
				      "sandboxes", 0, "running", 0, "waiting", 0));
}

static void all_that_is_known_is_in_it(void **state)
{
	static const struct error no_error = ERROR_INIT;
	static const struct endpoint_session_view session = {
		.tag = "s1",
		.principal = "alice",
		.protocol_version = "2025-11-25",
		.age_ms = 61999,
		.unused_ms = 1000,
	};
	static const struct sandbox_view sandboxes[] = {
		{ .id = "0123456789ab",
		  .principal = "alice",
		  .state = SANDBOX_VIEW_READY,
		  .age_ms = 5000,
		  .running = 1,
		  .waiting = 2,
		  .has_handle = true },
		{ .id = "", .session = "s1", .state = SANDBOX_VIEW_CREATING },
	};
	const struct call_view calls[] = {
		{ .is_running = true,
		  .principal = "alice",
		  .sandbox = "0123456789ab",
		  .command = "sleep 1",
		  .age_ms = 2500,
		  .running_ms = 2000 },
		{ .sandbox = "", .args = (const char *const[]){ "a b", NULL } },
	};
	json_t *status;

	there.sessions = &session;
	there.session_count = 1;
	there.sandboxes = sandboxes;
	there.sandbox_count = 2;
	there.calls = calls;
	there.call_count = 2;
	history_add(*state, &(const struct call_record){ .principal = "bob",
							 .sandbox = "ba9876543210",
							 .command = "",
							 .error = &no_error,
							 .exit_code = 124,
							 .ended_by = "timeout",
							 .duration_us = 1002003,
							 .stdout_bytes = 5,
							 .stderr_bytes = 7 });
	status = status_of(*state, (struct status_asker){ "ops", true });
	assert_string_equal(json_string_value(json_object_get(status, "principal")), "ops");
	expect_json(json_incref(json_object_get(status, "sessions")),
		    json_pack("[{s:s, s:s, s:i, s:i, s:s}]", "id", "s1", "principal", "alice",
			      "age_s", 61, "idle_s", 1, "protocol", "2025-11-25"));
	expect_json(json_incref(json_object_get(status, "sandboxes")),
		    json_pack("[{s:s, s:s, s:n, s:s, s:i, s:i, s:i, s:i, s:b}, "
			      "{s:n, s:n, s:s, s:s, s:i, s:i, s:i, s:i, s:b}]",
			      "id", "0123456789ab", "principal", "alice", "session", "state",
			      "ready", "age_s", 5, "idle_s", 0, "running", 1, "waiting", 2,
			      "is_handle", 1, "id", "principal", "session", "s1", "state",
			      "creating", "age_s", 0, "idle_s", 0, "running", 0, "waiting", 0,
			      "is_handle", 0));
	expect_json(json_incref(json_object_get(status, "calls")),
		    json_pack("[{s:s, s:s, s:s, s:s, s:i, s:n, s:n, s:n, s:n, s:n, s:n}, "
			      "{s:s, s:n, s:n, s:s, s:i, s:n, s:n, s:n, s:n, s:n, s:n}, "
			      "{s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:f, s:i, s:i, s:n}]",
			      "state", "running", "principal", "alice", "sandbox", "0123456789ab",
			      "command", "sleep 1", "age_s", 2, "ended_by", "exit_code",
			      "duration_ms", "stdout_bytes", "stderr_bytes", "error", "state",
			      "waiting", "principal", "sandbox", "command", "'a b'", "age_s", 0,
			      "ended_by", "exit_code", "duration_ms", "stdout_bytes",
			      "stderr_bytes", "error", "state", "ended", "principal", "bob",
			      "sandbox", "ba9876543210", "command", "", "age_s", 0, "ended_by",
			      "timeout", "exit_code", 124, "duration_ms", 1002.003, "stdout_bytes",
			      5, "stderr_bytes", 7, "error"));
	expect_json(json_incref(json_object_get(status, "counts")),
		    json_pack("{s:i, s:i, s:i, s:i}", "sessions", 1, "sandboxes", 2, "running", 1,
			      "waiting", 1));
	json_decref(status);
}

static void a_tenant_asks_for_its_own_and_an_operator_for_everybody(void **state)
{
	static const struct error no_error = ERROR_INIT;
	json_t *status;
	size_t i;

	history_add(*state, &(const struct call_record){ .principal = "bob",
							 .sandbox = "",
							 .command = "cat secret",
							 .error = &no_error,
							 .ended_by = "exit" });
	status = status_of(*state, (struct status_asker){ .principal = "alice" });
	for (i = 0; i < 3; i++)
		assert_string_equal(there.asked[i], "alice");
	assert_true(json_is_false(json_object_get(status, "is_operator")));
	assert_int_equal(json_array_size(json_object_get(status, "calls")), 0);
	json_decref(status);
	status = status_of(*state, (struct status_asker){ .principal = "bob" });
	assert_int_equal(json_array_size(json_object_get(status, "calls")), 1);
	json_decref(status);
	status = status_of(*state, (struct status_asker){ "alice", true });
	for (i = 0; i < 3; i++)
		assert_null(there.asked[i]);
	assert_int_equal(json_array_size(json_object_get(status, "calls")), 1);
	json_decref(status);
}

static void what_strangers_wrote_stays_in_its_string(void **state)
{
	static const char hostile[] = "\"},\\\x01\x1b\xE2\x80\xAE\xFF</script>\n";
	static const struct error failed = { ERROR_LOST, 0, "died: \"\\\xFF\"" };
	const struct call_view call = { .is_running = true, .sandbox = "", .command = hostile };
	const json_t *first, *second;
	json_t *status;

	there.calls = &call;
	there.call_count = 1;
	history_add(*state, &(const struct call_record){
				    .sandbox = "", .command = hostile, .error = &failed });
	status = status_of(*state, everybody);
	first = json_array_get(json_object_get(status, "calls"), 0);
	second = json_array_get(json_object_get(status, "calls"), 1);
	assert_string_equal(json_string_value(json_object_get(first, "command")),
			    "\"},\\\x01\x1b\xE2\x80\xAE\xEF\xBF\xBD</script>\n");
	assert_string_equal(json_string_value(json_object_get(second, "command")),
			    "\"},\\\x01\x1b\xE2\x80\xAE\xEF\xBF\xBD</script>\n");
	assert_string_equal(json_string_value(json_object_get(second, "error")),
			    "died: \"\\\xEF\xBF\xBD\"");
	json_decref(status);
}

/* Characters that JSON makes six bytes of, in a command that is longer than what is shown. */
static void the_worst_that_clients_can_do_fits(void **state)
{
	static char worst[2 * LIMIT_STATUS_TEXT_BYTES];
	struct error error = ERROR_INIT;
	struct call_view call = { .is_running = true,
				  .principal = "alice",
				  .command = worst,
				  .sandbox = "0123456789ab" };
	json_t *status;
	int i;

	memset(worst, 1, sizeof(worst) - 1);
	(void)error_set(&error, ERROR_LOST, "%s", worst);
	there.calls = &call;
	there.call_count = 1;
	there.repeat = 16384;
	for (i = 0; i < LIMIT_STATUS_HISTORY; i++)
		history_add(*state, &(const struct call_record){
					    .sandbox = "", .command = worst, .error = &error });
	status = status_of(*state, everybody);
	assert_int_equal(json_array_size(json_object_get(status, "calls")),
			 LIMIT_STATUS_ROWS + LIMIT_STATUS_HISTORY);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(status, "counts"), "running")),
		16384);
	json_decref(status);
}

static void an_answer_that_cannot_be_had_is_none(void **state)
{
	const struct status_source source = { .history = *state, .backend = "native" };
	struct buf out = BUF_INIT(64);

	assert_int_equal(status_json(&out, &source, &everybody), -1);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_server_with_nothing_to_do_says_so, start, end),
		cmocka_unit_test_setup_teardown(all_that_is_known_is_in_it, start, end),
		cmocka_unit_test_setup_teardown(
			a_tenant_asks_for_its_own_and_an_operator_for_everybody, start, end),
		cmocka_unit_test_setup_teardown(what_strangers_wrote_stays_in_its_string, start,
						end),
		cmocka_unit_test_setup_teardown(the_worst_that_clients_can_do_fits, start, end),
		cmocka_unit_test_setup_teardown(an_answer_that_cannot_be_had_is_none, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
