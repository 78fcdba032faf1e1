/* SPDX-License-Identifier: MIT */
#include "tests/unit/mcp/site.h"

#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Whether an answer comes whole or as a stream, what is on the stream, and who ends it. */

static struct post *call_modern(struct site *site, const char *meta)
{
	char body[512];

	(void)snprintf(body, sizeof(body), CALL("1", ",%s"), meta);
	return site_say_modern(site, "tools/call", body);
}

static struct post *listen(struct site *site, const char *id)
{
	char body[512];

	(void)snprintf(body, sizeof(body), MODERN("%s", "subscriptions/listen"), id);
	return site_say_modern(site, "subscriptions/listen", body);
}

static void report(struct site *site, size_t index, uint64_t elapsed_ms)
{
	struct call *call = site_call(site, index);

	call->callbacks.on_progress(call->callbacks.context, elapsed_ms, NULL);
}

/* --- whole or stream ---------------------------------------------------------------- */

static void a_call_that_is_quickly_over_is_answered_whole(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *modern, *legacy;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	modern = call_modern(site, META_TOKEN);
	legacy = site_say(site, id, CALL("1", ""));
	site_finish(site, 0, "quick");
	site_finish(site, 1, "quick too");
	post_expect(modern, 200, "quick");
	post_expect(legacy, 200, "quick too");
	site_close(site);
}

static void a_modern_call_becomes_a_stream_soon(void **state)
{
	struct site *site = site_open();
	struct post *post = call_modern(site, META);
	uint64_t begun_ms = clock_now_ms();

	(void)state;
	post_wait(post);
	assert_true(clock_now_ms() - begun_ms >= LIMIT_MODERN_STREAM_MS - 1);
	post_expect_stream(post, false, 0);
	report(site, 0, 10000); /* it gave no token */
	post_expect_stream(post, false, 0);
	site_finish(site, 0, "done");
	post_expect_stream(post, true, 1);
	assert_non_null(strstr(post->events[0], "done"));
	site_close(site);
}

static void a_legacy_call_becomes_a_stream_later(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *post;
	uint64_t begun_ms;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	begun_ms = clock_now_ms();
	post = site_say(site, id, CALL("1", ""));
	post_wait(post);
	assert_true(clock_now_ms() - begun_ms >= LIMIT_LEGACY_STREAM_MS - 1);
	post_expect_stream(post, false, 0);
	site_finish(site, 0, "done");
	post_expect_stream(post, true, 1);
	site_close(site);
}

static void a_legacy_call_with_a_token_is_a_stream_at_once(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *post;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post = site_say(site, id, CALL("1", TOKEN));
	post_expect_stream(post, false, 0);
	report(site, 0, 10000);
	post_expect_stream(post, false, 1);
	assert_string_equal(
		post->events[0],
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":0,\"progress\":10.000,"
		"\"message\":\"Running for 10 s\"}}");
	site_finish(site, 0, "done");
	post_expect_stream(post, true, 2);
	assert_non_null(strstr(post->events[1], "\"id\":1,\"result\""));
	site_close(site);
}

static void progress_opens_the_stream_and_stays_on_it(void **state)
{
	struct site *site = site_open();
	struct post *one = call_modern(site, META_TOKEN);
	struct post *other = call_modern(site, META_TOKEN);

	(void)state;
	report(site, 1, 5);
	post_expect_stream(other, false, 1);
	assert_false(one->is_stream);
	site_finish(site, 0, "one");
	post_expect(one, 200, "one");
	site_close(site);
}

static void what_fails_at_once_is_no_stream(void **state)
{
	struct site *site = site_open();
	char id[64];

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post_expect(site_say(site, id,
			     REQUEST("1", "tools/call", "{\"name\":\"sandbox_exec\"" TOKEN "}")),
		    200, "\"isError\":true");
	post_expect_error(
		site_say(site, id, REQUEST("1", "tools/call", "{\"name\":\"x\"" TOKEN "}")), 200,
		"1", -32602);
	site_close(site);
}

