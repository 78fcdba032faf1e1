/* SPDX-License-Identifier: MIT */
#include "mcp/channel.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "mcp/era.h"
#include "tests/stubs/session.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 4096

/* A client and its server, with a session room that the test plays. */
struct client {
	struct loop *loop;
	struct registry registry;
	struct mcp_server *server;
	struct channel *channel;
	char *sent[MESSAGES]; /* by the server */
	size_t sent_count, seen_count;
	size_t consumed_bytes;
	size_t stop_at; /* messages after which a running loop stops */
	bool is_drained;
};

static void on_send(void *context, char *message, size_t bytes)
{
	struct client *client = context;

	assert_true(bytes <= LIMIT_REPLY_BYTES + LIMIT_BATCH_MESSAGES + 2);
	assert_int_equal(strlen(message), bytes);
	assert_null(strchr(message, '\n'));
	assert_true(client->sent_count < MESSAGES);
	client->sent[client->sent_count++] = message;
	if (client->sent_count == client->stop_at)
		loop_stop(client->loop);
}

static void on_consumed(void *context, size_t bytes)
{
	((struct client *)context)->consumed_bytes += bytes;
}

static void on_drained(void *context)
{
	struct client *client = context;

	client->is_drained = true;
	loop_stop(client->loop);
}

static struct client *open_scoped(enum sandbox_scope scope)
{
	struct client *client = alloc_zeroed(sizeof(*client));
	struct error err = ERROR_INIT;

	client->loop = loop_create(&err);
	stub_registry_init(&client->registry);
	client->server = mcp_server_create(&(struct mcp_server_config){
		.loop = client->loop,
		.registry = &client->registry,
		.sandbox_scope = scope,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	});
	client->channel = channel_open(client->server,
				       &(struct channel_callbacks){ .send = on_send,
								    .on_consumed = on_consumed,
								    .on_drained = on_drained,
								    .context = client });
	return client;
}

static struct client *open_client(void)
{
	return open_scoped(SANDBOX_SCOPE_AUTO);
}

/* Everything that was sent must have been looked at. */
static void close_client(struct client *client)
{
	size_t i;

	if (client->seen_count != client->sent_count)
		fail_msg("not expected: %s", client->sent[client->seen_count]);
	channel_close(client->channel);
	stub_registry_finish(&client->registry);
	assert_int_equal(client->sent_count, client->seen_count);
	mcp_server_destroy(client->server);
	loop_destroy(client->loop);
	for (i = 0; i < client->sent_count; i++)
		free(client->sent[i]);
	free(client);
}

static void say(struct client *client, const char *text)
{
	channel_receive(client->channel, strdup(text), strlen(text));
}

static const char *next(struct client *client)
{
	if (client->seen_count == client->sent_count)
		fail_msg("the server said nothing");
	return client->sent[client->seen_count++];
}

static void expect_silence(const struct client *client)
{
	if (client->seen_count != client->sent_count)
		fail_msg("not expected: %s", client->sent[client->seen_count]);
}

static void expect(struct client *client, const char *text)
{
	assert_string_equal(next(client), text);
}

/* An answer to `id` whose bytes hold `part`. */
static void expect_part(struct client *client, const char *id, const char *part)
{
	const char *message = next(client);
	char start[256];

	(void)snprintf(start, sizeof(start), "{\"jsonrpc\":\"2.0\",\"id\":%s,", id);
	if (strncmp(message, start, strlen(start)) != 0 || !strstr(message, part))
		fail_msg("no %s for %s in: %.2000s", part, id, message);
}

static void expect_error(struct client *client, const char *id, int code)
{
	char part[64];

	(void)snprintf(part, sizeof(part), "\"error\":{\"code\":%d,\"message\":\"", code);
	expect_part(client, id, part);
}

static struct call *call_at(const struct client *client, size_t index)
{
	assert_true(index < client->registry.call_count);
	assert_non_null(client->registry.calls[index]);
	return client->registry.calls[index];
}

