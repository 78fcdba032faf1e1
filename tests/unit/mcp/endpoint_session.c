/* SPDX-License-Identifier: MIT */
#include "tests/unit/mcp/site.h"

#include "base/alloc.h"

#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Sessions of legacy clients: whose they are, what reaches them in which order, how they end. */

static struct post *send_as(struct site *site, const char *principal, const char *session,
			    const char *body)
{
	return site_send(
		site, &(struct wire){ .request = { .principal = principal, .session_id = session },
				      .body = body });
}

static struct post *send_method(struct site *site, enum endpoint_method method, const char *session)
{
	return site_send(site,
			 &(struct wire){ .request = { .method = method, .session_id = session } });
}

/* --- a session's life ----------------------------------------------------------- */

static void initialize_gives_an_id_that_opens_everything_else(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *post;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post_expect_empty(site_say(site, id, NOTE("notifications/initialized", "{}")), 202);
	post = site_say(site, id, PING("1"));
	post_expect(post, 200, PONG("1"));
	assert_string_equal(post->session_id, "");
	post_expect_empty(site_say(site, id, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), 202);
	post_expect_error(site_say(site, id, REQUEST("2", "prompts/list", "{}")), 200, "2", -32601);
	site_close(site);
}

static void every_initialize_makes_a_session_of_its_own(void **state)
{
	struct site *site = site_open();
	char first[64];
	struct post *post;

	(void)state;
	site_initialize(site, NULL, "2025-06-18", first);
	post = site_say(site, first, INITIALIZE("2025-11-25"));
	post_expect(post, 200, "2025-11-25");
	assert_int_equal(strlen(post->session_id), 32);
	assert_string_not_equal(post->session_id, first);
	post_expect(site_say(site, first, PING("1")), 200, PONG("1"));
	post_expect(site_say(site, post->session_id, PING("2")), 200, PONG("2"));
	assert_int_equal(endpoint_session_count(site->endpoint), 2);
	site_close(site);
}

static void a_handshake_that_fails_makes_no_session(void **state)
{
	struct site *site = site_open();

	(void)state;
	post_expect_error(site_say(site, NULL, REQUEST("0", "initialize", "{}")), 200, "0", -32602);
	post_expect_error(
		site_say(site, NULL, REQUEST("0", "initialize", "{\"protocolVersion\":5}")), 200,
		"0", -32602);
	assert_int_equal(endpoint_session_count(site->endpoint), 0);
	assert_int_equal(site->registry.session_count, 0);
	site_close(site);
}

static void without_a_session_nothing_is_served(void **state)
{
	static const char *const bodies[] = { PING("0"), CALL("0", ""),
					      REQUEST("0", "tools/list", "{}") };
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(bodies); i++) {
		post_expect_error(site_say(site, NULL, bodies[i]), 400, "0", -32600);
		post_expect_error(site_say(site, "no such session", bodies[i]), 404, "0", -32600);
		post_expect_error(site_say(site, "", bodies[i]), 404, "0", -32600);
	}
	post_expect_error(site_say(site, NULL, NOTE("notifications/initialized", "{}")), 400,
			  "null", -32600);
	post_expect_error(site_say(site, NULL, "[" PING("1") "]"), 400, "null", -32600);
	assert_int_equal(site->registry.call_count, 0);
	site_close(site);
}

static void a_session_is_its_principals_alone(void **state)
{
	static const struct {
		const char *owner, *other;
	} rows[] = { { "ann", "bob" }, { "ann", NULL }, { NULL, "ann" }, { "ann", "Ann" } };
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct wire wire = { .request = { .principal = rows[i].other } };
		char id[64];

		site_initialize(site, rows[i].owner, "2025-11-25", id);
		wire.request.session_id = id;
		post_expect_error(send_as(site, rows[i].other, id, PING("1")), 404, "1", -32600);
		wire.request.method = ENDPOINT_GET;
		post_expect_error(site_send(site, &wire), 404, "null", -32600);
		wire.request.method = ENDPOINT_DELETE;
		post_expect_error(site_send(site, &wire), 404, "null", -32600);
		post_expect(send_as(site, rows[i].owner, id, PING("2")), 200, PONG("2"));
	}
	(void)send_as(site, "ann", NULL, PING("1"));
	site_close(site);
}

