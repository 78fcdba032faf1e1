/* SPDX-License-Identifier: MIT */
#include "transport/http/syntax.h"

#include <string.h>
#include <strings.h>

#define MAX_PORT 65535
#define MAX_PORT_DIGITS 5

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_one_of(char byte, const char *set)
{
	return memchr(set, byte, strlen(set)) != NULL;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

int http_hex_value(char digit)
{
	if (is_digit(digit))
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool http_is_control(char byte)
{
	return ((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f;
}

bool http_is_token(struct http_span text)
{
	size_t i;

	for (i = 0; i < text.bytes; i++) {
		char byte = text.at[i];

		if (!is_digit(byte) && !is_letter(byte) && !is_one_of(byte, "!#$%&'*+-.^_`|~"))
			return false;
	}
	return text.bytes > 0;
}

bool http_split_field(struct http_span line, struct http_span *name, struct http_span *value)
{
	const char *colon = memchr(line.at, ':', line.bytes);
	struct http_span before, behind;

	if (!colon)
		return false;
	before = (struct http_span){ line.at, (size_t)(colon - line.at) };
	behind = (struct http_span){ colon + 1, line.bytes - before.bytes - 1 };
	if (!http_is_token(before))
		return false;
	while (behind.bytes > 0 && is_blank(behind.at[0])) {
		behind.at++;
		behind.bytes--;
	}
	while (behind.bytes > 0 && is_blank(behind.at[behind.bytes - 1]))
		behind.bytes--;
	*name = before;
	*value = behind;
	return true;
}

bool http_is_named(struct http_span name, const char *expected)
{
	return name.bytes == strlen(expected) && strncasecmp(name.at, expected, name.bytes) == 0;
}

/* Letters, digits, `others`, and percent signs with two hexadecimal digits each. */
static bool is_uri_text(struct http_span text, const char *others)
{
	size_t i;

	for (i = 0; i < text.bytes; i++) {
		char byte = text.at[i];

		if (byte == '%') {
			if (text.bytes - i < 3 || http_hex_value(text.at[i + 1]) < 0 ||
			    http_hex_value(text.at[i + 2]) < 0)
				return false;
		} else if (!is_digit(byte) && !is_letter(byte) && !is_one_of(byte, others)) {
			return false;
		}
	}
	return true;
}

static bool is_bracketed_address(struct http_span text)
{
	size_t i;

	for (i = 1; i + 1 < text.bytes; i++) {
		if (http_hex_value(text.at[i]) < 0 && !is_one_of(text.at[i], ":."))
			return false;
	}
	/* The shortest is [::]. */
	return text.bytes >= 4;
}

static bool is_port(struct http_span text)
{
	unsigned port = 0;
	size_t i;

	if (text.bytes == 0 || text.bytes > MAX_PORT_DIGITS)
		return false;
	for (i = 0; i < text.bytes; i++) {
		if (!is_digit(text.at[i]))
			return false;
		port = 10 * port + (unsigned)(text.at[i] - '0');
	}
	return port <= MAX_PORT;
}

bool http_is_host(struct http_span text)
{
	bool is_bracketed = text.bytes > 0 && text.at[0] == '[';
	const char *end = memchr(text.at, is_bracketed ? ']' : ':', text.bytes);
	struct http_span host, rest;

	if (is_bracketed && !end)
		return false;
	host = (struct http_span){ text.at, text.bytes };
	if (end)
		host.bytes = (size_t)(end - text.at) + is_bracketed;
	rest = (struct http_span){ text.at + host.bytes, text.bytes - host.bytes };
	if (rest.bytes > 0 &&
	    (rest.at[0] != ':' || !is_port((struct http_span){ rest.at + 1, rest.bytes - 1 })))
		return false;
	if (is_bracketed)
		return is_bracketed_address(host);
	return host.bytes > 0 && is_uri_text(host, "-._~!$&'()*+;=");
}

bool http_is_path(struct http_span text)
{
	return is_uri_text(text, "-._~!$&'()*+,;=:@/");
}

bool http_is_query(struct http_span text)
{
	size_t i;

	for (i = 0; i < text.bytes; i++) {
		if (text.at[i] <= ' ' || text.at[i] > '~' || is_one_of(text.at[i], "\"#<>"))
			return false;
	}
	return true;
}

bool http_lists(const char *list, const char *member)
{
	size_t bytes = strlen(member);

	while (*list) {
		size_t part;

		list += strspn(list, ", \t");
		part = strcspn(list, ",");
		while (part > 0 && is_blank(list[part - 1]))
			part--;
		if (part == bytes && strncasecmp(list, member, bytes) == 0)
			return true;
		list += part;
		list += strspn(list, " \t");
	}
	return false;
}