static void lists_wait_for_the_facts_without_a_stream(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *legacy, *modern, *gone;

	(void)state;
	site->registry.is_holding_facts = true;
	site_initialize(site, NULL, "2025-11-25", id);
	legacy = site_say(site, id, REQUEST("1", "tools/list", "{}"));
	modern = site_say_modern(site, "tools/list", MODERN("1", "tools/list"));
	gone = site_say_modern(site, "tools/list", MODERN("1", "tools/list"));
	post_abandon(gone);
	stub_release_facts(&site->registry);
	post_expect(legacy, 200, "Debian 12");
	post_expect(modern, 200, "Debian 12");
	site_close(site);
}

/* --- cancelled, and gone --------------------------------------------------------------- */

static void a_cancelled_call_ends_its_stream_without_a_message(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *open, *unopened;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	open = site_say(site, id, CALL("1", TOKEN));
	unopened = site_say(site, id, CALL("2", ""));
	post_expect_empty(site_say(site, id, CANCEL("1")), 202);
	post_expect_empty(site_say(site, id, CANCEL("2")), 202);
	post_expect_stream(open, true, 0);
	post_expect_stream(unopened, true, 0);
	assert_true(site_call(site, 0)->is_cancelled);
	assert_true(site_call(site, 1)->is_cancelled);
	stub_settle(&site->registry);
	site_close(site);
}

static void a_modern_client_that_leaves_has_cancelled(void **state)
{
	struct site *site = site_open();
	struct post *early = call_modern(site, META);
	struct post *late = call_modern(site, META);

	(void)state;
	post_abandon(early);
	assert_true(site_call(site, 0)->is_cancelled);
	assert_false(site_call(site, 1)->is_cancelled);
	post_wait(late);
	post_expect_stream(late, false, 0);
	post_abandon(late);
	assert_true(site_call(site, 1)->is_cancelled);
	stub_settle(&site->registry);
	assert_int_equal(site->registry.session_count, 0);
	site_close(site);
}

static void a_legacy_client_that_leaves_lets_its_command_finish(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *again;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post_abandon(site_say(site, id, CALL("1", "")));
	post_abandon(site_say(site, id, CALL("2", TOKEN)));
	assert_false(site_call(site, 0)->is_cancelled);
	assert_false(site_call(site, 1)->is_cancelled);
	report(site, 1, 10000);
	/* Its id is free, since nobody waits for it; a cancel still finds it. */
	again = site_say(site, id, CALL("1", ""));
	site_finish(site, 2, "again");
	post_expect(again, 200, "again");
	post_expect_empty(site_say(site, id, CANCEL("2")), 202);
	assert_true(site_call(site, 1)->is_cancelled);
	site_finish(site, 0, "for nobody");
	stub_settle(&site->registry);
	site_close(site);
}

static void a_batch_goes_on_without_its_client(void **state)
{
	struct site *site = site_open();
	char id[64];

	(void)state;
	site_initialize(site, NULL, "2025-03-26", id);
	post_abandon(site_say(site, id, "[" CALL("1", "") "," CALL("2", "") "]"));
	assert_false(site_call(site, 0)->is_cancelled);
	site_finish(site, 0, "for nobody");
	site_finish(site, 1, "for nobody");
	site_close(site);
}

/* --- streams without an end --------------------------------------------------------------- */

static void a_session_has_one_stream_of_its_own(void **state)
{
	struct site *site = site_open();
	struct wire wire = { .request = { .method = ENDPOINT_GET } };
	char id[64];
	struct post *first, *third;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	wire.request.session_id = id;
	first = site_send(site, &wire);
	post_expect_stream(first, false, 0);
	post_expect_error(site_send(site, &wire), 409, "null", -32600);
	post_abandon(first);
	third = site_send(site, &wire);
	post_expect_stream(third, false, 0);
	/* Other answers do not go there. */
	post_expect(site_say(site, id, PING("1")), 200, PONG("1"));
	post_expect_stream(third, false, 0);
	site_close(site);
}

