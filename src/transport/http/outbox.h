/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What is to be sent on a connection and has not been. Charged to a budget
 * whether it has room or not: an answer that is there cannot be refused any
 * more; whoever makes answers large asks before.
 */

#include "base/budget.h"
#include "transport/http/wire.h"

#include <stddef.h>

struct outbox {
	struct outbox_piece *first, *last;
	size_t unsent_bytes;
	struct budget *budget; /* borrowed; may be NULL */
};

#define OUTBOX_INIT(budget_) { NULL, NULL, 0, (budget_) }

void outbox_finish(struct outbox *outbox);
/* Copies; for what is small. */
void outbox_add(struct outbox *outbox, const void *data, size_t bytes);
/* Takes `data` (free()). */
void outbox_add_taken(struct outbox *outbox, char *data, size_t bytes);
/* Sends until all is out, so much is, or nothing moves. How many bytes went out; or WIRE_BROKEN. */
ssize_t outbox_send(struct outbox *outbox, struct wire *wire, size_t max_bytes);