static void a_call_belongs_to_the_principal_of_its_session(void **state)
{
	struct site *site = site_open();
	char id[64];

	(void)state;
	site_initialize(site, "ann", "2025-11-25", id);
	(void)send_as(site, "ann", id, CALL("1", ""));
	assert_string_equal(site_call(site, 0)->session->principal->name, "ann");
	site_close(site);
}

static void the_version_of_a_session_stays_what_was_agreed_on(void **state)
{
	static const struct {
		const char *header;
		int status;
	} rows[] = { { NULL, 200 },	    { "2025-06-18", 200 }, { "2025-11-25", 200 },
		     { "2024-11-05", 200 }, { "1999-01-01", 400 }, { "x", 400 } };
	struct site *site = site_open();
	char id[64];
	size_t i;

	(void)state;
	site_initialize(site, NULL, "2025-06-18", id);
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct post *post = site_send(
			site, &(struct wire){ .request = { .session_id = id,
							   .protocol_version = rows[i].header },
					      .body = REQUEST("1", "tools/list", "{}") });

		/* 2025-06-18 has an outputSchema, 2024-11-05 has none. */
		if (rows[i].status == 200)
			post_expect(post, 200, "outputSchema");
		else
			post_expect_error(post, rows[i].status, "1", -32600);
	}
	site_close(site);
}

static void delete_ends_all_at_once(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *plain, *streamed, *watching;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	plain = site_say(site, id, CALL("\"a\"", ""));
	streamed = site_say(site, id, CALL("2", TOKEN));
	watching = send_method(site, ENDPOINT_GET, id);
	post_expect_empty(send_method(site, ENDPOINT_DELETE, id), 204);
	assert_true(site_call(site, 0)->is_cancelled);
	assert_true(site_call(site, 1)->is_cancelled);
	/* Whoever waits is told. */
	post_expect_error(plain, 404, "\"a\"", -32600);
	post_expect_stream(streamed, true, 1);
	assert_non_null(strstr(streamed->events[0], "\"id\":2,\"error\":{\"code\":-32600"));
	post_expect_stream(watching, true, 0);
	assert_int_equal(site->registry.session_count, 0);
	stub_settle(&site->registry);
	post_expect_error(site_say(site, id, PING("1")), 404, "1", -32600);
	post_expect_error(send_method(site, ENDPOINT_DELETE, id), 404, "null", -32600);
	post_expect_error(send_method(site, ENDPOINT_GET, id), 404, "null", -32600);
	site_close(site);
}

static void delete_reaches_what_is_still_being_read(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	struct post *large, *small;
	size_t i;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	(void)buf_append_string(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\","
				       "\"params\":{\"x\":\"");
	for (i = 0; i < 4 * LIMIT_LOOP_PARSE_BYTES; i++)
		(void)buf_append_byte(&text, 'x');
	(void)buf_append_string(&text, "\"}}");
	(void)buf_append_byte(&text, '\0');
	large = site_say(site, id, text.data);
	small = site_say(site, id, PING("2"));
	assert_false(large->is_over);
	assert_false(small->is_over);
	post_expect_empty(send_method(site, ENDPOINT_DELETE, id), 204);
	post_expect_error(large, 404, "null", -32600);
	post_expect_error(small, 404, "null", -32600);
	buf_finish(&text);
	site_close(site);
}

/* --- too many, too old -------------------------------------------------------------- */

static void expect_sessions(struct site *site, char ids[][64], const char *alive)
{
	size_t i;

	for (i = 0; alive[i]; i++) {
		struct post *post = send_method(site, ENDPOINT_GET, ids[i]);

		if (alive[i] == '+') {
			post_expect_stream(post, false, 0);
			post_abandon(post);
		} else {
			post_expect_error(post, 404, "null", -32600);
		}
	}
}

