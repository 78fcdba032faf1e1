/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A work bench for tests of this room: a loop, a registry over the stub backend,
 * and calls whose ends are remembered. The test's thread is the loop thread; it
 * runs the loop only while it waits for something.
 */

#include "session/call.h"
#include "session/registry.h"
#include "tests/unit/session/stub_backend.h"

#define BENCH_MAX_CALLS 2048

/* One call, by the number that bench_call gave. */
struct bench_call {
	struct bench *bench;
	struct call *call; /* NULL once it is over */
	unsigned ends;	   /* how often on_done came */
	bool is_cancelled;
	char text[ERROR_MESSAGE_BYTES]; /* "exit CODE: STDOUT STDERR", or the error's sentence */
	char handle[CALL_HANDLE_BYTES];
	char progress[64];	/* the last message */
	unsigned reports;	/* of progress */
	struct session *closes; /* not NULL: when it is over */
	/* The worker's, until on_done. */
	char encoded_handle[CALL_HANDLE_BYTES];
};

struct bench {
	struct registry_config config;
	struct loop *loop;
	struct stub_backend *stub;
	struct registry *registry;
	struct session *session; /* for calls that name none */
	unsigned call_count;
	unsigned ended;
	bool is_gone;
	unsigned rounds; /* of bench_linger, a millisecond each */
	struct bench_call calls[BENCH_MAX_CALLS];
};

/* Room for everything, unless a test sets less. */
extern const struct registry_config bench_config;

struct bench *bench_create(const struct registry_config *config);
/* Shuts the registry down, and checks that every call ended once and every sandbox is gone. */
void bench_destroy(struct bench *bench);

/* One more session of the unnamed. */
struct session *bench_session(struct bench *bench);
struct session *bench_session_of(struct bench *bench, const char *principal);

struct bench_call *bench_call(struct bench *bench, const char *command);
struct bench_call *bench_call_in(struct bench *bench, struct session *session,
				 enum call_target target, const char *handle, const char *command);

/* Takes the request's contents. */
struct bench_call *bench_start(struct bench *bench, struct session *session,
			       struct call_request *request);

/* Runs the loop until `is_so` holds; fails the test if that takes far too long. */
void bench_wait(struct bench *bench, bool (*is_so)(struct bench *bench, unsigned figure),
		unsigned figure);
bool bench_has_ended(struct bench *bench, unsigned calls);
bool bench_is_running(struct bench *bench, unsigned commands);
bool bench_is_creating(struct bench *bench, unsigned sandboxes);
bool bench_has_live(struct bench *bench, unsigned sandboxes);
bool bench_has_examined(struct bench *bench, unsigned sandboxes);
bool bench_has_made(struct bench *bench, unsigned sandboxes);
bool bench_has_failed(struct bench *bench, unsigned creations);
/* Lets the loop do what is due for so long: only for what must not happen. */
void bench_linger(struct bench *bench, unsigned milliseconds);
void bench_wait_for_all(struct bench *bench);
