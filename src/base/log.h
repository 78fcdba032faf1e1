/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One line per event on stderr, as text or JSON; fields are documented in
 * docs/operations.md. Nothing ever waits for stderr: lines go into a bounded
 * ring that a thread of its own writes out; when the ring is full a line is
 * dropped and counted, and the count is logged when there is room again.
 * stdout belongs to the protocol and is never touched here.
 *
 * The function that handles an error logs it, once. Any thread may log. A field
 * never holds a secret; foreign text is escaped here.
 */

#include <stddef.h>
#include <stdint.h>

struct buf;

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	const char *name;
	const char *text; /* NULL: `number` counts */
	int64_t number;
};

#define LOG_STRING(name_, text_) ((struct log_field){ (name_), (text_), 0 })
#define LOG_NUMBER(name_, number_) ((struct log_field){ (name_), NULL, (int64_t)(number_) })

/* Before any other call that logs; the default is INFO and TEXT. */
void log_configure(enum log_level level, enum log_format format);
/* Starts the writer thread. Until then lines are written at once, or dropped and counted. */
void log_start(void);
/* Waits at most 100 ms for the ring to empty. A blocked stderr holds up nobody. */
void log_finish(void);

/* The time as lines have it: 2026-11-23T17:23:57.720Z. */
void log_append_time(struct buf *line);

/* `event` is a snake_case word that never changes meaning: "sandbox_created". */
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
		size_t count);

#define log_event(level, event, ...)                                                               \
	log_fields((level), (event), (const struct log_field[]){ __VA_ARGS__ },                    \
		   sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))