static void the_longest_unused_session_makes_room(void **state)
{
	struct site *site = site_open_with(&(struct site_options){ .max_sessions = 3 });
	char ids[5][64];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		site_initialize(site, NULL, "2025-11-25", ids[i]);
	(void)site_say(site, ids[0], PING("1"));
	site_initialize(site, NULL, "2025-11-25", ids[3]);
	expect_sessions(site, ids, "+-++");
	/* A look at the stream is no use; a command that runs is one. */
	(void)site_say(site, ids[2], CALL("1", ""));
	(void)site_say(site, ids[0], PING("1"));
	(void)site_say(site, ids[3], PING("1"));
	site_initialize(site, NULL, "2025-11-25", ids[4]);
	expect_sessions(site, ids, "--+++");
	assert_int_equal(endpoint_session_count(site->endpoint), 3);
	site_close(site);
}

static void sessions_in_use_are_not_taken_away(void **state)
{
	struct site *site = site_open_with(&(struct site_options){ .max_sessions = 2 });
	char ids[2][64];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		site_initialize(site, NULL, "2025-11-25", ids[i]);
		(void)site_say(site, ids[i], CALL("1", ""));
	}
	post_expect_error(site_say(site, NULL, INITIALIZE("2025-11-25")), 503, "0", -32603);
	site_finish(site, 1, "done");
	post_expect(site_say(site, NULL, INITIALIZE("2025-11-25")), 200, "2025-11-25");
	expect_sessions(site, ids, "+-");
	site_close(site);
}

static void who_has_half_of_all_sessions_gives_up_his_own(void **state)
{
	struct site *site = site_open_with(&(struct site_options){ .max_sessions = 4 });
	char ids[8][64];

	(void)state;
	site_initialize(site, "ann", "2025-11-25", ids[0]);
	site_initialize(site, "greedy", "2025-11-25", ids[1]);
	site_initialize(site, "greedy", "2025-11-25", ids[2]);
	site_initialize(site, "bob", "2025-11-25", ids[3]);
	site_initialize(site, "greedy", "2025-11-25", ids[4]);
	post_expect(send_as(site, "ann", ids[0], PING("1")), 200, PONG("1"));
	post_expect(send_as(site, "bob", ids[3], PING("1")), 200, PONG("1"));
	post_expect_error(send_as(site, "greedy", ids[1], PING("1")), 404, "1", -32600);
	/* Who has less gets room from whoever has used his for the longest ago. */
	site_initialize(site, "bob", "2025-11-25", ids[5]);
	post_expect_error(send_as(site, "greedy", ids[2], PING("1")), 404, "1", -32600);
	assert_int_equal(endpoint_session_count(site->endpoint), 4);
	site_close(site);
}

static void an_unused_session_ends_in_time(void **state)
{
	struct site *site = site_open_with(&(struct site_options){ .session_ms = 50 });
	char busy[64], idle[64];
	struct post *watching, *call;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", busy);
	site_initialize(site, NULL, "2025-11-25", idle);
	call = site_say(site, busy, CALL("1", ""));
	watching = send_method(site, ENDPOINT_GET, idle);
	/* The stream ends with its session. */
	post_wait(watching);
	post_expect_stream(watching, true, 0);
	post_expect_error(site_say(site, idle, PING("1")), 404, "1", -32600);
	(void)poll(NULL, 0, 60);
	watching = send_method(site, ENDPOINT_GET, busy);
	assert_false(call->is_over);
	site_finish(site, 0, "done");
	post_expect(call, 200, "done");
	post_wait(watching);
	assert_true(watching->is_over);
	assert_int_equal(endpoint_session_count(site->endpoint), 0);
	site_close(site);
}

/* --- order ------------------------------------------------------------------------- */

/* A call with 2 MiB of stdin; to be freed. */
static char *large_call(void)
{
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	char *data;
	size_t i;

	(void)buf_append_string(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\","
				       "\"params\":{\"name\":\"sandbox_exec\",\"arguments\":{"
				       "\"command\":\"cat\",\"stdin\":\"");
	for (i = 0; i < 2 * MIB; i++)
		(void)buf_append(&text, "\\u0001", 6);
	(void)buf_append_string(&text, "\"}}}");
	data = buf_take_string(&text);
	buf_finish(&text);
	return data;
}

