/* SPDX-License-Identifier: MIT */
#include "tests/unit/mcp/site.h"

#include <string.h>

/* The tools of the conformance suite over HTTP; what they answer is in a transcript. */

static struct post *call(struct site *site, const char *name, const char *capabilities)
{
	char body[1024];

	(void)snprintf(body, sizeof(body),
		       REQUEST("1", "tools/call",
			       "{\"name\":\"%s\",\"_meta\":{\"" MCP_META_VERSION
			       "\":\"2026-07-28\",\"" MCP_META_CAPABILITIES
			       "\":%s,\"progressToken\":3}}"),
		       name, capabilities);
	return site_send(site, &(struct wire){ .request = { .protocol_version = "2026-07-28",
							    .method_header = "tools/call",
							    .name_header = name },
					       .body = body });
}

static void they_stand_behind_our_tool(void **state)
{
	struct site *site = site_open();
	struct post *post = site_say_modern(site, "tools/list", MODERN("1", "tools/list"));
	const char *ours = strstr(post->body, "\"sandbox_exec\"");
	const char *first = strstr(post->body, "\"test_simple_text\"");

	(void)state;
	assert_true(ours && first && ours < first);
	site_close(site);
}

static void progress_goes_on_the_stream_of_its_call(void **state)
{
	struct site *site = site_open();
	struct post *post = call(site, "test_tool_with_progress", "{}");

	(void)state;
	post_expect_stream(post, true, 4);
	assert_non_null(strstr(post->events[0], "\"progress\":0,"));
	assert_non_null(strstr(post->events[1], "\"progress\":50,"));
	assert_non_null(strstr(post->events[2], "\"progress\":100,"));
	assert_non_null(strstr(post->events[3], "\"resultType\":\"complete\""));
	site_close(site);
}

static void a_capability_that_is_missing_is_a_bad_request(void **state)
{
	struct site *site = site_open();

	(void)state;
	post_expect_error(call(site, "test_missing_capability", "{}"), 400, "1", -32021);
	post_expect_error(call(site, "test_streaming_elicitation", "{}"), 400, "1", -32021);
	post_expect(call(site, "test_missing_capability", "{\"sampling\":{}}"), 200,
		    "\"isError\":false");
	post_expect(call(site, "test_streaming_elicitation", "{\"elicitation\":{}}"), 200,
		    "\"resultType\":\"input_required\"");
	site_close(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_stand_behind_our_tool),
		cmocka_unit_test(progress_goes_on_the_stream_of_its_call),
		cmocka_unit_test(a_capability_that_is_missing_is_a_bad_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