static void a_subscription_is_acknowledged_and_held(void **state)
{
	struct site *site = site_open();
	struct post *post = listen(site, "\"s\"");

	(void)state;
	post_expect_stream(post, false, 1);
	assert_string_equal(post->events[0],
			    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/"
			    "acknowledged\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/"
			    "subscriptionId\":\"s\"},\"notifications\":{}}}");
	site_close(site);
}

static void subscriptions_are_bounded_over_all_clients(void **state)
{
	struct site *site = site_open();
	struct post *posts[LIMIT_LISTEN_STREAMS];
	int i;

	(void)state;
	for (i = 0; i < LIMIT_LISTEN_STREAMS; i++)
		posts[i] = listen(site, "1");
	post_expect_error(listen(site, "1"), 503, "1", -32600);
	post_abandon(posts[5]);
	post_expect_stream(listen(site, "1"), false, 1);
	post_expect_error(listen(site, "1"), 503, "1", -32600);
	site_close(site);
}

static struct post *listen_as(struct site *site, const char *principal)
{
	const char *method = "subscriptions/listen";

	return site_send(site, &(struct wire){ .request = { .principal = principal,
							    .protocol_version = "2026-07-28",
							    .method_header = method },
					       .body = MODERN("1", "subscriptions/listen") });
}

static void one_name_has_half_of_the_subscriptions(void **state)
{
	struct site *site = site_open();
	struct post *posts[LIMIT_LISTEN_STREAMS / 2];
	size_t i;

	(void)state;
	for (i = 0; i < LIMIT_LISTEN_STREAMS / 2; i++)
		posts[i] = listen_as(site, "greedy");
	post_expect_error(listen_as(site, "greedy"), 503, "1", -32600);
	post_expect_stream(listen_as(site, "other"), false, 1);
	post_abandon(posts[3]);
	post_expect_stream(listen_as(site, "greedy"), false, 1);
	post_expect_error(listen_as(site, "greedy"), 503, "1", -32600);
	site_close(site);
}

static void a_server_that_stops_ends_what_has_no_end(void **state)
{
	struct site *site = site_open();
	struct wire get = { .request = { .method = ENDPOINT_GET } };
	char id[64];
	struct post *subscription, *watching, *call, *post;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	get.request.session_id = id;
	watching = site_send(site, &get);
	subscription = listen(site, "7");
	call = site_say(site, id, CALL("1", TOKEN));
	endpoint_drain(site->endpoint);
	post_expect_stream(watching, true, 0);
	post_expect_stream(subscription, true, 2);
	assert_non_null(strstr(subscription->events[1],
			       "\"id\":7,\"result\":{\"resultType\":\"complete\",\"_meta\":{"
			       "\"io.modelcontextprotocol/subscriptionId\":7,"));
	/* Calls finish, and none of the endless ones stays. */
	post_expect_stream(call, false, 0);
	site_finish(site, 0, "done");
	post_expect_stream(call, true, 1);
	post_expect_stream(listen(site, "8"), true, 2);
	post_expect_error(site_send(site, &get), 503, "null", -32603);
	post_expect_error(site_say(site, NULL, INITIALIZE("2025-11-25")), 503, "0", -32603);
	/* What the server gives up is told, not left empty. */
	post = site_say(site, id, CALL("2", ""));
	site_call(site, 1)->is_cancelled = true;
	stub_settle(&site->registry);
	post_expect_error(post, 503, "null", -32603);
	site_close(site);
}

/* --- callbacks that come back ----------------------------------------------------------- */

static char session_of_the_moment[64];

static void delete_session(struct post *post)
{
	(void)site_send(post->site,
			&(struct wire){ .request = { .method = ENDPOINT_DELETE,
						     .session_id = session_of_the_moment } });
}

static struct post *asked_again;

static void ask_again(struct post *post)
{
	asked_again = site_say(post->site, session_of_the_moment, PING("9"));
}

