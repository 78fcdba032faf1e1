/* SPDX-License-Identifier: MIT */
#include "app/excerpt.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "session/observer.h"

#include <assert.h>
#include <string.h>

/* How many bytes of whole characters `text` begins with, of which it has more than `room`. */
static size_t whole_characters(const char *text, size_t room)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length = 0;
	bool is_valid;

	while (length < room) {
		size_t step = utf8_step(at + length, room - length, &is_valid);

		/* A broken one at the end may be a whole one that goes on. */
		if (!is_valid && length + step == room)
			break;
		length += step;
	}
	return length;
}

void excerpt_text(char *excerpt, size_t size, const char *text, size_t bytes)
{
	size_t room = size - sizeof(EXCERPT_CUT);
	size_t kept = bytes;

	assert(size >= sizeof(EXCERPT_CUT));
	if (bytes > room)
		kept = whole_characters(text, room);
	if (kept > 0)
		memcpy(excerpt, text, kept);
	memcpy(excerpt + kept, EXCERPT_CUT, sizeof(EXCERPT_CUT));
	if (bytes <= room)
		excerpt[kept] = '\0';
}

void excerpt_call(char *excerpt, size_t size, const char *command, const char *const *args)
{
	CLEANUP(buf_finish) struct buf line = BUF_INIT(LIMIT_COMMAND_TEXT_BYTES);

	assert(size <= EXCERPT_BYTES(LIMIT_COMMAND_TEXT_BYTES));
	observer_append_command(&line, command, args);
	excerpt_text(excerpt, size, line.data, line.length);
}
