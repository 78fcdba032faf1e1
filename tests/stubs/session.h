/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A session room without sandboxes: calls wait until the test says how they
 * ended. For tests and fuzz targets of what stands above it.
 */

#include "session/registry.h"

#include <stdbool.h>
#include <stddef.h>

#define STUB_CALLS 2048

#define STUB_PRINCIPALS 16
#define STUB_NAME_BYTES 65

struct principal {
	struct registry *registry;
	char name[STUB_NAME_BYTES]; /* "": the unnamed */
};

struct session {
	struct principal *principal;
	unsigned call_count;
	bool is_closed;
};

struct registry {
	struct budget *budget; /* NULL: without an end */
	struct principal principals[STUB_PRINCIPALS];
	size_t principal_count;
	struct exec_facts facts;
	bool has_facts;	       /* else probing fails */
	bool is_holding_facts; /* answered by stub_release_facts */
	void (*on_facts)(void *context, const struct exec_facts *facts, const struct error *err);
	void *facts_context;
	struct call *calls[STUB_CALLS]; /* in the order of starting; NULL once done */
	size_t call_count;
	unsigned session_count;
};

struct call {
	struct registry *registry;
	struct session *session;
	size_t index;
	struct call_request request;
	struct call_callbacks callbacks;
	bool is_cancelled;
};

/* How a call ends; `error` of kind NONE: by the rest. */
struct stub_outcome {
	const char *out, *err; /* NULL: empty */
	size_t out_bytes;      /* 0: out is a string */
	struct exec_result result;
	struct error error;
	const char *handle;
};

void stub_registry_init(struct registry *registry);
/* Lets everything end that was cancelled. */
void stub_settle(struct registry *registry);
void stub_finish(struct call *call, const struct stub_outcome *outcome);
void stub_release_facts(struct registry *registry);
/* Ends all and frees all. */
void stub_registry_finish(struct registry *registry);
