/* SPDX-License-Identifier: MIT */
#include "mcp/sandbox_exec.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const struct sandbox_exec_rules rules = { .timeout_s = 120, .max_timeout_s = 600 };
static const struct sandbox_exec_rules handle_rules = { 120, 600, true };

static int decode(const char *text, const struct sandbox_exec_rules *used,
		  struct call_request *request, struct error *err)
{
	json_t *object = json_loads(text, JSON_ALLOW_NUL, NULL);
	int result;

	assert_true(json_is_object(object));
	*err = (struct error)ERROR_INIT;
	result = sandbox_exec_decode(object, used, request, err);
	json_decref(object);
	return result;
}

static void assert_refused(const char *text, const char *sentence)
{
	struct call_request request;
	struct error err;

	assert_int_equal(decode(text, &handle_rules, &request, &err), -1);
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_string_equal(err.message, sentence);
}

static void assert_timeout(const char *text, uint64_t timeout_ms)
{
	struct call_request request;
	struct error err;

	assert_int_equal(decode(text, &rules, &request, &err), 0);
	assert_int_equal(request.timeout_ms, timeout_ms);
	call_request_finish(&request);
}

#define BOTH                                                                                       \
	"Cannot provide both 'command' and 'args'. Use 'command' for shell commands or 'args' "    \
	"for direct execution."
#define NEITHER "Must provide either 'command' or 'args'."