static void finish(struct client *client, size_t index, const char *out)
{
	stub_finish(call_at(client, index), &(struct stub_outcome){ .out = out });
}

#define REQUEST(id, method, params)                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"
#define NOTE(method, params) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params "}"
#define META "\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\",\"" MCP_META_CAPABILITIES "\":{}}"
#define MODERN(id, method) REQUEST(id, method, "{" META "}")
#define CALL(id, more)                                                                             \
	REQUEST(id, "tools/call",                                                                  \
		"{\"name\":\"sandbox_exec\",\"arguments\":{\"command\":\"a\"}" more "}")
#define PING(id) REQUEST(id, "ping", "{}")
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"
#define INITIALIZE(version)                                                                        \
	REQUEST("0", "initialize", "{\"protocolVersion\":\"" version "\",\"capabilities\":{}}")
#define CANCEL(id) NOTE("notifications/cancelled", "{\"requestId\":" id "}")

/* --- versions and methods ----------------------------------------------------- */

static void initialize_agrees_on_a_legacy_version(void **state)
{
	static const struct {
		const char *wanted, *agreed;
	} rows[] = {
		{ "\"2025-11-25\"", "2025-11-25" }, { "\"2025-06-18\"", "2025-06-18" },
		{ "\"2025-03-26\"", "2025-03-26" }, { "\"2024-11-05\"", "2024-11-05" },
		{ "\"2024-10-07\"", "2025-11-25" }, { "\"1999-01-01\"", "2025-11-25" },
		{ "\"2026-07-28\"", "2025-11-25" }, { "\"\"", "2025-11-25" },
	};
	struct client *client = open_client();
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		(void)snprintf(text, sizeof(text),
			       REQUEST("0", "initialize", "{\"protocolVersion\":%s}"),
			       rows[i].wanted);
		say(client, text);
		(void)snprintf(
			text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"%s\","
			"\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":"
			"\"Kilntainers\",\"version\":\"" KILNTAINERS_VERSION "\"}}}",
			rows[i].agreed);
		expect(client, text);
	}
	say(client, REQUEST("1", "initialize", "{}"));
	expect_error(client, "1", -32602);
	say(client, REQUEST("1", "initialize", "{\"protocolVersion\":5}"));
	expect_error(client, "1", -32602);
	close_client(client);
}

static void methods_that_are_not_offered_are_not_found(void **state)
{
	static const char *const legacy[] = {
		REQUEST("1", "prompts/list", "{}"),
		REQUEST("1", "resources/list", "{}"),
		REQUEST("1", "completion/complete", "{}"),
		REQUEST("1", "logging/setLevel", "{}"),
		REQUEST("1", "server/discover", "{}"),
		REQUEST("1", "subscriptions/listen", "{}"),
		REQUEST("1", "notifications/cancelled", "{}"),
		REQUEST("1", "", "{}"),
	};
	static const char *const modern[] = {
		MODERN("1", "initialize"),	 MODERN("1", "ping"),
		MODERN("1", "logging/setLevel"), MODERN("1", "resources/subscribe"),
		MODERN("1", "prompts/list"),	 MODERN("1", "tasks/get"),
	};
	struct client *client = open_client();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(legacy); i++) {
		say(client, legacy[i]);
		expect_error(client, "1", -32601);
	}
	for (i = 0; i < ARRAY_LENGTH(modern); i++) {
		say(client, modern[i]);
		expect_error(client, "1", -32601);
	}
	close_client(client);
}

static void discover_tells_versions_and_how_long_they_hold(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, MODERN("\"d\"", "server/discover"));
	expect(client, "{\"jsonrpc\":\"2.0\",\"id\":\"d\",\"result\":{\"supportedVersions\":["
		       "\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\"ttlMs\":3600000,"
		       "\"cacheScope\":\"public\",\"resultType\":\"complete\",\"_meta\":{"
		       "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"Kilntainers\","
		       "\"version\":\"" KILNTAINERS_VERSION "\"}}}}");
	/* A look has no side effects. */
	assert_int_equal(client->registry.call_count, 0);
	close_client(client);
}

