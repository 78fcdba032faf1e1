/* SPDX-License-Identifier: MIT */
#include "mcp/jsonrpc.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

struct row {
	const char *text;
	enum jsonrpc_kind kind;
	int code; /* for JSONRPC_INVALID */
	const char *id;
};

static void check_row(const struct row *row)
{
	struct jsonrpc_input input;
	char *text = strdup(row->text);

	jsonrpc_parse(&input, text, strlen(text));
	free(text);
	assert_int_equal(input.count, 1);
	assert_false(input.is_batch);
	if (input.messages[0].kind != row->kind)
		fail_msg("%s: kind %d", row->text, (int)input.messages[0].kind);
	if (row->kind == JSONRPC_INVALID)
		assert_int_equal(input.messages[0].code, row->code);
	if (row->id)
		assert_string_equal(input.messages[0].id, row->id);
	else
		assert_null(input.messages[0].id);
	jsonrpc_input_finish(&input);
}

static void check_rows(const struct row *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		check_row(&rows[i]);
}

#define WITH_ID(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"

static void ids_keep_their_exact_json_type(void **state)
{
	static const struct row rows[] = {
		{ WITH_ID("0"), JSONRPC_REQUEST, 0, "0" },
		{ WITH_ID("\"0\""), JSONRPC_REQUEST, 0, "\"0\"" },
		{ WITH_ID("-7"), JSONRPC_REQUEST, 0, "-7" },
		{ WITH_ID("9007199254740993"), JSONRPC_REQUEST, 0, "9007199254740993" },
		{ WITH_ID("9223372036854775807"), JSONRPC_REQUEST, 0, "9223372036854775807" },
		{ WITH_ID("\"\""), JSONRPC_REQUEST, 0, "\"\"" },
		{ WITH_ID("\"a\\u0000\\\"b\""), JSONRPC_REQUEST, 0, "\"a\\u0000\\\"b\"" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void other_ids_are_refused(void **state)
{
	static const struct row rows[] = {
		{ WITH_ID("null"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("1.5"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("1.0"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("true"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("{}"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("[1]"), JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ WITH_ID("9223372036854775808"), JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ WITH_ID("1e400"), JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void an_id_may_be_1024_bytes_long(void **state)
{
	char text[1400];

	(void)state;
	(void)snprintf(text, sizeof(text), WITH_ID("\"%01022d\""), 0);
	{
		struct jsonrpc_input input;

		jsonrpc_parse(&input, text, strlen(text));
		assert_int_equal(input.messages[0].kind, JSONRPC_REQUEST);
		jsonrpc_input_finish(&input);
	}
	(void)snprintf(text, sizeof(text), WITH_ID("\"%01023d\""), 0);
	check_row(&(struct row){ text, JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL });
}

static void what_is_no_message_gets_the_error_that_says_so(void **state)
{
	static const struct row rows[] = {
		{ "", JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ "garbage", JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ "{\"jsonrpc\":\"2.0\"", JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ WITH_ID("1") "x", JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ "\"\xFF\"", JSONRPC_INVALID, JSONRPC_PARSE_ERROR, NULL },
		{ "5", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ "\"text\"", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ "null", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ "[]", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ "{}", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, NULL },
		{ "{\"id\":1,\"method\":\"ping\"}", JSONRPC_INVALID, JSONRPC_INVALID_REQUEST, "1" },
		{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", JSONRPC_INVALID,
		  JSONRPC_INVALID_REQUEST, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", JSONRPC_INVALID,
		  JSONRPC_INVALID_REQUEST, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\\u0000\"}", JSONRPC_INVALID,
		  JSONRPC_INVALID_REQUEST, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}",
		  JSONRPC_INVALID, JSONRPC_INVALID_PARAMS, "1" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void notifications_and_responses_want_no_answer(void **state)
{
	static const struct row rows[] = {
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", JSONRPC_NOTIFICATION, 0, NULL },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":[]}", JSONRPC_NOTIFICATION, 0,
		  NULL },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", JSONRPC_RESPONSE, 0, NULL },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{}}", JSONRPC_RESPONSE, 0, NULL },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void of_two_members_with_one_name_the_last_counts(void **state)
{
	(void)state;
	check_row(&(struct row){ "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
				 JSONRPC_REQUEST, 0, "2" });
}

static void a_batch_holds_at_most_100_messages(void **state)
{
	struct buf text = BUF_INIT(65536);
	struct jsonrpc_input input;
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		(void)buf_printf(&text, "%c%d", i ? ',' : '[', i);
	(void)buf_append_byte(&text, ']');
	jsonrpc_parse(&input, text.data, text.length);
	assert_true(input.is_batch);
	assert_int_equal(input.count, 100);
	assert_int_equal(input.messages[99].kind, JSONRPC_INVALID);
	jsonrpc_input_finish(&input);
	text.length--;
	(void)buf_append_string(&text, ",100]");
	jsonrpc_parse(&input, text.data, text.length);
	assert_false(input.is_batch);
	assert_int_equal(input.messages[0].code, JSONRPC_INVALID_REQUEST);
	jsonrpc_input_finish(&input);
	buf_finish(&text);
}

static void errors_say_null_where_there_is_no_id(void **state)
{
	struct buf out = BUF_INIT(256);

	(void)state;
	jsonrpc_error(&out, NULL, JSONRPC_PARSE_ERROR, "a \"b\"", "{\"c\":1}");
	(void)buf_append_byte(&out, '\0');
	assert_string_equal(out.data, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"
				      "\"message\":\"a \\\"b\\\"\",\"data\":{\"c\":1}}}");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_keep_their_exact_json_type),
		cmocka_unit_test(other_ids_are_refused),
		cmocka_unit_test(an_id_may_be_1024_bytes_long),
		cmocka_unit_test(what_is_no_message_gets_the_error_that_says_so),
		cmocka_unit_test(notifications_and_responses_want_no_answer),
		cmocka_unit_test(of_two_members_with_one_name_the_last_counts),
		cmocka_unit_test(a_batch_holds_at_most_100_messages),
		cmocka_unit_test(errors_say_null_where_there_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
