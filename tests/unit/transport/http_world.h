/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A server with a handler that does what the path says, and clients that are
 * sockets of the same thread: the loop goes round while they wait.
 *
 *   /now        answers in on_head: "now"
 *   /refused    answers 401 in on_head, whatever follows
 *   /echo       takes a body and answers with it; of a client that is not trusted: /echo-stranger
 *   /later      takes a body; the test answers (world->held)
 *   /stream     takes a body and opens a stream; the test goes on (world->held)
 *   /early      opens a stream in on_head
 */

#include "base/buf.h"
#include "transport/http/server.h"

#include <stdbool.h>
#include <stddef.h>

#define WORLD_HELD 64
#define WORLD_MAX_BODY_BYTES (1024 * 1024)
/* For whatever must not take that long. */
#define WORLD_LONG_MS 3600000

struct world {
	struct loop *loop;
	struct loop_timer *tick;
	struct budget *budget;
	struct http_server *server;
	struct http_patience patience;
	struct http_request *held[WORLD_HELD]; /* in order; NULL once answered or gone */
	unsigned held_count;
	unsigned heads, bodies, gone;
	size_t body_bytes; /* of the last one */
	bool is_idle;	   /* on_idle came */
};

/* Starts with a patience without end and a budget of 64 MiB; sets `config` up for a server. */
void world_prepare(struct world *world, struct http_server_config *config);
/* 127.0.0.1, any port. */
void world_open(struct world *world, const struct http_server_config *config);
void world_open_plain(struct world *world);
void world_close(struct world *world);
/* Once round the loop, a millisecond at most. */
void world_turn(struct world *world);
/* Until the condition holds; fails after a minute. */
#define world_wait(world_, condition_)                                                             \
	do {                                                                                       \
		uint64_t until_ms_ = clock_now_ms() + 60000;                                       \
		while (!(condition_)) {                                                            \
			if (clock_now_ms() > until_ms_)                                            \
				fail_msg("waited a minute for: %s", #condition_);                  \
			world_turn(world_);                                                        \
		}                                                                                  \
	} while (0)
void world_on_idle(void *context);
unsigned world_connections(const struct world *world);
/* Answers the held request with this text. */
void world_answer(struct world *world, unsigned index, const char *text);

struct client {
	struct world *world;
	int fd;
	struct buf received;
	bool has_ended; /* end of file */
	bool is_reset;
};

void client_open(struct client *client, struct world *world);
void client_use(struct client *client, struct world *world, int fd);
void client_close(struct client *client);
/* All of it, while the loop goes round. False: the server would not take it. */
bool client_send_bytes(struct client *client, const char *data, size_t bytes);
void client_send(struct client *client, const char *text);
/* Until this has come; drops everything up to its end. */
void client_expect(struct client *client, const char *text);
/* The end of file comes, and nothing that was not expected before it. */
void client_expect_end(struct client *client);
/* Until end of file or reset, whatever comes before it. */
void client_wait_for_end(struct client *client);
/* What is there now goes into `received`. */
void client_read(struct client *client);