static void a_modern_request_needs_its_meta_keys(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client,
	    REQUEST("1", "tools/list", "{\"_meta\":{\"" MCP_META_VERSION "\":\"2026-07-28\"}}"));
	expect_error(client, "1", -32602);
	say(client, REQUEST("1", "tools/list",
			    "{\"_meta\":{\"" MCP_META_VERSION
			    "\":\"2026-07-28\",\"" MCP_META_CAPABILITIES "\":[]}}"));
	expect_error(client, "1", -32602);
	say(client,
	    REQUEST("1", "tools/list",
		    "{\"_meta\":{\"" MCP_META_VERSION "\":5,\"" MCP_META_CAPABILITIES "\":{}}}"));
	expect_error(client, "1", -32602);
	say(client, MODERN("1", "tools/list"));
	expect_part(client, "1", "\"ttlMs\":3600000,\"cacheScope\":\"public\",\"resultType\"");
	close_client(client);
}

static void a_version_that_is_not_served_is_answered_with_those_that_are(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, REQUEST("1", "server/discover",
			    "{\"_meta\":{\"" MCP_META_VERSION
			    "\":\"v999.0.0\",\"" MCP_META_CAPABILITIES "\":{}}}"));
	expect(client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":"
		       "\"Unsupported protocol version.\",\"data\":{\"supported\":["
		       "\"2026-07-28\"],\"requested\":\"v999.0.0\"}}}");
	say(client, REQUEST("2", "initialize",
			    "{\"_meta\":{\"" MCP_META_VERSION
			    "\":\"2025-11-25\",\"" MCP_META_CAPABILITIES "\":{}}}"));
	expect_part(client, "2", "\"requested\":\"2025-11-25\"");
	close_client(client);
}

static void both_eras_may_be_mixed(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, MODERN("1", "server/discover"));
	expect_part(client, "1", "supportedVersions");
	say(client, INITIALIZE("2025-11-25"));
	expect_part(client, "0", "\"protocolVersion\":\"2025-11-25\"");
	say(client, NOTE("notifications/initialized", "{}"));
	say(client, CALL("2", "," META));
	say(client, CALL("3", ""));
	assert_int_equal(call_at(client, 0)->request.target, CALL_TARGET_NEW);
	assert_int_equal(call_at(client, 1)->request.target, CALL_TARGET_SESSION);
	say(client, PING("4"));
	expect(client, PONG("4"));
	finish(client, 1, "legacy");
	expect_part(client, "3", "legacy");
	finish(client, 0, "modern");
	expect_part(client, "2", "\"ended_by\":\"exit\"");
	close_client(client);
}

static void who_gets_a_handle_is_decided_by_the_scope(void **state)
{
	static const struct {
		enum sandbox_scope scope;
		enum call_target legacy, modern;
	} rows[] = {
		{ SANDBOX_SCOPE_AUTO, CALL_TARGET_SESSION, CALL_TARGET_NEW },
		{ SANDBOX_SCOPE_SESSION, CALL_TARGET_SESSION, CALL_TARGET_SESSION },
		{ SANDBOX_SCOPE_HANDLE, CALL_TARGET_NEW, CALL_TARGET_NEW },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct client *client = open_scoped(rows[i].scope);

		say(client, CALL("1", ""));
		say(client, CALL("2", "," META));
		assert_int_equal(call_at(client, 0)->request.target, rows[i].legacy);
		assert_int_equal(call_at(client, 1)->request.target, rows[i].modern);
		say(client, REQUEST("3", "tools/list", "{}"));
		assert_int_equal(strstr(next(client), "\"sandbox_id\"") != NULL,
				 rows[i].legacy == CALL_TARGET_NEW);
		say(client, MODERN("4", "tools/list"));
		assert_int_equal(strstr(next(client), "\"sandbox_id\"") != NULL,
				 rows[i].modern == CALL_TARGET_NEW);
		close_client(client);
	}
}