static void every_wrong_value_gets_its_sentence(void **state)
{
	static const struct {
		const char *arguments, *sentence;
	} rows[] = {
		{ "{\"command\":\"a\",\"args\":[\"b\"]}", BOTH },
		{ "{}", NEITHER },
		{ "{\"command\":\"\",\"args\":[]}", NEITHER },
		{ "{\"command\":null,\"args\":null}", NEITHER },
		{ "{\"args\":\"\"}", NEITHER },
		{ "{\"args\":\"[]\"}", NEITHER },
		{ "{\"command\":\"a\",\"working_directory\":\"tmp\"}",
		  "working_directory must be an absolute path, got: tmp" },
		{ "{\"command\":\"a\",\"timeout\":0}", "timeout must be at least 1 second." },
		{ "{\"command\":\"a\",\"timeout\":-1e300}", "timeout must be at least 1 second." },
		{ "{\"command\":\"a\",\"timeout\":\"-5\"}", "timeout must be at least 1 second." },
		{ "{\"command\":\"a\",\"timeout\":601}", "timeout must be at most 600 seconds." },
		{ "{\"command\":\"a\",\"timeout\":1e300}", "timeout must be at most 600 seconds." },
		{ "{\"command\":\"a\",\"timeout\":9223372036854775807}",
		  "timeout must be at most 600 seconds." },
		{ "{\"command\":\"a\",\"timeout\":5.5}",
		  "timeout must be an integer, got a fraction." },
		{ "{\"command\":\"a\",\"timeout\":\"\"}",
		  "timeout must be an integer, got a string." },
		{ "{\"command\":\"a\",\"timeout\":\"5\\u0000\"}",
		  "timeout must be an integer, got a string." },
		{ "{\"command\":\"a\",\"timeout\":\"5s\"}",
		  "timeout must be an integer, got a string." },
		{ "{\"command\":\"a\",\"timeout\":true}",
		  "timeout must be an integer, got a boolean." },
		{ "{\"command\":5}", "command must be a string, got an integer." },
		{ "{\"command\":[\"a\"]}", "command must be a string, got an array." },
		{ "{\"command\":\"a\",\"stdin\":{}}", "stdin must be a string, got an object." },
		{ "{\"command\":\"a\",\"working_directory\":1.5}",
		  "working_directory must be a string, got a number." },
		{ "{\"args\":{\"a\":1}}", "args must be an array of strings, got an object." },
		{ "{\"args\":\"ls -l\"}", "args must be an array of strings, got a string." },
		{ "{\"args\":\"{\\\"a\\\":1}\"}",
		  "args must be an array of strings, got a string." },
		{ "{\"args\":[\"a\",5]}",
		  "args must be an array of strings, got an integer at position 1." },
		{ "{\"args\":\"[\\\"a\\\",null]\"}",
		  "args must be an array of strings, got null at position 1." },
		{ "{\"command\":\"a\\u0000b\"}", "command must not contain a NUL character." },
		{ "{\"args\":[\"a\",\"b\\u0000\"]}", "args[1] must not contain a NUL character." },
		{ "{\"command\":\"a\",\"working_directory\":\"/\\u0000\"}",
		  "working_directory must not contain a NUL character." },
		{ "{\"command\":\"a\",\"sandbox_id\":5}",
		  "sandbox_id must be a string, got an integer." },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_refused(rows[i].arguments, rows[i].sentence);
}

static void a_call_without_arguments_is_told_what_to_give(void **state)
{
	struct call_request request;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(sandbox_exec_decode(NULL, &rules, &request, &err), -1);
	assert_string_equal(err.message, NEITHER);
}

static void values_arrive_as_they_were_sent(void **state)
{
	struct call_request request;
	struct error err;

	(void)state;
	assert_int_equal(decode("{\"command\":\"echo\",\"stdin\":\"a\\u0000b\","
				"\"working_directory\":\"/tmp\",\"timeout\":7,\"other\":1}",
				&rules, &request, &err),
			 0);
	assert_int_equal(request.target, CALL_TARGET_SESSION);
	assert_string_equal(request.command, "echo");
	assert_null(request.args);
	assert_string_equal(request.working_directory, "/tmp");
	assert_int_equal(request.stdin_bytes, 3);
	assert_memory_equal(request.stdin_data, "a\0b", 3);
	assert_int_equal(request.timeout_ms, 7000);
	call_request_finish(&request);
}

static void assert_two_args(const char *text)
{
	struct call_request request;
	struct error err;

	assert_int_equal(decode(text, &rules, &request, &err), 0);
	assert_null(request.command);
	assert_string_equal(request.args[0], "ls");
	assert_string_equal(request.args[1], "-l \"x\"");
	assert_null(request.args[2]);
	call_request_finish(&request);
}

static void args_may_be_the_text_of_an_array(void **state)
{
	(void)state;
	assert_two_args("{\"args\":[\"ls\",\"-l \\\"x\\\"\"]}");
	assert_two_args("{\"args\":\"[\\\"ls\\\",\\\"-l \\\\\\\"x\\\\\\\"\\\"]\"}");
	assert_two_args("{\"command\":null,\"args\":[\"ls\",\"-l \\\"x\\\"\"],\"stdin\":null}");
}

/* Nothing wrong with it but its depth. */
static void the_text_of_args_passes_the_limits_scan(void **state)
{
	struct buf text = BUF_INIT(4096);
	int i;

	(void)state;
	(void)buf_append_string(&text, "{\"args\":\"");
	for (i = 0; i < LIMIT_JSON_DEPTH + 1; i++)
		(void)buf_append_byte(&text, '[');
	for (i = 0; i < LIMIT_JSON_DEPTH + 1; i++)
		(void)buf_append_byte(&text, ']');
	(void)buf_append(&text, "\"}", 3);
	assert_refused(text.data, "args must be an array of strings, got a string.");
	buf_finish(&text);
	assert_refused("{\"args\":\"[[]]\"}",
		       "args must be an array of strings, got an array at position 0.");
}

static void a_timeout_may_be_5_or_5_point_0_or_a_string(void **state)
{
	(void)state;
	assert_timeout("{\"command\":\"a\"}", 120000);
	assert_timeout("{\"command\":\"a\",\"timeout\":null}", 120000);
	assert_timeout("{\"command\":\"a\",\"timeout\":5}", 5000);
	assert_timeout("{\"command\":\"a\",\"timeout\":5.0}", 5000);
	assert_timeout("{\"command\":\"a\",\"timeout\":\"5\"}", 5000);
	assert_timeout("{\"command\":\"a\",\"timeout\":600}", 600000);
}

/* `{"NAME":"xxx...","command":...}` with `bytes` of x. */
static int decode_long(const char *before, size_t bytes, const char *after, struct error *err)
{
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	struct call_request request = { 0 };
	char *room;
	int result;

	(void)buf_append_string(&text, before);
	room = buf_reserve(&text, bytes);
	memset(room, 'x', bytes);
	buf_commit(&text, bytes);
	(void)buf_append(&text, after, strlen(after) + 1);
	result = decode(text.data, &rules, &request, err);
	call_request_finish(&request);
	buf_finish(&text);
	return result;
}

static void one_argument_may_be_as_long_as_the_kernel_allows(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(decode_long("{\"command\":\"", 131071, "\"}", &err), 0);
	assert_int_equal(decode_long("{\"command\":\"", 131072, "\"}", &err), -1);
	assert_string_equal(err.message,
			    "command is 131072 bytes; the kernel allows 131071 in one argument. "
			    "Put the data in stdin, or write a script file with stdin and run "
			    "that.");
	assert_int_equal(decode_long("{\"args\":[\"a\",\"", 131072, "\"]}", &err), -1);
	assert_memory_equal(err.message, "args[1] is 131072 bytes", 23);
}

static void all_arguments_together_are_bounded(void **state)
{
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	struct error err;
	int i;

	(void)state;
	(void)buf_append_string(&text, "{\"args\":[");
	for (i = 0; i < 15; i++)
		(void)buf_printf(&text, "\"%070000d\",", 0);
	(void)buf_append(&text, "\"a\"]}", 6);
	{
		struct call_request request;

		assert_int_equal(decode(text.data, &rules, &request, &err), -1);
	}
	assert_memory_equal(err.message, "args are 1050017 bytes in all; the limit is 1048576.",
			    52);
	buf_finish(&text);
}

static void stdin_may_be_2_mib_long(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(decode_long("{\"command\":\"cat\",\"stdin\":\"", 2097152, "\"}", &err), 0);
	assert_int_equal(decode_long("{\"command\":\"cat\",\"stdin\":\"", 2097153, "\"}", &err),
			 -1);
	assert_string_equal(err.message, "stdin content exceeds the 2 MiB limit (2097153 bytes). "
					 "Split into smaller chunks or use a different approach.");
}

static void a_working_directory_is_no_longer_than_a_path(void **state)
{
	static const char before[] = "{\"command\":\"a\",\"working_directory\":\"/";
	struct error err;

	(void)state;
	assert_int_equal(decode_long(before, 4094, "\"}", &err), 0);
	assert_int_equal(decode_long(before, 4095, "\"}", &err), -1);
	assert_string_equal(err.message,
			    "working_directory is 4096 bytes; the kernel allows 4095.");
}

static void assert_target(const char *text, const struct sandbox_exec_rules *used,
			  enum call_target target, const char *handle)
{
	struct call_request request;
	struct error err;

	assert_int_equal(decode(text, used, &request, &err), 0);
	assert_int_equal(request.target, target);
	assert_string_equal(request.handle, handle);
	call_request_finish(&request);
}

static void a_handle_counts_only_where_handles_are_offered(void **state)
{
	static const char with_handle[] =
		"{\"command\":\"a\",\"sandbox_id\":\"sbx_0123456789abcdef0123456789abcdef\"}";

	(void)state;
	assert_target(with_handle, &rules, CALL_TARGET_SESSION, "");
	assert_target(with_handle, &handle_rules, CALL_TARGET_HANDLE,
		      "sbx_0123456789abcdef0123456789abcdef");
	assert_target("{\"command\":\"a\"}", &handle_rules, CALL_TARGET_NEW, "");
	assert_target("{\"command\":\"a\",\"sandbox_id\":\"\"}", &handle_rules, CALL_TARGET_NEW,
		      "");
	/* Never cut to something that might exist. */
	assert_target(
		"{\"command\":\"a\",\"sandbox_id\":\"sbx_0123456789abcdef0123456789abcdefX\"}",
		&handle_rules, CALL_TARGET_HANDLE, "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_value_gets_its_sentence),
		cmocka_unit_test(a_call_without_arguments_is_told_what_to_give),
		cmocka_unit_test(values_arrive_as_they_were_sent),
		cmocka_unit_test(args_may_be_the_text_of_an_array),
		cmocka_unit_test(the_text_of_args_passes_the_limits_scan),
		cmocka_unit_test(a_timeout_may_be_5_or_5_point_0_or_a_string),
		cmocka_unit_test(one_argument_may_be_as_long_as_the_kernel_allows),
		cmocka_unit_test(all_arguments_together_are_bounded),
		cmocka_unit_test(stdin_may_be_2_mib_long),
		cmocka_unit_test(a_working_directory_is_no_longer_than_a_path),
		cmocka_unit_test(a_handle_counts_only_where_handles_are_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
