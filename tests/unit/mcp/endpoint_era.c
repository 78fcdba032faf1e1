/* SPDX-License-Identifier: MIT */
#include "tests/unit/mcp/site.h"

#include <stdlib.h>
#include <string.h>

/* Which era a POST belongs to, what its headers must say, and with which status it is refused. */

static void a_modern_request_needs_no_handshake(void **state)
{
	struct site *site = site_open();
	struct post *post;

	(void)state;
	post = site_say_modern(site, "server/discover", MODERN("\"d\"", "server/discover"));
	post_expect(post, 200, "\"id\":\"d\",\"result\":{\"supportedVersions\":[\"2026-07-28\"]");
	assert_string_equal(post->session_id, "");
	post = site_say_modern(site, "tools/list", MODERN("1", "tools/list"));
	post_expect(post, 200, "\"sandbox_id\"");
	assert_int_equal(site->registry.session_count, 0);
	site_close(site);
}

static void a_session_id_means_nothing_to_a_modern_request(void **state)
{
	struct site *site = site_open();
	char id[64];
	const char *ids[] = { "no such session", id };
	size_t i;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	for (i = 0; i < ARRAY_LENGTH(ids); i++) {
		struct post *post = site_send(
			site, &(struct wire){ .request = { .session_id = ids[i],
							   .protocol_version = "2026-07-28",
							   .method_header = "server/discover" },
					      .body = MODERN("1", "server/discover") });

		post_expect(post, 200, "supportedVersions");
		assert_string_equal(post->session_id, "");
	}
	site_close(site);
}

static void removed_methods_are_not_found(void **state)
{
	static const char *const methods[] = { "initialize",	     "ping",
					       "logging/setLevel",   "resources/subscribe",
					       "prompts/list",	     "resources/list",
					       "completion/complete" };
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(methods); i++) {
		char body[512];

		(void)snprintf(body, sizeof(body), MODERN("1", "%s"), methods[i]);
		post_expect_error(site_say_modern(site, methods[i], body), 404, "1", -32601);
	}
	site_close(site);
}

static void modern_mistakes_have_their_status(void **state)
{
	static const struct {
		const char *version, *method, *name, *body;
		int status, code;
	} rows[] = {
		/* The shape of _meta comes before all headers. */
		{ NULL, NULL, NULL,
		  REQUEST("1", "tools/list",
			  "{\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\"}}"),
		  400, -32602 },
		{ NULL, NULL, NULL,
		  REQUEST("1", "tools/list",
			  "{\"_meta\":{\"" MCP_META_VERSION "\":5,\"" MCP_META_CAPABILITIES
			  "\":{}}}"),
		  400, -32602 },
		/* Then the header for the version, before the version. */
		{ NULL, "tools/list", NULL, MODERN("1", "tools/list"), 400, -32020 },
		{ "2025-11-25", "tools/list", NULL, MODERN("1", "tools/list"), 400, -32020 },
		{ "2026-07-29", NULL, NULL,
		  REQUEST("1", "tools/list",
			  "{\"_meta\":{\"" MCP_META_VERSION
			  "\":\"v999.0.0\",\"" MCP_META_CAPABILITIES "\":{}}}"),
		  400, -32020 },
		{ "v999.0.0", NULL, NULL,
		  REQUEST("1", "tools/list",
			  "{\"_meta\":{\"" MCP_META_VERSION
			  "\":\"v999.0.0\",\"" MCP_META_CAPABILITIES "\":{}}}"),
		  400, -32022 },
		{ "2025-11-25", NULL, NULL,
		  REQUEST("1", "tools/list",
			  "{\"_meta\":{\"" MCP_META_VERSION
			  "\":\"2025-11-25\",\"" MCP_META_CAPABILITIES "\":{}}}"),
		  400, -32022 },
		/* Then method and name, before they are looked up. */
		{ "2026-07-28", NULL, NULL, MODERN("1", "tools/list"), 400, -32020 },
		{ "2026-07-28", "Tools/List", NULL, MODERN("1", "tools/list"), 400, -32020 },
		{ "2026-07-28", "ping", NULL, MODERN("1", "tools/list"), 400, -32020 },
		{ "2026-07-28", "tools/call", NULL, CALL("1", "," META), 400, -32020 },
		{ "2026-07-28", "tools/call", "other", CALL("1", "," META), 400, -32020 },
		{ "2026-07-28", "tools/call", "=?base64?b3RoZXI=?=", CALL("1", "," META), 400,
		  -32020 },
		{ "2026-07-28", "tools/call", "=?base64?c2FuZGJveF9leGVj!?=", CALL("1", "," META),
		  400, -32020 },
		{ "2026-07-28", "prompts/get", NULL,
		  REQUEST("1", "prompts/get", "{\"name\":\"x\"," META "}"), 400, -32020 },
		{ "2026-07-28", "prompts/get", "x",
		  REQUEST("1", "prompts/get", "{\"name\":\"x\"," META "}"), 404, -32601 },
		{ "2026-07-28", "resources/read", "y",
		  REQUEST("1", "resources/read", "{\"uri\":\"x\"," META "}"), 400, -32020 },
		/* Mistakes of the call itself are answers like any other. */
		{ "2026-07-28", "tools/call", "other",
		  REQUEST("1", "tools/call", "{\"name\":\"other\"," META "}"), 200, -32602 },
		{ "2026-07-28", "tools/call", "other",
		  REQUEST("1", "tools/call", "{\"name\":5," META "}"), 200, -32602 },
		{ "2026-07-28", "tools/list", NULL,
		  REQUEST("1", "tools/list", "{\"cursor\":\"x\"," META "}"), 200, -32602 },
	};
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct post *post = site_send(
			site, &(struct wire){ .request = { .protocol_version = rows[i].version,
							   .method_header = rows[i].method,
							   .name_header = rows[i].name },
					      .body = rows[i].body });

		post_expect_error(post, rows[i].status, "1", rows[i].code);
	}
	assert_int_equal(site->registry.call_count, 0);
	site_close(site);
}