/* --- what is not a good request ---------------------------------------------- */

static void garbage_is_answered_and_the_next_message_served(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, "garbage");
	expect_error(client, "null", -32700);
	say(client, "\"\xFF\"");
	expect_error(client, "null", -32700);
	channel_receive(client->channel, memcpy(malloc(3), "{\0}", 3), 3);
	expect_error(client, "null", -32700);
	channel_receive_oversize(client->channel);
	expect_error(client, "null", -32600);
	say(client, PING("1"));
	expect(client, PONG("1"));
	close_client(client);
}

static void notifications_and_responses_are_never_answered(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, NOTE("notifications/unknown", "{}"));
	say(client, NOTE("tools/call", "{\"name\":5}"));
	say(client, NOTE("ping", "{}"));
	say(client, NOTE("notifications/roots/list_changed", "{" META "}"));
	say(client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	say(client, CANCEL("5"));
	say(client, CANCEL("null"));
	say(client, NOTE("notifications/cancelled", "[]"));
	expect_silence(client);
	close_client(client);
}

static void wrong_calls_end_as_the_error_that_they_are(void **state)
{
	static const char *const protocol[] = {
		REQUEST("1", "tools/call", "{}"),
		REQUEST("1", "tools/call", "{\"name\":5}"),
		REQUEST("1", "tools/call", "{\"name\":\"other\"}"),
		REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\",\"arguments\":[]}"),
		REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\",\"arguments\":\"x\"}"),
		REQUEST("1", "tools/list", "{\"cursor\":\"x\"}"),
		REQUEST("1", "tools/list", "{\"cursor\":\"\"}"),
		REQUEST("1", "tools/list", "{\"cursor\":\"x\"," META "}"),
	};
	static const char *const tool[] = {
		REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\"}"),
		REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\",\"arguments\":{}}"),
		REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\",\"arguments\":null}"),
		REQUEST("1", "tools/call",
			"{\"name\":\"sandbox_exec\",\"arguments\":{\"command\":5}}"),
	};
	struct client *client = open_client();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(protocol); i++) {
		say(client, protocol[i]);
		expect_error(client, "1", -32602);
	}
	for (i = 0; i < ARRAY_LENGTH(tool); i++) {
		say(client, tool[i]);
		expect_part(client, "1", "\"isError\":true");
	}
	assert_int_equal(client->registry.call_count, 0);
	close_client(client);
}

static void a_name_with_a_nul_is_not_what_stands_before_it(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client,
	    REQUEST("1", "tools/call",
		    "{\"name\":\"sandbox_exec\\u0000x\",\"arguments\":{\"command\":\"a\"}}"));
	expect_error(client, "1", -32602);
	say(client, REQUEST("2", "tools/list",
			    "{\"_meta\":{\"" MCP_META_VERSION
			    "\":\"2026-07-28\\u0000\",\"" MCP_META_CAPABILITIES "\":{}}}"));
	expect_error(client, "2", -32602);
	assert_int_equal(client->registry.call_count, 0);
	close_client(client);
}

static void an_error_repeats_little_of_what_a_client_said(void **state)
{
	struct client *client = open_client();
	char text[1024];

	(void)state;
	say(client, REQUEST("1", "tools/call", "{\"name\":\"a\\u001b[2J\\u202e\"}"));
	expect(client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
		       "\"Unknown tool: a\\\\u001b[2J\\\\u202e\"}}");
	(void)snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%0500d\"}",
		       0);
	say(client, text);
	(void)snprintf(text, sizeof(text),
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":"
		       "\"Method not found: %0100d...\"}}",
		       0);
	expect(client, text);
	close_client(client);
}

/* --- lists -------------------------------------------------------------------- */

static void lists_are_the_same_for_all_of_a_version(void **state)
{
	struct client *one = open_client();
	struct client *other = open_client();

	(void)state;
	say(one, MODERN("1", "tools/list"));
	say(other, PING("7"));
	expect(other, PONG("7"));
	say(other, MODERN("1", "tools/list"));
	assert_string_equal(next(one), next(other));
	close_client(one);
	close_client(other);
}

