/* SPDX-License-Identifier: MIT */
#include "transport/http/media.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

static void a_content_type_is_compared_without_its_parameters(void **state)
{
	static const struct {
		const char *value;
		bool is_json;
	} rows[] = {
		{ NULL, false },
		{ "", false },
		{ "application/json", true },
		{ "Application/JSON", true },
		{ "application/json;charset=utf-8", true },
		{ "application/json ; charset=utf-8", true },
		{ " application/json", true },
		{ "application/json;", true },
		{ "application/jsonp", false },
		{ "application/json-rpc", false },
		{ "application/problem+json", false },
		{ "application/jso", false },
		{ "application/json, text/plain", false },
		{ "text/plain", false },
		{ "text/plain; application/json", false },
		{ "; application/json", false },
		{ "json", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (media_is(rows[i].value, "application/json") != rows[i].is_json)
			fail_msg("%s", rows[i].value ? rows[i].value : "(none)");
	}
}

static void an_accept_is_refused_only_if_it_says_so(void **state)
{
	static const char *const types[] = { "text/event-stream", "application/json" };
	static const struct {
		const char *value;
		bool takes_either, takes_stream;
	} rows[] = {
		{ "application/json, text/event-stream", true, true },
		{ "text/event-stream,application/json;q=0.5", true, true },
		{ "application/json", true, false },
		{ "APPLICATION/Json", true, false },
		{ "text/event-stream", true, true },
		{ "*/*", true, true },
		{ "text/html, */*;q=0.1", true, true },
		{ "text/*", true, true },
		{ "application/*", true, false },
		{ "application/*;q=0", false, false },
		{ "*/*;q=0", false, false },
		{ "*/*; q=0.000", false, false },
		{ "*/*; q=0.001", true, true },
		{ "*/*;q=01", true, true },
		{ "*/*;q=", true, true },
		{ "*/*;q=0;x=y", false, false },
		{ "*/*;x=y ; Q=0.0", false, false },
		{ "application/json;q=0, text/event-stream", true, true },
		{ "application/json, text/event-stream;q=0", true, false },
		{ "application/json;version=1", true, false },
		{ "", true, true },
		{ " , ,", true, true },
		{ "text/html", false, false },
		{ "text/html, image/*", false, false },
		{ "text", false, false },
		{ "text/", false, false },
		{ "*", false, false },
		{ ";q=1", false, false },
		{ "a/b; , c/d;", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (media_accepts(rows[i].value, types, 2) != rows[i].takes_either)
			fail_msg("either: %s", rows[i].value);
		if (media_accepts(rows[i].value, types, 1) != rows[i].takes_stream)
			fail_msg("a stream: %s", rows[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content_type_is_compared_without_its_parameters),
		cmocka_unit_test(an_accept_is_refused_only_if_it_says_so),
	};

	return cmocka_run_group_tests_name("transport-http_media", tests, NULL, NULL);
}
