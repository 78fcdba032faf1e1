/* SPDX-License-Identifier: MIT */
#include "transport/http/media.h"

#include <string.h>
#include <strings.h>

struct span {
	const char *text;
	size_t bytes;
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static struct span trim(struct span span)
{
	while (span.bytes > 0 && is_blank(span.text[0])) {
		span.text++;
		span.bytes--;
	}
	while (span.bytes > 0 && is_blank(span.text[span.bytes - 1]))
		span.bytes--;
	return span;
}

/* Takes what stands before the next separator, or all, off the front of `rest`. Of quoted strings
 * it knows nothing: the types that matter here have none. */
static struct span take_part(struct span *rest, char separator)
{
	const char *found = memchr(rest->text, separator, rest->bytes);
	struct span part = { rest->text, found ? (size_t)(found - rest->text) : rest->bytes };
	size_t taken = part.bytes + (found ? 1 : 0);

	rest->text += taken;
	rest->bytes -= taken;
	return trim(part);
}

static bool is_text(const struct span *span, const char *text)
{
	return span->bytes == strlen(text) && strncasecmp(span->text, text, span->bytes) == 0;
}

bool media_is(const char *content_type, const char *type)
{
	struct span rest = { content_type, content_type ? strlen(content_type) : 0 };
	struct span named;

	if (!content_type)
		return false;
	named = take_part(&rest, ';');
	return is_text(&named, type);
}

/* q=0, q=0.0 and so on. */
static bool is_zero_weight(const struct span *parameter)
{
	size_t i;

	if (parameter->bytes < 3 || strncasecmp(parameter->text, "q=0", 3) != 0)
		return false;
	for (i = 3; i < parameter->bytes; i++) {
		if (parameter->text[i] != (i == 3 ? '.' : '0'))
			return false;
	}
	return true;
}

/* "application/json" is covered by itself, "application/ *" without the blank, and by anything. */
static bool covers(const struct span *range, const char *type)
{
	size_t family = strcspn(type, "/") + 1;

	if (is_text(range, "*/*") || is_text(range, type))
		return true;
	return range->bytes == family + 1 && range->text[family] == '*' &&
	       strncasecmp(range->text, type, family) == 0;
}

static bool takes_one_of(struct span member, const char *const *types, size_t count)
{
	struct span range = take_part(&member, ';');
	size_t i;

	while (member.bytes > 0) {
		struct span parameter = take_part(&member, ';');

		if (is_zero_weight(&parameter))
			return false;
	}
	for (i = 0; i < count; i++) {
		if (covers(&range, types[i]))
			return true;
	}
	return false;
}

bool media_accepts(const char *accept, const char *const *types, size_t count)
{
	struct span rest = { accept, strlen(accept) };
	bool is_empty = true;

	while (rest.bytes > 0) {
		struct span member = take_part(&rest, ',');

		if (member.bytes == 0)
			continue;
		is_empty = false;
		if (takes_one_of(member, types, count))
			return true;
	}
	return is_empty;
}