static void a_name_may_be_encoded(void **state)
{
	struct site *site = site_open();
	struct post *post = site_send(
		site, &(struct wire){ .request = { .protocol_version = "2026-07-28",
						   .method_header = "tools/call",
						   .name_header = "=?base64?c2FuZGJveF9leGVj?=" },
				      .body = CALL("1", "," META) });

	(void)state;
	assert_false(post->is_over);
	site_finish(site, 0, "done");
	post_expect(post, 200, "done");
	site_close(site);
}

static void without_a_claim_the_header_decides(void **state)
{
	static const struct {
		const char *version, *body;
		int status, code; /* 0: no body */
	} rows[] = {
		{ "2026-07-28", INITIALIZE("2025-11-25"), 400, -32020 },
		{ "2027-01-01", INITIALIZE("2025-11-25"), 400, -32020 },
		{ "2026-07-28", REQUEST("0", "tools/list", "{}"), 400, -32602 },
		{ "2026-07-28", REQUEST("0", "ping", "{}"), 400, -32602 },
		{ "2099-12-31", REQUEST("0", "tools/list", "{}"), 400, -32602 },
		{ "2026-07-28", NOTE("notifications/cancelled", "{\"requestId\":1}"), 202, 0 },
		{ "2026-07-28", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 202, 0 },
		{ "nonsense", REQUEST("0", "tools/list", "{}"), 400, -32600 },
		{ "nonsense", INITIALIZE("2025-11-25"), 400, -32600 },
		{ "2025-01-01", REQUEST("0", "tools/list", "{}"), 400, -32600 },
		{ "", REQUEST("0", "tools/list", "{}"), 400, -32600 },
		{ "2026-07-28x", REQUEST("0", "tools/list", "{}"), 400, -32600 },
	};
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct post *post = site_send(
			site, &(struct wire){ .request = { .protocol_version = rows[i].version },
					      .body = rows[i].body });

		if (rows[i].code)
			post_expect_error(post, rows[i].status, "0", rows[i].code);
		else
			post_expect_empty(post, rows[i].status);
	}
	assert_int_equal(endpoint_session_count(site->endpoint), 0);
	site_close(site);
}

static void modern_notifications_are_taken_and_dropped(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *call;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	call = site_say(site, id, CALL("1", ""));
	/* No header is asked of it, and it reaches no session. */
	post_expect_empty(
		site_say(site, id, NOTE("notifications/cancelled", "{\"requestId\":1," META "}")),
		202);
	assert_false(site_call(site, 0)->is_cancelled);
	site_finish(site, 0, "done");
	post_expect(call, 200, "done");
	site_close(site);
}

