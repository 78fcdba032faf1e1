/* SPDX-License-Identifier: MIT */
#include "transport/http/parser.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define HOST "Host: a\r\n"
#define TOP "POST /mcp HTTP/1.1\r\n" HOST

/* How the client's bytes came in. */
enum pace { AT_ONCE, BYTE_BY_BYTE };

struct outcome {
	enum http_parse verdict;
	size_t used;
	int status; /* 0: not set */
	const char *reason;
};

/* Each look is at a copy of exactly the bytes that have come, so that reading over them is seen. */
static struct outcome parse(struct http_head *head, const char *data, size_t bytes, enum pace pace)
{
	struct outcome outcome = { HTTP_PARSE_MORE, 0, 0, NULL };
	size_t come = pace == AT_ONCE ? bytes : 1;

	*head = (struct http_head){ 0 };
	for (; come <= bytes && outcome.verdict == HTTP_PARSE_MORE; come++) {
		char *copy = malloc(come);

		assert_non_null(copy);
		memcpy(copy, data, come);
		outcome.verdict = http_head_parse(head, copy, come, &outcome.used, &outcome.status,
						  &outcome.reason);
		free(copy);
	}
	return outcome;
}

/* Status 0: accepted. What is refused says why, holds no memory and is ready for another. */
static void assert_status(const char *data, size_t bytes, int status)
{
	static const enum pace paces[] = { AT_ONCE, BYTE_BY_BYTE };
	const struct http_head zeros = { 0 };
	struct http_head head;
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(paces); i++) {
		struct outcome outcome = parse(&head, data, bytes, paces[i]);

		if (outcome.status != status)
			print_message("%.*s\n", (int)bytes, data);
		assert_int_equal(outcome.status, status);
		assert_int_equal(outcome.verdict, status == 0 ? HTTP_PARSE_DONE : HTTP_PARSE_BAD);
		assert_int_equal(outcome.reason != NULL, status != 0);
		if (status == 0)
			assert_int_equal(outcome.used, bytes);
		else
			assert_memory_equal(&head, &zeros, sizeof(head));
		http_head_finish(&head);
	}
}

struct row {
	const char *text;
	int status;
};

static void assert_rows(const struct row *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		assert_status(rows[i].text, strlen(rows[i].text), rows[i].status);
}

static void take(struct http_head *head, const char *text)
{
	struct outcome outcome = parse(head, text, strlen(text), AT_ONCE);

	if (outcome.verdict != HTTP_PARSE_DONE)
		fail_msg("%s: %d %s", text, outcome.status, outcome.reason);
}

static void a_head_is_taken_apart(void **state)
{
	const char *text =
		"POST /mcp?a=%20b&c HTTP/1.1\r\nHost: localhost:8080\r\n"
		"Content-Type:application/json\r\nX-Empty:\r\nX-Blank: \t \r\n"
		"Accept: \t a , b\t \r\ncontent-length: 12\r\nX-High: \xc3\xa9\xff\r\n\r\nbody";
	static const enum pace paces[] = { AT_ONCE, BYTE_BY_BYTE };
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(paces); i++) {
		struct outcome outcome = parse(&head, text, strlen(text), paces[i]);

		assert_int_equal(outcome.verdict, HTTP_PARSE_DONE);
		assert_string_equal(text + outcome.used, "body");
		assert_int_equal(head.method, HTTP_POST);
		assert_string_equal(head.path, "/mcp");
		assert_string_equal(head.query, "a=%20b&c");
		assert_string_equal(head.host, "localhost:8080");
		assert_int_equal(head.minor, 1);
		assert_int_equal(head.field_count, 7);
		assert_string_equal(head.fields[1].name, "Content-Type");
		assert_string_equal(head.fields[1].value, "application/json");
		assert_string_equal(http_head_find(&head, "x-empty"), "");
		assert_string_equal(http_head_find(&head, "X-BLANK"), "");
		assert_string_equal(http_head_find(&head, "accept"), "a , b");
		assert_string_equal(http_head_find(&head, "x-high"), "\xc3\xa9\xff");
		assert_null(http_head_find(&head, "Origin"));
		assert_true(head.has_content_length);
		assert_int_equal(head.content_length, 12);
		assert_false(head.is_chunked);
		assert_true(head.keeps_alive);
		assert_false(head.expects_continue);
		http_head_finish(&head);
	}
}

