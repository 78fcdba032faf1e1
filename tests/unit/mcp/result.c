/* SPDX-License-Identifier: MIT */
#include "mcp/result.h"

#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct result_frame legacy = { "7", MCP_2025_11_25, LIMIT_REPLY_BYTES };
static const struct result_frame first = { "7", MCP_2024_11_05, LIMIT_REPLY_BYTES };
static const struct result_frame modern = { "7", MCP_2026_07_28, LIMIT_REPLY_BYTES };

static const struct exec_saved not_saved;

/* stdout of `out_bytes` times `fill`, no stderr. */
static struct buf encode_filled(const struct result_frame *frame, char fill, size_t out_bytes)
{
	struct capture capture = { 0 };
	const struct call_outcome outcome = { .capture = &capture, .saved = &not_saved };
	struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);
	char *room;

	buf_init(&capture.out, LIMIT_MESSAGE_BYTES);
	room = buf_reserve(&capture.out, out_bytes + 1);
	memset(room, fill, out_bytes);
	buf_commit(&capture.out, out_bytes);
	assert_int_equal(result_encode_outcome(&reply, frame, &outcome), CALL_ENCODED);
	buf_finish(&capture.out);
	assert_false(reply.failed);
	return reply;
}

static json_t *parse(const struct buf *reply)
{
	json_t *message = json_loadb(reply->data, reply->length, JSON_ALLOW_NUL, NULL);

	assert_non_null(message);
	return message;
}

static void assert_reply(const struct result_frame *frame, const struct call_outcome *outcome,
			 const char *expected)
{
	struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);

	assert_int_equal(result_encode_outcome(&reply, frame, outcome), CALL_ENCODED);
	(void)buf_append_byte(&reply, '\0');
	assert_string_equal(reply.data, expected);
	buf_finish(&reply);
}

#define SERVER_INFO                                                                                \
	"\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"Kilntainers\","             \
	"\"version\":\"" KILNTAINERS_VERSION "\"}}"

static void each_revision_gets_its_members_in_order(void **state)
{
	char text[] = "a\"\n";
	struct capture capture = { .out = { text, 3, 4, 4, false } };
	struct call_outcome outcome = {
		.result = { .end = EXEC_END_SIGNAL, .code = 9, .duration_us = 12999 },
		.capture = &capture,
	};

	(void)state;
	assert_reply(&first, &outcome,
		     "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\","
		     "\"text\":\"{\\\"stdout\\\":\\\"a\\\\\\\"\\\\n\\\",\\\"stderr\\\":\\\"\\\","
		     "\\\"exit_code\\\":137,\\\"exec_duration_ms\\\":12}\"}],\"isError\":false}}");
	assert_reply(&legacy, &outcome,
		     "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\","
		     "\"text\":\"{\\\"stdout\\\":\\\"a\\\\\\\"\\\\n\\\",\\\"stderr\\\":\\\"\\\","
		     "\\\"exit_code\\\":137,\\\"exec_duration_ms\\\":12}\"}],"
		     "\"structuredContent\":{\"stdout\":\"a\\\"\\n\",\"stderr\":\"\","
		     "\"exit_code\":137,\"exec_duration_ms\":12},\"isError\":false}}");
	(void)snprintf(outcome.handle, sizeof(outcome.handle), "sbx_1");
	assert_reply(&modern, &outcome,
		     "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\","
		     "\"text\":\"{\\\"sandbox_id\\\":\\\"sbx_1\\\","
		     "\\\"stdout\\\":\\\"a\\\\\\\"\\\\n\\\",\\\"stderr\\\":\\\"\\\","
		     "\\\"exit_code\\\":137,\\\"exec_duration_ms\\\":12,"
		     "\\\"ended_by\\\":\\\"signal\\\"}\"}],"
		     "\"structuredContent\":{\"sandbox_id\":\"sbx_1\",\"stdout\":\"a\\\"\\n\","
		     "\"stderr\":\"\",\"exit_code\":137,\"exec_duration_ms\":12,"
		     "\"ended_by\":\"signal\"},\"isError\":false,\"resultType\":"
		     "\"complete\"," SERVER_INFO "}}");
}