static void lists_wait_for_the_facts_and_nothing_else_does(void **state)
{
	struct client *client = open_client();

	(void)state;
	client->registry.is_holding_facts = true;
	say(client, REQUEST("1", "tools/list", "{}"));
	say(client, REQUEST("2", "tools/list", "{}"));
	say(client, REQUEST("3", "tools/list", "{}"));
	say(client, INITIALIZE("2025-11-25"));
	expect_part(client, "0", "protocolVersion");
	say(client, MODERN("4", "server/discover"));
	expect_part(client, "4", "supportedVersions");
	say(client, CANCEL("2"));
	stub_release_facts(&client->registry);
	expect_part(client, "1", "Debian 12");
	expect_part(client, "3", "Debian 12");
	close_client(client);
}

static void a_failed_probe_still_gives_a_list_that_is_not_kept(void **state)
{
	struct client *client = open_client();

	(void)state;
	client->registry.has_facts = false;
	say(client, MODERN("1", "tools/list"));
	expect_part(client, "1", "\"ttlMs\":0");
	client->registry.has_facts = true;
	say(client, MODERN("1", "tools/list"));
	expect_part(client, "1", "\"ttlMs\":3600000");
	close_client(client);
}

/* --- calls -------------------------------------------------------------------- */

static void calls_run_at_once_and_end_in_any_order(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ""));
	say(client, CALL("\"1\"", ""));
	say(client, PING("2"));
	expect(client, PONG("2"));
	finish(client, 1, "second");
	expect_part(client, "\"1\"", "second");
	finish(client, 0, "first");
	expect_part(client, "1", "first");
	close_client(client);
}

static void an_id_in_flight_cannot_be_used_again(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ""));
	say(client, PING("1"));
	expect_error(client, "1", -32600);
	finish(client, 0, "done");
	expect_part(client, "1", "done");
	say(client, PING("1"));
	expect(client, PONG("1"));
	close_client(client);
}

static void a_cancelled_call_ends_without_an_answer(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ""));
	say(client, CALL("\"1\"", ""));
	say(client, CANCEL("1"));
	assert_true(call_at(client, 0)->is_cancelled);
	assert_false(call_at(client, 1)->is_cancelled);
	/* The id is free at once. */
	say(client, PING("1"));
	expect(client, PONG("1"));
	stub_settle(&client->registry);
	expect_silence(client);
	finish(client, 1, "other");
	expect_part(client, "\"1\"", "other");
	close_client(client);
}

static void a_call_that_ends_while_it_is_cancelled_is_not_answered(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ""));
	say(client, CANCEL("1"));
	call_at(client, 0)->is_cancelled = false;
	finish(client, 0, "too late");
	expect_silence(client);
	close_client(client);
}

static void ids_belong_to_their_channel(void **state)
{
	struct client *one = open_client();
	struct client *other = open_client();

	(void)state;
	say(one, CALL("1", ""));
	say(other, CALL("1", ""));
	say(other, CANCEL("1"));
	assert_false(call_at(one, 0)->is_cancelled);
	assert_true(call_at(other, 0)->is_cancelled);
	finish(one, 0, "mine");
	expect_part(one, "1", "mine");
	close_client(one);
	close_client(other);
}

static void report(struct client *client, size_t index, uint64_t elapsed_ms, const char *message)
{
	struct call *call = call_at(client, index);

	call->callbacks.on_progress(call->callbacks.context, elapsed_ms, message);
}

#define PROGRESS(token, seconds, more)                                                             \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"                  \
	"\"progressToken\":" token ",\"progress\":" seconds more "}}"