static void fields_of_one_name_are_counted_in_any_case(void **state)
{
	struct http_head head;

	(void)state;
	take(&head, TOP "Mcp-Method: one\r\nmcp-method: two\r\nMcp-Methods: three\r\n\r\n");
	assert_int_equal(http_head_count(&head, "MCP-Method"), 2);
	assert_int_equal(http_head_count(&head, "Origin"), 0);
	assert_string_equal(http_head_find(&head, "MCP-METHOD"), "one");
	http_head_finish(&head);
}

static void methods_are_told_apart_by_their_exact_names(void **state)
{
	static const struct {
		const char *text;
		enum http_method method;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET },
		{ "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_HEAD },
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_POST },
		{ "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PUT },
		{ "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DELETE },
		{ "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OPTIONS },
		{ "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PATCH },
		{ "QUERY / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER_METHOD },
		{ "post / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER_METHOD },
		{ "POSTS / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER_METHOD },
		{ "POS / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER_METHOD },
	};
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		take(&head, rows[i].text);
		assert_int_equal(head.method, rows[i].method);
		http_head_finish(&head);
	}
}

static void targets_are_understood_in_each_of_their_forms(void **state)
{
	static const struct {
		const char *text, *host, *path, *query;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/", NULL },
		{ "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/", "" },
		{ "GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/a", "b?c" },
		{ "GET //x/../%2e HTTP/1.1\r\nHost: a\r\n\r\n", "a", "//x/../%2e", NULL },
		{ "GET /?{|}[^]`\\% HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/", "{|}[^]`\\%" },
		{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a", "*", NULL },
		{ "GET http://b/x HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/x", NULL },
		{ "GET HTTPS://B:1 HTTP/1.1\r\nHost: b:1\r\n\r\n", "B:1", "/", NULL },
		{ "GET http://b?x HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/", "x" },
		{ "GET http://[::1]:80/?x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "[::1]:80", "/",
		  "x" },
		{ "GET http://b/ HTTP/1.0\r\n\r\n", "b", "/", NULL },
		{ "GET / HTTP/1.0\r\n\r\n", NULL, "/", NULL },
		{ "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "a", "/", NULL },
	};
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		take(&head, rows[i].text);
		assert_string_equal(head.path, rows[i].path);
		assert_int_equal(head.host != NULL, rows[i].host != NULL);
		if (head.host)
			assert_string_equal(head.host, rows[i].host);
		assert_int_equal(head.query != NULL, rows[i].query != NULL);
		if (head.query)
			assert_string_equal(head.query, rows[i].query);
		http_head_finish(&head);
	}
}

static void a_bad_first_line_is_refused_without_waiting_for_more(void **state)
{
	static const struct row rows[] = {
		{ "GET /\r\n", 400 },
		{ "GET\r\n", 400 },
		{ "/ HTTP/1.1\r\n", 400 },
		{ " GET / HTTP/1.1\r\n", 400 },
		{ "GET  / HTTP/1.1\r\n", 400 },
		{ "GET /  HTTP/1.1\r\n", 400 },
		{ "GET / HTTP/1.1 \r\n", 400 },
		{ "GET / x HTTP/1.1\r\n", 400 },
		{ "GET\t/\tHTTP/1.1\r\n", 400 },
		{ "GET /\tx HTTP/1.1\r\n", 400 },
		{ "GET / HTTP/1.1\n", 400 },
		{ "GET / HTTP/1.1\r\r\n", 400 },
		{ "G(T / HTTP/1.1\r\n", 400 },
		{ "G\xc3\x89T / HTTP/1.1\r\n", 400 },
		{ "\x16\x03\x01", 400 },
		{ "\r\n\r\n", 400 },
		{ "\n", 400 },
		{ "\rG", 400 },
		{ "GET / http/1.1\r\n", 400 },
		{ "GET / HTTP/11\r\n", 400 },
		{ "GET / HTTP/1.10\r\n", 400 },
		{ "GET / HTTP/1.\r\n", 400 },
		{ "GET / HTTP/a.1\r\n", 400 },
		{ "GET / HTTP/1.a\r\n", 400 },
		{ "GET / ICE/1.0\r\n", 400 },
		{ "GET / HTTP/0.9\r\n", 505 },
		{ "GET / HTTP/1.2\r\n", 505 },
		{ "GET / HTTP/3.7\r\n", 505 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
		{ "CONNECT a:1 HTTP/1.1\r\n", 501 },
		{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n", 501 },
	};

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
	assert_status("GET /\0 HTTP/1.1\r\n", 17, 400);
}

static void a_bad_target_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "GET mcp HTTP/1.1\r\n", 400 },
		{ "GET * HTTP/1.1\r\n", 400 },
		{ "OPTIONS ** HTTP/1.1\r\n", 400 },
		{ "GET ?x HTTP/1.1\r\n", 400 },
		{ "GET /a#b HTTP/1.1\r\n", 400 },
		{ "GET /?a#b HTTP/1.1\r\n", 400 },
		{ "GET /% HTTP/1.1\r\n", 400 },
		{ "GET /%2 HTTP/1.1\r\n", 400 },
		{ "GET /%2g HTTP/1.1\r\n", 400 },
		{ "GET /%g2 HTTP/1.1\r\n", 400 },
		{ "GET /\\ HTTP/1.1\r\n", 400 },
		{ "GET /\"<> HTTP/1.1\r\n", 400 },
		{ "GET /\xc3\xa9 HTTP/1.1\r\n", 400 },
		{ "GET /?\xc3\xa9 HTTP/1.1\r\n", 400 },
		{ "GET http:/a HTTP/1.1\r\n", 400 },
		{ "GET http:// HTTP/1.1\r\n", 400 },
		{ "GET http:///a HTTP/1.1\r\n", 400 },
		{ "GET http://u@a/ HTTP/1.1\r\n", 400 },
		{ "GET http://a#b HTTP/1.1\r\n", 400 },
		{ "GET ftp://a/ HTTP/1.1\r\n", 400 },
		{ "GET a:80 HTTP/1.1\r\n", 400 },
		{ "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET http://b/ HTTP/1.1\r\n\r\n", 400 },
	};

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
}

static void a_bad_field_is_refused_without_waiting_for_more(void **state)
{
	static const struct row rows[] = {
		{ TOP "A: b\n", 400 },
		{ TOP "A: b\rc", 400 },
		{ TOP "A: b\r\r\n", 400 },
		{ TOP "A: b\r\n c\r\n", 400 },
		{ TOP "A: b\r\n\tc\r\n", 400 },
		{ TOP " \r\n", 400 },
		{ "GET / HTTP/1.1\r\n Host: a\r\n", 400 },
		{ TOP "A : b\r\n", 400 },
		{ TOP "A\t: b\r\n", 400 },
		{ TOP ": b\r\n", 400 },
		{ TOP "A\r\n", 400 },
		{ TOP "A b: c\r\n", 400 },
		{ TOP "A@: c\r\n", 400 },
		{ TOP "\xc3\xa9: c\r\n", 400 },
		{ TOP "A: \x01\r\n", 400 },
		{ TOP "A: \x0b\r\n", 400 },
		{ TOP "A: \x7f\r\n", 400 },
	};

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
	assert_status("GET / HTTP/1.1\r\nA: \0\r\n", 22, 400);
	assert_status("GET / HTTP/1.1\r\nA\0: b\r\n", 23, 400);
}

static void hosts_are_one_and_well_formed(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nhost:a-b_c.example:65535\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: 127.0.0.1:0\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: %2Ftmp%2Fsocket\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a/\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a:+1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: [:]\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 400 },
	};

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
}

static void bodies_are_framed_in_one_way_only(void **state)
{
	static const struct row rows[] = {
		{ TOP "Content-Length: 0\r\n\r\n", 0 },
		{ TOP "Content-Length: 18446744073709551615\r\n\r\n", 0 },
		{ TOP "Content-Length: 18446744073709551616\r\n\r\n", 413 },
		{ TOP "Content-Length: 99999999999999999999999999\r\n\r\n", 413 },
		{ TOP "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
		{ TOP "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 400 },
		{ TOP "Content-Length: 5, 5\r\n\r\n", 400 },
		{ TOP "Content-Length:\r\n\r\n", 400 },
		{ TOP "Content-Length: +5\r\n\r\n", 400 },
		{ TOP "Content-Length: -5\r\n\r\n", 400 },
		{ TOP "Content-Length: 05\r\n\r\n", 400 },
		{ TOP "Content-Length: 00\r\n\r\n", 400 },
		{ TOP "Content-Length: 0x5\r\n\r\n", 400 },
		{ TOP "Content-Length: 5 5\r\n\r\n", 400 },
		{ TOP "Content-Length: 5a\r\n\r\n", 400 },
		{ TOP "Content-Length: 5.0\r\n\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked\r\n\r\n", 0 },
		{ TOP "transfer-encoding: Chunked \r\n\r\n", 0 },
		{ TOP "transfer-encoding:\tchunked\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked\t\r\n", 400 },
		{ TOP "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400 },
		{ TOP "Transfer-Encoding: chunked, chunked\r\n\r\n", 501 },
		{ TOP "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ TOP "Transfer-Encoding: identity\r\n\r\n", 501 },
		{ TOP "Transfer-Encoding: xchunked\r\n\r\n", 501 },
		{ TOP "Transfer-Encoding: chunked;q=1\r\n\r\n", 501 },
		{ TOP "Transfer-Encoding:\r\n\r\n", 501 },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	};
	struct http_head head;

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
	take(&head, TOP "Content-Length: 18446744073709551615\r\n\r\n");
	assert_true(head.content_length == UINT64_MAX);
	http_head_finish(&head);
	take(&head, TOP "Transfer-Encoding: CHUNKED\r\n\r\n");
	assert_true(head.is_chunked);
	assert_false(head.has_content_length);
	http_head_finish(&head);
	take(&head, TOP "\r\n");
	assert_false(head.is_chunked);
	assert_false(head.has_content_length);
	http_head_finish(&head);
}

static void the_connection_is_kept_as_the_client_says(void **state)
{
	static const struct {
		const char *text;
		bool keeps_alive;
	} rows[] = {
		{ TOP "\r\n", true },
		{ TOP "Connection: close\r\n\r\n", false },
		{ TOP "Connection: Close\r\n\r\n", false },
		{ TOP "Connection: upgrade ,\tclose \r\n\r\n", false },
		{ TOP "Connection: upgrade\r\nConnection: close\r\n\r\n", false },
		{ TOP "Connection: keep-alive, close\r\n\r\n", false },
		{ TOP "Connection: closed, x close, clos\r\n\r\n", true },
		{ TOP "Connection: ,, ,\r\n\r\n", true },
		{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false },
	};
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		take(&head, rows[i].text);
		assert_int_equal(head.keeps_alive, rows[i].keeps_alive);
		http_head_finish(&head);
	}
}

static void a_continue_is_expected_only_before_a_body(void **state)
{
	static const struct {
		const char *text;
		bool expects_continue;
	} rows[] = {
		{ TOP "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true },
		{ TOP "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", true },
		{ TOP "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false },
		{ TOP "Expect: 100-continue\r\n\r\n", false },
		{ TOP "Content-Length: 1\r\n\r\n", false },
		{ "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false },
	};
	static const struct row refused[] = {
		{ TOP "Expect: tea\r\n\r\n", 417 },
		{ TOP "Expect:\r\n\r\n", 417 },
		{ TOP "Expect: 100-continue\r\nExpect: tea\r\n\r\n", 417 },
	};
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		take(&head, rows[i].text);
		assert_int_equal(head.expects_continue, rows[i].expects_continue);
		http_head_finish(&head);
	}
	assert_rows(refused, ARRAY_LENGTH(refused));
}

static void one_empty_line_before_a_request_is_skipped(void **state)
{
	static const struct row rows[] = {
		{ "\r\n" TOP "\r\n", 0 },
		{ "\r\n\r\n" TOP "\r\n", 400 },
	};

	(void)state;
	assert_rows(rows, ARRAY_LENGTH(rows));
}

static void an_unfinished_head_wants_more_and_holds_nothing(void **state)
{
	const char *text = "\r\nPOST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
	size_t bytes;

	(void)state;
	for (bytes = 1; bytes < strlen(text); bytes++) {
		struct http_head head;
		struct outcome outcome = parse(&head, text, bytes, AT_ONCE);

		assert_int_equal(outcome.verdict, HTTP_PARSE_MORE);
		assert_int_equal(outcome.status, 0);
		assert_null(head.text);
		assert_null(head.fields);
	}
}

static void a_head_may_follow_another(void **state)
{
	const char *text = TOP "Content-Length: 0\r\n\r\nGET /two HTTP/1.0\r\n\r\n";
	struct http_head head;
	struct outcome first = parse(&head, text, strlen(text), AT_ONCE);
	struct outcome second;

	(void)state;
	assert_int_equal(first.verdict, HTTP_PARSE_DONE);
	http_head_finish(&head);
	second = parse(&head, text + first.used, strlen(text) - first.used, AT_ONCE);
	assert_int_equal(second.verdict, HTTP_PARSE_DONE);
	assert_int_equal(first.used + second.used, strlen(text));
	assert_string_equal(head.path, "/two");
	http_head_finish(&head);
}

/* --- limits ------------------------------------------------------------------ */

static void add(struct buf *text, const char *part, char filler, size_t fillers, const char *end)
{
	assert_int_equal(buf_append_string(text, part), 0);
	for (; fillers > 0; fillers--)
		assert_int_equal(buf_append_byte(text, filler), 0);
	assert_int_equal(buf_append_string(text, end), 0);
}

static void a_head_has_a_longest_length(void **state)
{
	size_t fixed = strlen(TOP "A: \r\n\r\n");
	struct buf text = BUF_INIT(2 * LIMIT_HTTP_HEAD_BYTES);

	(void)state;
	add(&text, TOP "A: ", 'a', LIMIT_HTTP_HEAD_BYTES - fixed, "\r\n\r\n");
	assert_int_equal(text.length, LIMIT_HTTP_HEAD_BYTES);
	assert_status(text.data, text.length, 0);
	buf_clear(&text);
	add(&text, TOP "A: ", 'a', LIMIT_HTTP_HEAD_BYTES - fixed + 1, "\r\n\r\n");
	assert_status(text.data, text.length, 431);
	buf_clear(&text);
	add(&text, TOP "A: ", 'a', 2 * LIMIT_HTTP_HEAD_BYTES - fixed, "");
	assert_status(text.data, text.length, 431);
	buf_finish(&text);
}

static void a_first_line_has_a_longest_length(void **state)
{
	size_t fixed = strlen("GET / HTTP/1.1");
	struct buf text = BUF_INIT(LIMIT_HTTP_HEAD_BYTES);

	(void)state;
	add(&text, "GET /", 'a', LIMIT_HTTP_REQUEST_LINE_BYTES - fixed,
	    " HTTP/1.1\r\n" HOST "\r\n");
	assert_status(text.data, text.length, 0);
	buf_clear(&text);
	add(&text, "GET /", 'a', LIMIT_HTTP_REQUEST_LINE_BYTES - fixed + 1,
	    " HTTP/1.1\r\n" HOST "\r\n");
	assert_status(text.data, text.length, 414);
	buf_finish(&text);
}

static void a_head_has_a_largest_number_of_fields(void **state)
{
	struct buf text = BUF_INIT(LIMIT_HTTP_HEAD_BYTES);
	size_t fields;

	(void)state;
	add(&text, TOP, ' ', 0, "");
	for (fields = 1; fields < LIMIT_HTTP_FIELDS; fields++)
		add(&text, "A:", ' ', 0, "\r\n");
	add(&text, "\r\n", ' ', 0, "");
	assert_status(text.data, text.length, 0);
	text.length -= 2;
	add(&text, "A:", ' ', 0, "\r\n");
	assert_status(text.data, text.length, 431);
	buf_finish(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(fields_of_one_name_are_counted_in_any_case),
		cmocka_unit_test(methods_are_told_apart_by_their_exact_names),
		cmocka_unit_test(targets_are_understood_in_each_of_their_forms),
		cmocka_unit_test(a_bad_first_line_is_refused_without_waiting_for_more),
		cmocka_unit_test(a_bad_target_is_refused),
		cmocka_unit_test(a_bad_field_is_refused_without_waiting_for_more),
		cmocka_unit_test(hosts_are_one_and_well_formed),
		cmocka_unit_test(bodies_are_framed_in_one_way_only),
		cmocka_unit_test(the_connection_is_kept_as_the_client_says),
		cmocka_unit_test(a_continue_is_expected_only_before_a_body),
		cmocka_unit_test(one_empty_line_before_a_request_is_skipped),
		cmocka_unit_test(an_unfinished_head_wants_more_and_holds_nothing),
		cmocka_unit_test(a_head_may_follow_another),
		cmocka_unit_test(a_head_has_a_longest_length),
		cmocka_unit_test(a_first_line_has_a_longest_length),
		cmocka_unit_test(a_head_has_a_largest_number_of_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