static void the_way_it_ended_has_a_name(void **state)
{
	static const struct {
		struct exec_result result;
		const char *name;
	} rows[] = {
		{ { .end = EXEC_END_EXIT, .code = 3 }, "exit" },
		{ { .end = EXEC_END_SIGNAL, .code = 9 }, "signal" },
		{ { .end = EXEC_END_TIMEOUT }, "timeout" },
		{ { .end = EXEC_END_OUTPUT_LIMIT }, "output_limit" },
		{ { .end = EXEC_END_NOT_STARTED, .code = 2 }, "exit" },
		{ { .end = EXEC_END_TIMEOUT, .was_reset = true }, "reset" },
		{ { .end = EXEC_END_EXIT, .code = 137, .limits_hit = EXEC_LIMIT_MEMORY },
		  "memory" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct capture capture = { 0 };
		const struct call_outcome outcome = { .result = rows[i].result,
						      .capture = &capture };
		struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);
		json_t *message;
		json_t *content;

		assert_int_equal(result_encode_outcome(&reply, &modern, &outcome), CALL_ENCODED);
		message = parse(&reply);
		content = json_object_get(json_object_get(message, "result"), "structuredContent");
		assert_string_equal(json_string_value(json_object_get(content, "ended_by")),
				    rows[i].name);
		json_decref(message);
		buf_finish(&reply);
	}
}

static void the_text_and_the_structure_say_the_same(void **state)
{
	struct buf reply = encode_filled(&modern, '\x01', 1000);
	json_t *message = parse(&reply);
	json_t *result = json_object_get(message, "result");
	json_t *block = json_array_get(json_object_get(result, "content"), 0);
	json_t *text =
		json_loads(json_string_value(json_object_get(block, "text")), JSON_ALLOW_NUL, NULL);

	(void)state;
	assert_true(json_equal(text, json_object_get(result, "structuredContent")));
	json_decref(text);
	json_decref(message);
	buf_finish(&reply);
}

static const char *stderr_of(const json_t *message)
{
	json_t *content = json_object_get(json_object_get(message, "result"), "structuredContent");

	assert_string_equal(json_string_value(json_object_get(content, "stdout")), "");
	return json_string_value(json_object_get(content, "stderr"));
}

static void a_reply_over_its_limit_becomes_a_notice(void **state)
{
	struct result_frame frame = legacy;
	struct buf whole = encode_filled(&frame, '\n', 1000);
	struct buf notice;
	json_t *message;
	char expected[256];

	(void)state;
	frame.max_bytes = whole.length;
	notice = encode_filled(&frame, '\n', 1000);
	assert_int_equal(notice.length, whole.length);
	buf_finish(&notice);
	frame.max_bytes = whole.length - 1;
	notice = encode_filled(&frame, '\n', 1000);
	(void)snprintf(expected, sizeof(expected),
		       "[kilntainers: output too large to send (%zu bytes encoded, limit %zu). No "
		       "output returned. Re-run with head, tail, or grep to manage output size.]",
		       whole.length, frame.max_bytes);
	message = parse(&notice);
	assert_string_equal(stderr_of(message), expected);
	json_decref(message);
	buf_finish(&notice);
	buf_finish(&whole);
}