static void an_answer_may_bring_the_next_request(void **state)
{
	struct site *site = site_open();
	struct post *post;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", session_of_the_moment);
	post = site_send(site, &(struct wire){ .request = { .session_id = session_of_the_moment },
					       .body = PING("1"),
					       .on_over = ask_again });
	post_expect(post, 200, PONG("1"));
	post_expect(asked_again, 200, PONG("9"));
	post = site_send(site, &(struct wire){ .request = { .session_id = session_of_the_moment },
					       .body = CALL("1", TOKEN),
					       .on_event = ask_again,
					       .on_over = ask_again });
	post_expect(asked_again, 200, PONG("9"));
	asked_again = NULL;
	site_finish(site, 0, "done");
	post_expect_stream(post, true, 1);
	post_expect(asked_again, 200, PONG("9"));
	site_close(site);
}

/* The session goes while functions up the stack work for it. */
static void an_answer_may_bring_the_end_of_its_session(void **state)
{
	static const char *const bodies[] = {
		PING("1"),
		NOTE("x", "{}"),
		REQUEST("1", "x", "{}"),
		CALL("1", TOKEN),
		"[" CANCEL("5") "," PING("6") "," CALL("7", "") "]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(bodies); i++) {
		struct site *site = site_open();
		struct wire wire = { .on_over = delete_session };
		struct post *post;

		site_initialize(site, NULL, "2025-03-26", session_of_the_moment);
		wire.request.session_id = session_of_the_moment;
		wire.body = CALL("5", TOKEN);
		(void)site_send(site, &wire);
		wire.body = bodies[i];
		wire.on_event = delete_session;
		post = site_send(site, &wire);
		assert_true(post->is_over);
		assert_int_equal(endpoint_session_count(site->endpoint), 0);
		site_close(site);
	}
}

static void abandon(struct post *post)
{
	if (post->exchange && !post->is_over)
		post_abandon(post);
}

static void a_connection_may_break_under_a_message(void **state)
{
	struct site *site = site_open();
	char id[64];
	struct post *progress, *answer;

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	progress = site_say(site, id, CALL("1", TOKEN));
	answer = site_say(site, id, CALL("2", TOKEN));
	progress->on_event = answer->on_event = abandon;
	report(site, 0, 10000);
	assert_true(progress->is_abandoned);
	site_finish(site, 1, "done");
	assert_true(answer->is_abandoned);
	assert_false(answer->is_over);
	site_finish(site, 0, "for nobody");
	site_close(site);
}

static void sessions_end_with_the_endpoint(void **state)
{
	struct site *site = site_open();
	char id[64];

	(void)state;
	site_initialize(site, NULL, "2025-11-25", id);
	post_abandon(site_say(site, id, CALL("1", "")));
	(void)call_modern(site, META);
	/* site_close looks whether anything is left. */
	site_close(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_is_quickly_over_is_answered_whole),
		cmocka_unit_test(a_modern_call_becomes_a_stream_soon),
		cmocka_unit_test(a_legacy_call_becomes_a_stream_later),
		cmocka_unit_test(a_legacy_call_with_a_token_is_a_stream_at_once),
		cmocka_unit_test(progress_opens_the_stream_and_stays_on_it),
		cmocka_unit_test(what_fails_at_once_is_no_stream),
		cmocka_unit_test(lists_wait_for_the_facts_without_a_stream),
		cmocka_unit_test(a_cancelled_call_ends_its_stream_without_a_message),
		cmocka_unit_test(a_modern_client_that_leaves_has_cancelled),
		cmocka_unit_test(a_legacy_client_that_leaves_lets_its_command_finish),
		cmocka_unit_test(a_batch_goes_on_without_its_client),
		cmocka_unit_test(a_session_has_one_stream_of_its_own),
		cmocka_unit_test(a_subscription_is_acknowledged_and_held),
		cmocka_unit_test(subscriptions_are_bounded_over_all_clients),
		cmocka_unit_test(one_name_has_half_of_the_subscriptions),
		cmocka_unit_test(a_server_that_stops_ends_what_has_no_end),
		cmocka_unit_test(an_answer_may_bring_the_next_request),
		cmocka_unit_test(an_answer_may_bring_the_end_of_its_session),
		cmocka_unit_test(a_connection_may_break_under_a_message),
		cmocka_unit_test(sessions_end_with_the_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
