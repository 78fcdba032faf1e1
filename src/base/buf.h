/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A growable byte buffer that cannot outgrow the maximum it was born with.
 * Whatever a peer may make long goes into one of these. One owner, one thread.
 *
 * Once an append failed (over the maximum, or no memory) the buffer stays as it
 * was and `failed` stays set, so a writer of many pieces may check once at the
 * end.
 *
 * With a budget the allocated bytes are charged to it, and an append that would
 * need more of them than there are fails like any other.
 */

#include "base/attr.h"
#include "base/budget.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;	 /* not NUL-terminated; NULL while empty */
	size_t length;	 /* bytes in use */
	size_t capacity; /* bytes allocated */
	size_t max;	 /* never more than this many bytes in use */
	bool failed;
	struct budget *budget; /* borrowed; NULL: nothing is charged */
};

#define BUF_INIT(max_bytes) { NULL, 0, 0, (max_bytes), false, NULL }

void buf_init(struct buf *buf, size_t max_bytes);
/* While it is empty. What is charged is given back by buf_finish and buf_take_string. */
void buf_set_budget(struct buf *buf, struct budget *budget);
/* Frees the bytes; the buffer may be used again. Also for CLEANUP(). */
void buf_finish(struct buf *buf);

/* 0, or -1 and failed = true: nothing of `data` was appended. */
int buf_append(struct buf *buf, const void *data, size_t bytes);
int buf_append_string(struct buf *buf, const char *text);
int buf_append_byte(struct buf *buf, char byte);
int buf_printf(struct buf *buf, const char *format, ...) ATTR_PRINTF(2, 3);
/* Makes room for `bytes` more and returns where they go, or NULL; then
 * buf_commit says how many were written. */
char *buf_reserve(struct buf *buf, size_t bytes);
void buf_commit(struct buf *buf, size_t bytes);
/* Drops `bytes` from the front. */
void buf_consume(struct buf *buf, size_t bytes);
void buf_clear(struct buf *buf);
/* Hands the bytes on as a NUL-terminated string (free()), leaving it empty. NULL if it failed.
 * They are no longer charged: whoever keeps them for long sees to that. */
char *buf_take_string(struct buf *buf);