/* stderr of the answer to a command that printed too much and came to harm. */
static void assert_too_large(const struct exec_saved *saved, const char *printed, const char *more)
{
	struct result_frame frame = modern;
	char text[] = "printed\n[kilntainers: it came to harm]";
	struct capture capture = { .err = { text, sizeof(text) - 1, sizeof(text), sizeof(text),
					    false },
				   .notices_at = strlen(printed) };
	struct call_outcome outcome = { .result = { .code = 7 }, .capture = &capture };
	struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);
	const char *line;
	json_t *message;

	capture.out = capture.err;
	frame.max_bytes = 300;
	assert_int_equal(result_encode_outcome(&reply, &frame, &outcome), CALL_TOO_LARGE);
	assert_int_equal(reply.length, 0);
	outcome.saved = saved;
	assert_int_equal(result_encode_outcome(&reply, &frame, &outcome), CALL_ENCODED);
	message = parse(&reply);
	line = strchr(stderr_of(message), '\n');
	assert_string_equal(line ? line : "", more);
	json_decref(message);
	buf_finish(&reply);
}

static void what_is_too_large_to_send_is_saved_first_and_then_named(void **state)
{
	static const struct exec_saved saved = { { "/t/1.stdout", "/t/1.stderr" }, { 5, 6 }, "" };
	static const struct exec_saved refused = { .reason = "no" };

	(void)state;
	assert_too_large(&saved, "printed",
			 "\n[kilntainers: complete output: /t/1.stdout (5 bytes), /t/1.stderr (6 "
			 "bytes)]\n[kilntainers: it came to harm]");
	assert_too_large(&refused, "printed\n",
			 "\n[kilntainers: output not saved: no]\n[kilntainers: it came to harm]");
	assert_too_large(&not_saved, "printed", "\n[kilntainers: it came to harm]");
}

static void the_worst_output_stays_under_8_mib(void **state)
{
	struct buf reply = encode_filled(&modern, '\0', 2 * MIB);
	json_t *message = parse(&reply);

	(void)state;
	assert_true(reply.length < 8 * MIB);
	assert_non_null(strstr(stderr_of(message), "too large to send"));
	json_decref(message);
	buf_finish(&reply);
}

static void two_mib_of_output_are_encoded_in_no_time(void **state)
{
	uint64_t start_ms = clock_now_ms();
	struct buf reply = encode_filled(&modern, 'x', 2 * MIB);

	(void)state;
	assert_true(reply.length > 4 * MIB);
	/* A guard against something quadratic; it takes about 10 ms. */
	assert_true(clock_now_ms() - start_ms < 2000);
	buf_finish(&reply);
}

static void each_kind_of_error_ends_where_it_belongs(void **state)
{
	static const struct {
		enum error_kind kind;
		const char *part; /* NULL: no answer */
	} rows[] = {
		{ ERROR_UNAVAILABLE, "\"isError\":true" },
		{ ERROR_BUSY, "\"isError\":true" },
		{ ERROR_QUOTA, "\"isError\":true" },
		{ ERROR_LOST, "\"isError\":true" },
		{ ERROR_INVALID, "\"isError\":true" },
		{ ERROR_CONFIG, "\"isError\":true" },
		{ ERROR_INTERNAL, "\"code\":-32603" },
		{ ERROR_PROTOCOL, "\"code\":-32603" },
		{ ERROR_CANCELLED, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct error error = ERROR_INIT;
		struct buf reply = BUF_INIT(LIMIT_REPLY_BYTES);

		(void)error_set(&error, rows[i].kind, "what happened, with \xFF in it");
		result_encode_error(&reply, &legacy, &error);
		if (rows[i].part) {
			json_decref(parse(&reply));
			(void)buf_append_byte(&reply, '\0');
			assert_non_null(strstr(reply.data, rows[i].part));
		} else {
			assert_int_equal(reply.length, 0);
		}
		buf_finish(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_revision_gets_its_members_in_order),
		cmocka_unit_test(the_way_it_ended_has_a_name),
		cmocka_unit_test(the_text_and_the_structure_say_the_same),
		cmocka_unit_test(a_reply_over_its_limit_becomes_a_notice),
		cmocka_unit_test(what_is_too_large_to_send_is_saved_first_and_then_named),
		cmocka_unit_test(the_worst_output_stays_under_8_mib),
		cmocka_unit_test(two_mib_of_output_are_encoded_in_no_time),
		cmocka_unit_test(each_kind_of_error_ends_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