static void progress_goes_to_those_who_gave_a_token(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ",\"_meta\":{\"progressToken\":0}"));
	say(client, CALL("2", ",\"_meta\":{\"progressToken\":\"t\"}"));
	say(client, CALL("3", ""));
	say(client, CALL("4", ",\"_meta\":{\"progressToken\":1.5}"));
	report(client, 0, 10000, NULL);
	expect(client, PROGRESS("0", "10.000", ",\"message\":\"Running for 10 s\""));
	report(client, 1, 10000, "Pulling \"x\"\xFF");
	expect(client,
	       PROGRESS("\"t\"", "10.000", ",\"message\":\"Pulling \\\"x\\\"\xEF\xBF\xBD\""));
	report(client, 2, 10000, NULL);
	report(client, 3, 10000, NULL);
	/* Too soon after the last one. */
	report(client, 0, 10001, NULL);
	expect_silence(client);
	say(client, CANCEL("2"));
	report(client, 1, 20000, NULL);
	expect_silence(client);
	close_client(client);
}

static void progress_strictly_increases(void **state)
{
	struct client *client = open_client();
	size_t i;

	(void)state;
	say(client, INITIALIZE("2024-11-05"));
	expect_part(client, "0", "2024-11-05");
	for (i = 0; i < 2; i++) {
		say(client, CALL("1", ",\"_meta\":{\"progressToken\":7}"));
		report(client, i, 5, NULL);
		expect(client, PROGRESS("7", "0.005", ""));
		(void)poll(NULL, 0, LIMIT_PROGRESS_GAP_MS + 10);
		report(client, i, 5, NULL);
		expect(client, PROGRESS("7", "0.006", ""));
		finish(client, i, "done");
		expect_part(client, "1", "done");
	}
	close_client(client);
}

static void too_many_calls_are_refused_not_kept(void **state)
{
	struct client *client = open_client();
	char text[512];
	int i;

	(void)state;
	for (i = 0; i < LIMIT_CHANNEL_QUEUE_MESSAGES; i++) {
		(void)snprintf(text, sizeof(text), CALL("%d", ""), i);
		say(client, text);
	}
	expect_silence(client);
	say(client, CALL("\"more\"", ""));
	expect_part(client, "\"more\"", "Server is busy");
	say(client, PING("\"ping\""));
	expect(client, PONG("\"ping\""));
	/* Cancelled ones still run. */
	say(client, CANCEL("5"));
	say(client, CALL("\"more\"", ""));
	expect_part(client, "\"more\"", "Server is busy");
	stub_settle(&client->registry);
	say(client, CALL("\"more\"", ""));
	expect_silence(client);
	close_client(client);
}

/* --- batches ------------------------------------------------------------------ */

static void a_batch_is_answered_with_one_array(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, INITIALIZE("2025-03-26"));
	expect_part(client, "0", "2025-03-26");
	say(client, "[" PING("1") "," NOTE("x", "{}") "," CALL("2", "") ",5]");
	expect_silence(client);
	say(client, PING("3"));
	expect(client, PONG("3"));
	finish(client, 0, "done");
	{
		json_t *answers = json_loads(next(client), 0, NULL);

		assert_int_equal(json_array_size(answers), 3);
		json_decref(answers);
	}
	say(client, "[" NOTE("x", "{}") "," CANCEL("9") "]");
	expect_silence(client);
	close_client(client);
}

static void some_things_must_not_be_in_a_batch(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, INITIALIZE("2025-03-26"));
	expect_part(client, "0", "2025-03-26");
	say(client, "[" INITIALIZE("2025-03-26") "]");
	assert_non_null(strstr(next(client), "initialize must not be in a batch."));
	say(client, "[" MODERN("1", "server/discover") "]");
	assert_non_null(strstr(next(client), "\"id\":1,\"error\":{\"code\":-32600"));
	say(client, "[]");
	expect_error(client, "null", -32600);
	close_client(client);
}

static void other_versions_have_no_batches(void **state)
{
	static const char *const versions[] = { INITIALIZE("2024-11-05"), INITIALIZE("2025-06-18"),
						INITIALIZE("2025-11-25") };
	struct client *client = open_client();
	size_t i;

	(void)state;
	say(client, "[" PING("1") "]");
	expect_error(client, "null", -32600);
	for (i = 0; i < ARRAY_LENGTH(versions); i++) {
		say(client, versions[i]);
		(void)next(client);
		say(client, "[" PING("1") "]");
		expect_error(client, "null", -32600);
	}
	close_client(client);
}

