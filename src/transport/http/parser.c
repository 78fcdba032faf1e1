/* SPDX-License-Identifier: MIT */
#include "transport/http/parser.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/limits.h"
#include "transport/http/syntax.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * A head is read twice. First as it comes in: every byte and every whole line is checked, so that
 * what is no HTTP is refused without waiting for its end. Then, complete, it is taken apart and its
 * fields are judged together.
 */

struct refusal {
	int status;
	const char *reason;
};

/* The first line, as parts of the input. */
struct first_line {
	enum http_method method;
	unsigned minor;
	struct http_span host; /* only of a target in absolute form */
	struct http_span path;
	struct http_span query;
};

static const char only_slash[] = "/";
static const char empty_lines[] = "Empty lines stand before the request.";

/* False. */
static bool refuse(struct refusal *refusal, int status, const char *reason)
{
	*refusal = (struct refusal){ status, reason };
	return false;
}

/* --- the first line ---------------------------------------------------------- */

static bool is_text(struct http_span span, const char *text)
{
	return span.bytes == strlen(text) && memcmp(span.at, text, span.bytes) == 0;
}

static bool read_method(struct first_line *first, struct http_span text, struct refusal *refusal)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET",	[HTTP_HEAD] = "HEAD",	  [HTTP_POST] = "POST",
		[HTTP_PUT] = "PUT",	[HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
		[HTTP_PATCH] = "PATCH",
	};
	size_t i;

	if (!http_is_token(text))
		return refuse(refusal, 400, "The request does not begin with a method.");
	/* What follows it is not HTTP any more, and must not be read as such. */
	if (is_text(text, "CONNECT"))
		return refuse(refusal, 501, "This server is no proxy.");
	if (text.bytes > LIMIT_HTTP_METHOD_BYTES)
		return refuse(refusal, 501, "The method is longer than any.");
	first->method = HTTP_OTHER_METHOD;
	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (is_text(text, names[i]))
			first->method = (enum http_method)i;
	}
	return true;
}