static void what_cannot_be_read_is_a_bad_request(void **state)
{
	static const struct {
		const char *body, *id;
		int code;
	} rows[] = {
		{ "", "null", -32700 },
		{ "{", "null", -32700 },
		{ "\"\xFF\"", "null", -32700 },
		{ "5", "null", -32600 },
		{ "[]", "null", -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", "null", -32600 },
		{ "{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}", "7", -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"method\":5}", "\"7\"", -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"ping\",\"params\":[]}", "8", -32602 },
		{ "[" MODERN("1", "tools/list") "]", "null", -32600 },
		{ "[" PING("1") "," MODERN("2", "tools/list") "]", "null", -32600 },
	};
	struct site *site = site_open();
	char id[64];
	size_t i;

	(void)state;
	site_initialize(site, NULL, "2025-03-26", id);
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		post_expect_error(site_say(site, NULL, rows[i].body), 400, rows[i].id,
				  rows[i].code);
		post_expect_error(site_say(site, id, rows[i].body), 400, rows[i].id, rows[i].code);
	}
	post_expect_error(site_send(site, &(struct wire){ .request = { .session_id = id } }), 400,
			  "null", -32700);
	post_expect_error(
		site_send(site, &(struct wire){ .request = { .protocol_version = "2026-07-28",
							     .session_id = id },
						.body = "[" PING("1") "]" }),
		400, "null", -32600);
	site_close(site);
}

static void other_methods_than_post_are_for_sessions(void **state)
{
	static const struct {
		const char *session, *version;
		int status, code;
	} rows[] = {
		{ NULL, NULL, 405, -32600 },
		{ NULL, "2026-07-28", 405, -32600 },
		{ "no such session", "2026-07-28", 405, -32600 },
		{ "no such session", NULL, 404, -32600 },
		{ "no such session", "nonsense", 400, -32600 },
		{ "", NULL, 404, -32600 },
	};
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < 2 * ARRAY_LENGTH(rows); i++) {
		const struct wire wire = {
			.request = { .method = i % 2 ? ENDPOINT_GET : ENDPOINT_DELETE,
				     .session_id = rows[i / 2].session,
				     .protocol_version = rows[i / 2].version },
		};

		post_expect_error(site_send(site, &wire), rows[i / 2].status, "null",
				  rows[i / 2].code);
	}
	assert_string_equal(endpoint_allowed_methods(site->endpoint), "GET, POST, DELETE");
	site_close(site);
}

/* --- one era alone -------------------------------------------------------------------- */

static void a_legacy_server_shows_modern_clients_the_way_back(void **state)
{
	struct site *site =
		site_open_with(&(struct site_options){ .protocol = MCP_PROTOCOL_LEGACY });
	char id[64];
	struct post *post;

	(void)state;
	/* No code of 2026-07-28: whoever speaks both goes on to initialize. */
	post_expect_error(site_say_modern(site, "server/discover", MODERN("1", "server/discover")),
			  400, "1", -32600);
	post_expect_error(site_say(site, NULL, MODERN("1", "server/discover")), 400, "1", -32600);
	site_initialize(site, NULL, "2026-07-28", id);
	post_expect_error(site_say(site, id, MODERN("1", "server/discover")), 200, "1", -32601);
	post = site_say(site, id, CALL("1", "," META));
	assert_int_equal(site_call(site, 0)->request.target, CALL_TARGET_SESSION);
	site_finish(site, 0, "done");
	post_expect(post, 200, "done");
	assert_null(strstr(post->body, "resultType"));
	site_close(site);
}

static void a_modern_server_names_its_versions_to_legacy_clients(void **state)
{
	struct site *site =
		site_open_with(&(struct site_options){ .protocol = MCP_PROTOCOL_MODERN });
	struct post *post;

	(void)state;
	post = site_say(site, NULL, INITIALIZE("2025-11-25"));
	post_expect_error(post, 400, "0", -32022);
	post_expect(post, 400,
		    "\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"2025-11-25\"}");
	post_expect_error(site_say(site, NULL, PING("1")), 400, "1", -32602);
	post_expect_error(site_say(site, NULL, "[" PING("1") "]"), 400, "null", -32600);
	post_expect_empty(site_say(site, NULL, NOTE("notifications/initialized", "{}")), 202);
	post_expect_error(site_send(site, &(struct wire){ .request = { .method = ENDPOINT_GET,
								       .session_id = "x" } }),
			  405, "null", -32600);
	post_expect(site_say_modern(site, "server/discover", MODERN("1", "server/discover")), 200,
		    "supportedVersions");
	assert_string_equal(endpoint_allowed_methods(site->endpoint), "POST");
	assert_int_equal(endpoint_session_count(site->endpoint), 0);
	site_close(site);
}

