/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Sandboxes that stand ready before anybody needs one, so that a first call
 * finds its own made. One at a time is made, and only while nobody waits for
 * the making of his own: a client that comes during it gets that one. They
 * count among --max-sandboxes and --max-creating, but take a place from
 * nobody. Whoever is given one keeps it; none ever comes back. Loop thread.
 *
 * Nothing is made before pool_begin or the first sandbox of a client, whichever
 * is first. What fails, or dies while it waits, is followed by a pause that
 * doubles until one has been of use.
 */

#include "session/state.h"

struct pool *pool_create(struct registry *registry);
/* After pool_close, or before anything was made. */
void pool_destroy(struct pool *pool);

/* A client is to be expected: from now on the pool is kept full. */
void pool_begin(struct pool *pool);
/* A client has got a sandbox, from here or made for it, and is about to use it. */
void pool_on_served(struct pool *pool);
void pool_on_call_ended(struct pool *pool);
/* Something has ended that may have stood in the way of making another. */
void pool_advance(struct pool *pool);
/* Gives up all there is, for good. */
void pool_close(struct pool *pool);

/* How many stand ready. */
unsigned pool_ready(const struct pool *pool);
/* One that lives, with its place among --max-sandboxes, or NULL. The caller's from now on. */
struct sandbox *pool_take(struct pool *pool);
/* The one that is just being made, likewise, or NULL; it will end in demand_on_created. */
struct creation *pool_take_creation(struct pool *pool, struct lease *lease);

/* Takes the sandbox; NULL: it could not be made. */
void pool_on_created(struct pool *pool, struct sandbox *sandbox);