static void a_cancelled_part_of_a_batch_is_left_out(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, INITIALIZE("2025-03-26"));
	expect_part(client, "0", "2025-03-26");
	say(client, "[" CALL("1", "") "," CALL("2", "") "]");
	say(client, CANCEL("1"));
	stub_settle(&client->registry);
	expect_silence(client);
	finish(client, 1, "done");
	assert_memory_equal(next(client), "[{\"jsonrpc\":\"2.0\",\"id\":2,", 25);
	say(client, "[" CALL("3", "") "]");
	say(client, CANCEL("3"));
	stub_settle(&client->registry);
	expect_silence(client);
	close_client(client);
}

static void the_answers_of_a_batch_share_the_limit_of_a_message(void **state)
{
	struct client *client = open_client();
	char *large = alloc_zeroed(2 * MIB);
	const char *message;

	(void)state;
	memset(large, 'x', 2 * MIB - 1);
	say(client, INITIALIZE("2025-03-26"));
	expect_part(client, "0", "2025-03-26");
	say(client, "[" CALL("1", "") "," CALL("2", "") "," CALL("3", "") "," CALL(
			    "4", "") "," CALL("5", "") "]");
	{
		size_t i;

		for (i = 0; i < 5; i++)
			finish(client, i, large);
	}
	message = next(client);
	assert_non_null(strstr(message, "too large to send"));
	free(large);
	close_client(client);
}

/* --- large messages, subscriptions, the end ----------------------------------- */

static void run_until_sent(struct client *client, size_t count)
{
	client->stop_at = client->sent_count + count;
	loop_run(client->loop);
}

/* A call with two MiB of control characters as stdin: twelve as JSON. */
static void say_large_call(struct client *client)
{
	static const char start[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\","
				    "\"params\":{\"name\":\"sandbox_exec\",\"arguments\":{"
				    "\"command\":\"cat\",\"stdin\":\"";
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	size_t bytes;
	size_t i;

	(void)buf_append_string(&text, start);
	for (i = 0; i < 2 * MIB; i++)
		(void)buf_append(&text, "\\u0001", 6);
	(void)buf_append_string(&text, "\"}}}");
	bytes = text.length;
	assert_true(bytes > 12 * MIB);
	channel_receive(client->channel, buf_take_string(&text), bytes);
	buf_finish(&text);
}

static void a_large_message_keeps_its_place_in_the_order(void **state)
{
	struct client *client = open_client();

	(void)state;
	say_large_call(client);
	say(client, CANCEL("1"));
	say(client, PING("2"));
	expect_silence(client);
	run_until_sent(client, 1);
	expect(client, PONG("2"));
	assert_int_equal(call_at(client, 0)->request.stdin_bytes, 2 * MIB);
	assert_true(call_at(client, 0)->is_cancelled);
	assert_true(client->consumed_bytes > 12 * MIB);
	close_client(client);
}

static void a_channel_may_close_while_its_message_is_parsed(void **state)
{
	struct client *client = open_client();

	(void)state;
	say_large_call(client);
	say(client, PING("2"));
	close_client(client);
}

static void a_subscription_is_acknowledged_and_ends_with_a_result(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, MODERN("\"s\"", "subscriptions/listen"));
	expect(client, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/"
		       "acknowledged\",\"params\":{\"_meta\":{"
		       "\"io.modelcontextprotocol/subscriptionId\":\"s\"},\"notifications\":{}}}");
	say(client, MODERN("2", "subscriptions/listen"));
	(void)next(client);
	say(client, CANCEL("2"));
	expect_silence(client);
	channel_drain(client->channel);
	run_until_sent(client, 1);
	expect_part(client, "\"s\"",
		    "\"result\":{\"resultType\":\"complete\",\"_meta\":{"
		    "\"io.modelcontextprotocol/subscriptionId\":\"s\",");
	close_client(client);
}