static void a_cancel_never_overtakes_its_request(void **state)
{
	struct site *site = site_open();
	char *body = large_call();
	char id[64], other[64];
	struct post *call, *cancel, *ping;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	site_initialize(site, NULL, "2025-11-25", other);
	call = site_say(site, id, body);
	cancel = site_say(site, id, CANCEL("1"));
	ping = site_say(site, id, PING("2"));
	assert_false(cancel->is_over);
	assert_false(ping->is_over);
	/* Others do not wait. */
	post_expect(site_say(site, other, PING("3")), 200, PONG("3"));
	post_expect(site_say_modern(site, "server/discover", MODERN("4", "server/discover")), 200,
		    "supportedVersions");
	post_wait(ping);
	post_expect(ping, 200, PONG("2"));
	post_expect_empty(cancel, 202);
	assert_int_equal(site_call(site, 0)->request.stdin_bytes, 2 * MIB);
	assert_true(site_call(site, 0)->is_cancelled);
	post_expect_stream(call, true, 0);
	free(body);
	site_close(site);
}

static void what_is_lost_before_it_was_read_is_forgotten(void **state)
{
	struct site *site = site_open();
	char *body = large_call();
	char id[64];
	struct post *ping;
	size_t i;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	/* More than there are threads for: some are being parsed, some wait for that. */
	for (i = 0; i < 4; i++) {
		post_abandon(site_say(site, NULL, body));
		post_abandon(site_say(site, id, body));
	}
	ping = site_say(site, id, PING("2"));
	if (!ping->is_over)
		post_wait(ping);
	post_expect(ping, 200, PONG("2"));
	assert_int_equal(site->registry.call_count, 0);
	free(body);
	site_close(site);
}

static void ids_belong_to_their_session(void **state)
{
	struct site *site = site_open();
	char one[64], other[64];
	struct post *call;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", one);
	site_initialize(site, NULL, "2025-11-25", other);
	call = site_say(site, one, CALL("1", ""));
	(void)site_say(site, other, CALL("1", ""));
	post_expect_empty(site_say(site, other, CANCEL("1")), 202);
	assert_false(site_call(site, 0)->is_cancelled);
	assert_true(site_call(site, 1)->is_cancelled);
	post_expect_error(site_say(site, one, PING("1")), 400, "1", -32600);
	site_finish(site, 0, "mine");
	post_expect(call, 200, "mine");
	site_close(site);
}

/* --- batches ----------------------------------------------------------------------- */

static void a_batch_is_answered_by_one_array(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *post;
	json_t *answers;

	(void)state;
	site_initialize(site, NULL, "2025-03-26", id);
	post = site_say(site, id,
			"[" PING("1") "," NOTE("x", "{}") "," CALL("2", TOKEN) "," CALL(
				"3", "") "," INITIALIZE("2025-03-26") "]");
	assert_false(post->is_stream);
	site_call(site, 0)->callbacks.on_progress(site_call(site, 0)->callbacks.context, 10, NULL);
	assert_false(post->is_stream);
	post_expect_empty(site_say(site, id, CANCEL("3")), 202);
	assert_false(post->is_over);
	site_finish(site, 0, "done");
	post_expect(post, 200, "initialize must not be in a batch.");
	answers = json_loads(post->body, 0, NULL);
	assert_int_equal(json_array_size(answers), 3);
	json_decref(answers);
	post_expect_empty(site_say(site, id, "[" NOTE("x", "{}") "," CANCEL("9") "]"), 202);
	site_close(site);
}

static void what_a_batch_holds_back_counts(void **state)
{
	struct site *site = site_open();
	char *out = alloc_zeroed(100001);
	char id[64];
	struct post *answered, *abandoned;

	(void)state;
	memset(out, 'x', 100000);
	site_initialize(site, NULL, "2025-03-26", id);
	answered = site_say(site, id, "[" CALL("1", "") "," CALL("2", "") "]");
	abandoned = site_say(site, id, "[" CALL("3", "") "," CALL("4", "") "," CALL("5", "") "]");
	site_finish(site, 0, out);
	assert_true(budget_used(site->budget) >= 100000);
	site_finish(site, 2, out);
	assert_true(budget_used(site->budget) >= 200000);
	post_abandon(abandoned);
	assert_true(budget_used(site->budget) < 200000);
	site_finish(site, 3, out);
	assert_true(budget_used(site->budget) < 200000);
	site_finish(site, 1, out);
	assert_true(strlen(answered->body) > 200000);
	assert_int_equal(budget_used(site->budget), 0);
	free(out);
	site_close(site);
}

