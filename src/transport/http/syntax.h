/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The small pieces of HTTP's grammar that heads and chunked bodies are made of.
 * Nothing here allocates, changes its input or looks at a locale. Pure; any
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Bytes within somebody else's; no NUL behind them. */
struct http_span {
	const char *at; /* NULL: there is none, which is not the same as none of it */
	size_t bytes;
};

/* What stands in no line of HTTP: C0 but for the tab, and DEL. So also CR, LF and NUL. */
bool http_is_control(char byte);
/* RFC 9110 section 5.6.2; at least one byte. */
bool http_is_token(struct http_span text);
/* A field's line without its CRLF and without control bytes. False, and nothing set, if it has no
 * name, white space before its colon, or no colon. The white space around the value is dropped. */
bool http_split_field(struct http_span line, struct http_span *name, struct http_span *value);
/* Names of fields are the same in whichever case. */
bool http_is_named(struct http_span name, const char *expected);
/* HOST or HOST:PORT: a name or address that is not empty, IPv6 in brackets; a port has digits. No
 * user and no comma, with which two hosts would be joined. */
bool http_is_host(struct http_span text);
/* RFC 3986: segments with their slashes, percent signs with two hexadecimal digits each. */
bool http_is_path(struct http_span text);
/* Visible ASCII but for " # < >. That is more than RFC 3986 allows: browsers escape no others. */
bool http_is_query(struct http_span text);
/* 0 to 15, or -1. */
int http_hex_value(char digit);
/* Whether a comma-separated list has that member, in whichever case. */
bool http_lists(const char *list, const char *member);