/* --- who gets which sandbox ------------------------------------------------------------- */

static void a_modern_call_belongs_to_its_principal(void **state)
{
	struct site *site = site_open();
	const struct wire wire = {
		.request = { .principal = "ann",
			     .protocol_version = "2026-07-28",
			     .method_header = "tools/call",
			     .name_header = "sandbox_exec" },
		.body = CALL("1", "," META),
	};

	(void)state;
	(void)site_send(site, &wire);
	assert_string_equal(site_call(site, 0)->session->principal->name, "ann");
	assert_int_equal(site_call(site, 0)->request.target, CALL_TARGET_NEW);
	(void)site_say_modern(site, "tools/call", CALL("1", "," META));
	assert_string_equal(site_call(site, 1)->session->principal->name, "");
	site_close(site);
}

static void one_sandbox_per_session_needs_a_session(void **state)
{
	struct site *site =
		site_open_with(&(struct site_options){ .scope = SANDBOX_SCOPE_SESSION });
	char id[64];
	struct post *post;

	(void)state;
	post = site_say_modern(site, "tools/call", CALL("1", "," META));
	post_expect(post, 200, "--sandbox-scope session");
	post_expect(post, 200, "\"isError\":true");
	assert_int_equal(site->registry.call_count, 0);
	site_initialize(site, NULL, "2025-11-25", id);
	(void)site_say(site, id, CALL("1", ""));
	assert_int_equal(site_call(site, 0)->request.target, CALL_TARGET_SESSION);
	site_close(site);
}

static void hosted_clients_may_have_handles(void **state)
{
	struct site *site = site_open_with(&(struct site_options){ .scope = SANDBOX_SCOPE_HANDLE });
	char id[64];

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post_expect(site_say(site, id, REQUEST("1", "tools/list", "{}")), 200, "\"sandbox_id\"");
	(void)site_say(site, id, CALL("1", ""));
	assert_int_equal(site_call(site, 0)->request.target, CALL_TARGET_NEW);
	site_close(site);
}

static void one_sandbox_per_principal_needs_neither(void **state)
{
	struct site *site =
		site_open_with(&(struct site_options){ .scope = SANDBOX_SCOPE_PRINCIPAL });
	char id[64];
	struct post *post;
	size_t i;

	(void)state;
	site_initialize(site, "ann", "2025-11-25", id);
	(void)site_send(site, &(struct wire){ .request = { .principal = "ann", .session_id = id },
					      .body = CALL("1", "") });
	(void)site_send(site, &(struct wire){ .request = { .principal = "ann",
							   .protocol_version = "2026-07-28",
							   .method_header = "tools/call",
							   .name_header = "sandbox_exec" },
					      .body = CALL("1", "," META) });
	for (i = 0; i < 2; i++)
		assert_int_equal(site_call(site, i)->request.target, CALL_TARGET_PRINCIPAL);
	post = site_say_modern(site, "tools/list", MODERN("1", "tools/list"));
	post_expect(post, 200, "the next call starts a new one");
	assert_null(strstr(post->body, "sandbox_id"));
	site_close(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_modern_request_needs_no_handshake),
		cmocka_unit_test(a_session_id_means_nothing_to_a_modern_request),
		cmocka_unit_test(removed_methods_are_not_found),
		cmocka_unit_test(modern_mistakes_have_their_status),
		cmocka_unit_test(a_name_may_be_encoded),
		cmocka_unit_test(without_a_claim_the_header_decides),
		cmocka_unit_test(modern_notifications_are_taken_and_dropped),
		cmocka_unit_test(what_cannot_be_read_is_a_bad_request),
		cmocka_unit_test(other_methods_than_post_are_for_sessions),
		cmocka_unit_test(a_legacy_server_shows_modern_clients_the_way_back),
		cmocka_unit_test(a_modern_server_names_its_versions_to_legacy_clients),
		cmocka_unit_test(a_modern_call_belongs_to_its_principal),
		cmocka_unit_test(one_sandbox_per_session_needs_a_session),
		cmocka_unit_test(hosted_clients_may_have_handles),
		cmocka_unit_test(one_sandbox_per_principal_needs_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
