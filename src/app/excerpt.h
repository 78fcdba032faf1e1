/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The beginning of a text that somebody sent, in room of a fixed size. Nothing
 * is escaped: that is for whoever prints it. Any thread; pure.
 */

#include <stddef.h>

/* Behind what did not fit. */
#define EXCERPT_CUT "..."

/* What holds `max_bytes` of text, whole or cut. */
#define EXCERPT_BYTES(max_bytes) ((max_bytes) + sizeof(EXCERPT_CUT))

/* `size` is EXCERPT_BYTES of something. What does not fit is cut between two characters. */
void excerpt_text(char *excerpt, size_t size, const char *text, size_t bytes);
/* Of a command, or of program and arguments, as observer_append_command makes it. */
void excerpt_call(char *excerpt, size_t size, const char *command, const char *const *args);