static void a_batch_of_which_nothing_is_left_ends(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *post;

	(void)state;
	site_initialize(site, NULL, "2025-03-26", id);
	post = site_say(site, id, "[" CALL("1", "") "," CALL("2", "") "]");
	post_expect_empty(site_say(site, id, "[" CANCEL("1") "," CANCEL("2") "]"), 202);
	post_expect_stream(post, true, 0);
	site_close(site);
}

static void other_versions_have_no_batches(void **state)
{
	static const char *const versions[] = { "2024-11-05", "2025-06-18", "2025-11-25" };
	struct site *site = site_open();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(versions); i++) {
		char id[64];

		site_initialize(site, NULL, versions[i], id);
		post_expect_error(site_say(site, id, "[" PING("1") "]"), 400, "null", -32600);
		post_expect_error(site_say(site, id, "[" NOTE("x", "{}") "]"), 400, "null", -32600);
	}
	site_close(site);
}

/* --- a look ------------------------------------------------------------------------ */

struct seen {
	char text[256];
};

static void see(void *context, const struct endpoint_session_view *view)
{
	struct seen *seen = context;
	size_t length = strlen(seen->text);

	assert_int_equal(strlen(view->tag), 12);
	assert_true(view->unused_ms <= view->age_ms);
	(void)snprintf(seen->text + length, sizeof(seen->text) - length, "%s %s %u;",
		       view->principal ? view->principal : "-", view->protocol_version,
		       view->open_requests);
}

static void sessions_can_be_looked_at(void **state)
{
	struct site *site = site_open();
	struct seen seen = { "" };
	char id[64];

	(void)state;
	site_initialize(site, "ann", "2025-03-26", id);
	(void)send_as(site, "ann", id, CALL("1", ""));
	site_initialize(site, NULL, "2025-11-25", id);
	site_initialize(site, "bob", "2024-11-05", id);
	endpoint_each_session(site->endpoint, NULL, see, &seen);
	assert_string_equal(seen.text, "ann 2025-03-26 1;- 2025-11-25 0;bob 2024-11-05 0;");
	seen.text[0] = '\0';
	endpoint_each_session(site->endpoint, "bob", see, &seen);
	assert_string_equal(seen.text, "bob 2024-11-05 0;");
	site_close(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initialize_gives_an_id_that_opens_everything_else),
		cmocka_unit_test(every_initialize_makes_a_session_of_its_own),
		cmocka_unit_test(a_handshake_that_fails_makes_no_session),
		cmocka_unit_test(without_a_session_nothing_is_served),
		cmocka_unit_test(a_session_is_its_principals_alone),
		cmocka_unit_test(a_call_belongs_to_the_principal_of_its_session),
		cmocka_unit_test(the_version_of_a_session_stays_what_was_agreed_on),
		cmocka_unit_test(delete_ends_all_at_once),
		cmocka_unit_test(delete_reaches_what_is_still_being_read),
		cmocka_unit_test(the_longest_unused_session_makes_room),
		cmocka_unit_test(sessions_in_use_are_not_taken_away),
		cmocka_unit_test(who_has_half_of_all_sessions_gives_up_his_own),
		cmocka_unit_test(an_unused_session_ends_in_time),
		cmocka_unit_test(a_cancel_never_overtakes_its_request),
		cmocka_unit_test(what_is_lost_before_it_was_read_is_forgotten),
		cmocka_unit_test(ids_belong_to_their_session),
		cmocka_unit_test(a_batch_is_answered_by_one_array),
		cmocka_unit_test(what_a_batch_holds_back_counts),
		cmocka_unit_test(a_batch_of_which_nothing_is_left_ends),
		cmocka_unit_test(other_versions_have_no_batches),
		cmocka_unit_test(sessions_can_be_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