static void subscriptions_are_bounded(void **state)
{
	struct client *client = open_client();
	char text[512];
	int i;

	(void)state;
	for (i = 0; i < LIMIT_LISTEN_STREAMS; i++) {
		(void)snprintf(text, sizeof(text), MODERN("%d", "subscriptions/listen"), i);
		say(client, text);
		(void)next(client);
	}
	say(client, MODERN("\"more\"", "subscriptions/listen"));
	expect_error(client, "\"more\"", -32600);
	say(client, CANCEL("3"));
	say(client, MODERN("\"more\"", "subscriptions/listen"));
	assert_non_null(strstr(next(client), "acknowledged"));
	channel_drain(client->channel);
	loop_run(client->loop);
	assert_true(client->is_drained);
	client->seen_count += LIMIT_LISTEN_STREAMS;
	close_client(client);
}

static void a_channel_is_drained_when_all_is_answered(void **state)
{
	struct client *client = open_client();

	(void)state;
	say(client, CALL("1", ""));
	say(client, CALL("2", ""));
	channel_drain(client->channel);
	say(client, CANCEL("2"));
	finish(client, 0, "done");
	assert_false(client->is_drained);
	loop_run(client->loop);
	assert_true(client->is_drained);
	expect_part(client, "1", "done");
	close_client(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initialize_agrees_on_a_legacy_version),
		cmocka_unit_test(methods_that_are_not_offered_are_not_found),
		cmocka_unit_test(discover_tells_versions_and_how_long_they_hold),
		cmocka_unit_test(a_modern_request_needs_its_meta_keys),
		cmocka_unit_test(a_version_that_is_not_served_is_answered_with_those_that_are),
		cmocka_unit_test(both_eras_may_be_mixed),
		cmocka_unit_test(who_gets_a_handle_is_decided_by_the_scope),
		cmocka_unit_test(garbage_is_answered_and_the_next_message_served),
		cmocka_unit_test(notifications_and_responses_are_never_answered),
		cmocka_unit_test(wrong_calls_end_as_the_error_that_they_are),
		cmocka_unit_test(a_name_with_a_nul_is_not_what_stands_before_it),
		cmocka_unit_test(an_error_repeats_little_of_what_a_client_said),
		cmocka_unit_test(lists_are_the_same_for_all_of_a_version),
		cmocka_unit_test(lists_wait_for_the_facts_and_nothing_else_does),
		cmocka_unit_test(a_failed_probe_still_gives_a_list_that_is_not_kept),
		cmocka_unit_test(calls_run_at_once_and_end_in_any_order),
		cmocka_unit_test(an_id_in_flight_cannot_be_used_again),
		cmocka_unit_test(a_cancelled_call_ends_without_an_answer),
		cmocka_unit_test(a_call_that_ends_while_it_is_cancelled_is_not_answered),
		cmocka_unit_test(ids_belong_to_their_channel),
		cmocka_unit_test(progress_goes_to_those_who_gave_a_token),
		cmocka_unit_test(progress_strictly_increases),
		cmocka_unit_test(too_many_calls_are_refused_not_kept),
		cmocka_unit_test(a_batch_is_answered_with_one_array),
		cmocka_unit_test(some_things_must_not_be_in_a_batch),
		cmocka_unit_test(other_versions_have_no_batches),
		cmocka_unit_test(a_cancelled_part_of_a_batch_is_left_out),
		cmocka_unit_test(the_answers_of_a_batch_share_the_limit_of_a_message),
		cmocka_unit_test(a_large_message_keeps_its_place_in_the_order),
		cmocka_unit_test(a_channel_may_close_while_its_message_is_parsed),
		cmocka_unit_test(a_subscription_is_acknowledged_and_ends_with_a_result),
		cmocka_unit_test(subscriptions_are_bounded),
		cmocka_unit_test(a_channel_is_drained_when_all_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