static bool read_version(struct first_line *first, struct http_span text, struct refusal *refusal)
{
	bool is_version = text.bytes == 8 && memcmp(text.at, "HTTP/", 5) == 0 &&
			  text.at[5] >= '0' && text.at[5] <= '9' && text.at[6] == '.' &&
			  text.at[7] >= '0' && text.at[7] <= '9';

	if (!is_version)
		return refuse(refusal, 400, "The first line does not end with an HTTP version.");
	if (text.at[5] != '1' || text.at[7] > '1')
		return refuse(refusal, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
	first->minor = text.at[7] == '1';
	return true;
}

/* Splits `http://HOST/PATH` off its path. `rest` is all of the target if it is not such a one. */
static bool read_authority(struct first_line *first, struct http_span *rest)
{
	static const char *const schemes[] = { "http://", "https://" };
	size_t i, skipped;

	for (i = 0; i < ARRAY_LENGTH(schemes); i++) {
		skipped = strlen(schemes[i]);
		if (rest->bytes <= skipped || strncasecmp(rest->at, schemes[i], skipped) != 0)
			continue;
		first->host = (struct http_span){ rest->at + skipped, 0 };
		rest->at += skipped;
		rest->bytes -= skipped;
		while (rest->bytes > 0 && rest->at[0] != '/' && rest->at[0] != '?') {
			rest->at++;
			rest->bytes--;
			first->host.bytes++;
		}
		return http_is_host(first->host);
	}
	return true;
}

static bool read_target(struct first_line *first, struct http_span text, struct refusal *refusal)
{
	const char *bad = "The request target is not a valid path or http URL.";
	struct http_span rest = text;
	const char *mark;

	if (is_text(text, "*") && first->method == HTTP_OPTIONS) {
		first->path = text;
		return true;
	}
	if (!read_authority(first, &rest))
		return refuse(refusal, 400, bad);
	mark = memchr(rest.at, '?', rest.bytes);
	first->path = rest;
	if (mark) {
		first->path.bytes = (size_t)(mark - rest.at);
		first->query = (struct http_span){ mark + 1, rest.bytes - first->path.bytes - 1 };
	}
	if (first->host.at && first->path.bytes == 0)
		first->path = (struct http_span){ only_slash, 1 };
	if (first->path.bytes == 0 || first->path.at[0] != '/' || !http_is_path(first->path) ||
	    !http_is_query(first->query))
		return refuse(refusal, 400, bad);
	return true;
}

/* METHOD SP TARGET SP VERSION; the target's own check finds any further space. */
static bool read_first_line(struct first_line *first, struct http_span line,
			    struct refusal *refusal)
{
	const char *one = memchr(line.at, ' ', line.bytes);
	const char *two =
		one ? memrchr(one + 1, ' ', line.bytes - (size_t)(one + 1 - line.at)) : NULL;
	struct http_span method, target, version;

	*first = (struct first_line){ 0 };
	if (!two)
		return refuse(refusal, 400, "The first line is not METHOD TARGET HTTP/1.1.");
	method = (struct http_span){ line.at, (size_t)(one - line.at) };
	target = (struct http_span){ one + 1, (size_t)(two - one - 1) };
	version = (struct http_span){ two + 1, line.bytes - (size_t)(two + 1 - line.at) };
	/* The version first: a preface of HTTP/2 is to hear of that. */
	return read_version(first, version, refusal) && read_method(first, method, refusal) &&
	       read_target(first, target, refusal);
}

/* --- as it comes in ---------------------------------------------------------- */

static bool check_field(struct http_span line, struct refusal *refusal)
{
	struct http_span name, value;

	if (line.at[0] == ' ' || line.at[0] == '\t')
		return refuse(refusal, 400, "A header line begins with white space.");
	if (!http_split_field(line, &name, &value))
		return refuse(refusal, 400, "A header line is not NAME: VALUE.");
	/* No sender puts one there, and some readers then see another coding, and no body. */
	if (http_is_named(name, "Transfer-Encoding") && memchr(line.at, '\t', line.bytes))
		return refuse(refusal, 400, "There is a tab in Transfer-Encoding.");
	return true;
}

static enum http_parse end_line(struct http_head *head, struct http_span line,
				struct refusal *refusal)
{
	struct first_line first;
	bool is_good;

	if (line.bytes == 0) {
		if (head->lines > 0)
			return HTTP_PARSE_DONE;
		/* RFC 9112 section 2.2: some clients send one too many behind a body. */
		is_good = head->line_start == 0 || refuse(refusal, 400, empty_lines);
		return is_good ? HTTP_PARSE_MORE : HTTP_PARSE_BAD;
	}
	if (head->lines == 0)
		is_good = read_first_line(&first, line, refusal);
	else if (head->lines > LIMIT_HTTP_FIELDS)
		is_good = refuse(refusal, 431, "There are too many header fields.");
	else
		is_good = check_field(line, refusal);
	head->lines++;
	return is_good ? HTTP_PARSE_MORE : HTTP_PARSE_BAD;
}

/* Also when no CRLF makes it an empty line. */
static bool is_line_end_before_request(const struct http_head *head)
{
	return head->lines == 0 && head->seen_bytes == head->line_start;
}

static bool check_byte(const struct http_head *head, char byte, struct refusal *refusal)
{
	if (byte == '\n' && is_line_end_before_request(head))
		return refuse(refusal, 400, empty_lines);
	if (byte == '\n')
		return refuse(refusal, 400, "A line ends with LF alone, not with CRLF.");
	if (http_is_control(byte))
		return refuse(refusal, 400, "There is a control byte in the head.");
	if (head->lines == 0 &&
	    head->seen_bytes - head->line_start >= LIMIT_HTTP_REQUEST_LINE_BYTES)
		return refuse(refusal, 414, "The request target is too long.");
	return true;
}

/* DONE: head->seen_bytes is where the body begins. */
static enum http_parse find_end(struct http_head *head, const char *data, size_t bytes,
				struct refusal *refusal)
{
	size_t window = bytes < LIMIT_HTTP_HEAD_BYTES ? bytes : LIMIT_HTTP_HEAD_BYTES;

	while (head->seen_bytes < window) {
		const char *at = data + head->seen_bytes;
		struct http_span line = { data + head->line_start,
					  head->seen_bytes - head->line_start };
		enum http_parse verdict;

		if (*at != '\r') {
			if (!check_byte(head, *at, refusal))
				return HTTP_PARSE_BAD;
			head->seen_bytes++;
			continue;
		}
		if (head->seen_bytes + 1 == window)
			break;
		if (at[1] != '\n') {
			(void)refuse(refusal, 400,
				     is_line_end_before_request(head)
					     ? empty_lines
					     : "There is a CR without its LF in the head.");
			return HTTP_PARSE_BAD;
		}
		verdict = end_line(head, line, refusal);
		if (verdict == HTTP_PARSE_BAD)
			return verdict;
		head->seen_bytes += 2;
		head->line_start = head->seen_bytes;
		if (verdict == HTTP_PARSE_DONE)
			return verdict;
	}
	if (window < LIMIT_HTTP_HEAD_BYTES)
		return HTTP_PARSE_MORE;
	(void)refuse(refusal, 431, "The head of the request is too long.");
	return HTTP_PARSE_BAD;
}

/* --- taken apart ------------------------------------------------------------- */

/* Copies behind what was copied so far. NULL gives NULL. */
static const char *keep(char **end, struct http_span span)
{
	char *kept = *end;

	if (!span.at)
		return NULL;
	memcpy(kept, span.at, span.bytes);
	*end += span.bytes + 1;
	return kept;
}

/* Up to its CRLF, which is known to be there. */
static struct http_span take_line(struct http_span *rest)
{
	const char *end = memchr(rest->at, '\r', rest->bytes);
	struct http_span line;

	assert(end);
	line = (struct http_span){ rest->at, (size_t)(end - rest->at) };
	rest->at += line.bytes + 2;
	rest->bytes -= line.bytes + 2;
	return line;
}

/* All lines are known to be good, and there are head->lines of them. */
static void take_apart(struct http_head *head, const char *data)
{
	struct first_line first;
	struct refusal none;
	struct http_span rest = { data, head->seen_bytes };
	struct http_span line = take_line(&rest);
	/* Each string takes the place of itself and of at least one byte that is not kept. */
	char *end = head->text = alloc_zeroed(head->seen_bytes);
	bool is_good;

	if (line.bytes == 0)
		line = take_line(&rest);
	is_good = read_first_line(&first, line, &none);
	assert(is_good);
	head->method = first.method;
	head->minor = first.minor;
	head->host = keep(&end, first.host);
	head->path = keep(&end, first.path);
	head->query = keep(&end, first.query);
	head->fields = alloc_array(head->lines, sizeof(*head->fields));
	for (head->field_count = 0; head->field_count + 1 < head->lines; head->field_count++) {
		struct http_field *field = &head->fields[head->field_count];
		struct http_span name, value;

		is_good = http_split_field(take_line(&rest), &name, &value);
		assert(is_good);
		field->name = keep(&end, name);
		field->value = keep(&end, value);
	}
	assert(end <= head->text + head->seen_bytes);
}

/* --- judged together --------------------------------------------------------- */

static bool judge_host(struct http_head *head, struct refusal *refusal)
{
	const char *value = http_head_find(head, "Host");

	if (http_head_count(head, "Host") > 1)
		return refuse(refusal, 400, "There is more than one Host.");
	if (!value)
		return head->minor == 0 || refuse(refusal, 400, "There is no Host.");
	if (!http_is_host((struct http_span){ value, strlen(value) }))
		return refuse(refusal, 400, "Host is not HOST or HOST:PORT.");
	/* RFC 9112 section 3.2.2 lets the target win; clients must send the same. A proxy may have
	 * judged the other one. */
	if (head->host && strcasecmp(head->host, value) != 0)
		return refuse(refusal, 400, "Host is not the one of the request target.");
	if (!head->host)
		head->host = value;
	return true;
}

static bool read_length(struct http_head *head, const char *value, struct refusal *refusal)
{
	uint64_t length = 0;
	bool is_over = false;
	const char *at;

	if (!*value || strspn(value, "0123456789") != strlen(value))
		return refuse(refusal, 400, "Content-Length is not a number.");
	/* No sender pads with zeros, and some readers take those for octal. */
	if (value[0] == '0' && value[1])
		return refuse(refusal, 400, "Content-Length begins with a zero.");
	for (at = value; *at; at++) {
		is_over |= __builtin_mul_overflow(length, 10, &length);
		is_over |= __builtin_add_overflow(length, (uint64_t)(*at - '0'), &length);
	}
	if (is_over)
		return refuse(refusal, 413, "Content-Length is larger than any body.");
	head->has_content_length = true;
	head->content_length = length;
	return true;
}

static bool judge_framing(struct http_head *head, struct refusal *refusal)
{
	const char *length = http_head_find(head, "Content-Length");
	const char *coding = http_head_find(head, "Transfer-Encoding");

	if (length && coding)
		return refuse(refusal, 400, "There are both Content-Length and Transfer-Encoding.");
	if (http_head_count(head, "Content-Length") > 1)
		return refuse(refusal, 400, "There is more than one Content-Length.");
	if (http_head_count(head, "Transfer-Encoding") > 1)
		return refuse(refusal, 400, "There is more than one Transfer-Encoding.");
	if (length)
		return read_length(head, length, refusal);
	if (!coding)
		return true;
	if (head->minor == 0)
		return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding.");
	if (strcasecmp(coding, "chunked") != 0)
		return refuse(refusal, 501, "The only transfer coding known here is chunked.");
	head->is_chunked = true;
	return true;
}

static bool judge_expectation(struct http_head *head, struct refusal *refusal)
{
	bool has_body = head->is_chunked || head->content_length > 0;
	size_t i;

	for (i = 0; i < head->field_count; i++) {
		if (strcasecmp(head->fields[i].name, "Expect") != 0)
			continue;
		if (strcasecmp(head->fields[i].value, "100-continue") != 0)
			return refuse(refusal, 417,
				      "The only expectation met here is 100-continue.");
		/* RFC 9110 section 10.1.1: HTTP/1.0 does not know what to do with a 100. */
		head->expects_continue = has_body && head->minor == 1;
	}
	return true;
}

static void judge_connection(struct http_head *head)
{
	bool has_close = false, has_keep_alive = false;
	size_t i;

	for (i = 0; i < head->field_count; i++) {
		if (strcasecmp(head->fields[i].name, "Connection") != 0)
			continue;
		has_close |= http_lists(head->fields[i].value, "close");
		has_keep_alive |= http_lists(head->fields[i].value, "keep-alive");
	}
	/* An unknown method may be the rest of a request that somebody else saw end earlier. */
	head->keeps_alive = !has_close && (head->minor == 1 || has_keep_alive) &&
			    head->method != HTTP_OTHER_METHOD;
}

/* --- the contract ------------------------------------------------------------ */

enum http_parse http_head_parse(struct http_head *head, const char *data, size_t bytes,
				size_t *used, int *status, const char **reason)
{
	struct refusal refusal;
	enum http_parse verdict = find_end(head, data, bytes, &refusal);

	if (verdict == HTTP_PARSE_DONE) {
		take_apart(head, data);
		judge_connection(head);
		if (!judge_host(head, &refusal) || !judge_framing(head, &refusal) ||
		    !judge_expectation(head, &refusal))
			verdict = HTTP_PARSE_BAD;
	}
	if (verdict == HTTP_PARSE_DONE) {
		*used = head->seen_bytes;
	} else if (verdict == HTTP_PARSE_BAD) {
		*status = refusal.status;
		*reason = refusal.reason;
		http_head_finish(head);
	}
	return verdict;
}

void http_head_finish(struct http_head *head)
{
	free(head->text);
	free(head->fields);
	*head = (struct http_head){ 0 };
}

const char *http_head_find(const struct http_head *head, const char *name)
{
	size_t i;

	for (i = 0; i < head->field_count; i++) {
		if (strcasecmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	}
	return NULL;
}

size_t http_head_count(const struct http_head *head, const char *name)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < head->field_count; i++)
		count += strcasecmp(head->fields[i].name, name) == 0;
	return count;
}
