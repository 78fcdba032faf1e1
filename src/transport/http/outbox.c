/* SPDX-License-Identifier: MIT */
#include "transport/http/outbox.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Room for a few chunk sizes, comments, or the head of an answer. */
#define PIECE_BYTES 512
/* Pieces are gathered up to this size: one packet, or one TLS record, instead of many. */
#define GATHERED_BYTES (16 * KIB)

struct outbox_piece {
	struct outbox_piece *next;
	char *taken; /* NULL: the bytes are in `room` */
	size_t bytes, sent_bytes;
	size_t charged_bytes;
	size_t room_bytes;
	char room[];
};

static const char *data_of(const struct outbox_piece *piece)
{
	return piece->taken ? piece->taken : piece->room;
}

static struct outbox_piece *append(struct outbox *outbox, size_t room_bytes, size_t charged_bytes)
{
	struct outbox_piece *piece = alloc_zeroed(sizeof(*piece) + room_bytes);

	piece->room_bytes = room_bytes;
	piece->charged_bytes = sizeof(*piece) + charged_bytes;
	budget_take_over(outbox->budget, piece->charged_bytes);
	if (outbox->last)
		outbox->last->next = piece;
	else
		outbox->first = piece;
	outbox->last = piece;
	return piece;
}

static void drop_first(struct outbox *outbox)
{
	struct outbox_piece *piece = outbox->first;

	outbox->first = piece->next;
	if (!outbox->first)
		outbox->last = NULL;
	outbox->unsent_bytes -= piece->bytes - piece->sent_bytes;
	budget_give(outbox->budget, piece->charged_bytes);
	free(piece->taken);
	free(piece);
}

void outbox_finish(struct outbox *outbox)
{
	while (outbox->first)
		drop_first(outbox);
}

void outbox_add(struct outbox *outbox, const void *data, size_t bytes)
{
	struct outbox_piece *piece = outbox->first ? outbox->last : NULL;

	if (bytes == 0)
		return;
	if (!piece || bytes > piece->room_bytes - piece->bytes || piece->taken) {
		size_t room_bytes = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;

		piece = append(outbox, room_bytes, room_bytes);
	}
	memcpy(piece->room + piece->bytes, data, bytes);
	piece->bytes += bytes;
	outbox->unsent_bytes += bytes;
}

void outbox_add_taken(struct outbox *outbox, char *data, size_t bytes)
{
	struct outbox_piece *piece;

	if (bytes == 0) {
		free(data);
		return;
	}
	piece = append(outbox, 0, bytes);
	piece->taken = data;
	piece->bytes = bytes;
	outbox->unsent_bytes += bytes;
}

/* The bytes that go next: as they lie, or several small pieces put together in `gathered`. */
static const char *next_bytes(const struct outbox *outbox, char *gathered, size_t *bytes)
{
	const struct outbox_piece *piece = outbox->first;
	size_t left = piece->bytes - piece->sent_bytes;

	if (left >= GATHERED_BYTES || !piece->next) {
		*bytes = left;
		return data_of(piece) + piece->sent_bytes;
	}
	*bytes = 0;
	for (; piece && *bytes < GATHERED_BYTES; piece = piece->next) {
		size_t part = piece->bytes - piece->sent_bytes;

		if (part > GATHERED_BYTES - *bytes)
			part = GATHERED_BYTES - *bytes;
		memcpy(gathered + *bytes, data_of(piece) + piece->sent_bytes, part);
		*bytes += part;
	}
	return gathered;
}

static void note_sent(struct outbox *outbox, size_t bytes)
{
	while (bytes > 0) {
		struct outbox_piece *piece = outbox->first;
		size_t left = piece->bytes - piece->sent_bytes;

		if (bytes < left) {
			piece->sent_bytes += bytes;
			outbox->unsent_bytes -= bytes;
			return;
		}
		bytes -= left;
		drop_first(outbox);
	}
}

ssize_t outbox_send(struct outbox *outbox, struct wire *wire, size_t max_bytes)
{
	char gathered[GATHERED_BYTES];
	size_t left = max_bytes;

	/* No piece is empty. */
	while (outbox->first && left > 0) {
		size_t bytes;
		const char *data = next_bytes(outbox, gathered, &bytes);
		ssize_t sent = wire_send(wire, data, bytes < left ? bytes : left);

		if (sent == WIRE_WAIT)
			break;
		if (sent < 0)
			return sent;
		note_sent(outbox, (size_t)sent);
		left -= (size_t)sent;
	}
	return (ssize_t)(max_bytes - left);
}
