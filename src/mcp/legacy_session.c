/* SPDX-License-Identifier: MIT */
#include "mcp/endpoint_state.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static const char *owner_name(const char *principal)
{
	return principal ? principal : "";
}

static struct session_owner *find_owner(struct endpoint *endpoint, const char *principal)
{
	const char *name = owner_name(principal);
	struct session_owner *owner;

	HASH_FIND_STR(endpoint->owners, name, owner);
	if (owner)
		return owner;
	owner = alloc_zeroed(sizeof(*owner));
	owner->name = alloc_string(name);
	HASH_ADD_KEYPTR(hh, endpoint->owners, owner->name, strlen(owner->name), owner);
	return owner;
}

static void release_owner(struct endpoint *endpoint, struct session_owner *owner)
{
	if (--owner->session_count > 0)
		return;
	HASH_DEL(endpoint->owners, owner);
	free(owner->name);
	free(owner);
}

/* --- too many, and too old ---------------------------------------------------- */

static bool is_busy(const struct legacy_session *session)
{
	return session->client->request_count > 0 || session->pins > 0;
}

/* The longest unused one that waits for nothing. Who has half of all gives up his own: nobody can
 * drive the others out. */
static struct legacy_session *find_victim(const struct endpoint *endpoint, const char *principal)
{
	const struct session_owner *owner;
	const char *name = owner_name(principal);
	struct legacy_session *session;
	bool is_greedy;

	HASH_FIND_STR(endpoint->owners, name, owner);
	is_greedy = owner && owner->session_count >= endpoint->config.max_sessions / 2;
	DL_FOREACH (endpoint->sessions, session) {
		if (!is_busy(session) && (!is_greedy || session->owner == owner))
			return session;
	}
	return NULL;
}

static bool make_room(struct endpoint *endpoint, const char *principal)
{
	struct legacy_session *victim;

	if (endpoint->session_count < endpoint->config.max_sessions)
		return true;
	victim = find_victim(endpoint, principal);
	if (!victim)
		return false;
	legacy_session_end(victim, "too many");
	/* Unless whoever was told of the end has opened another one at once. */
	return endpoint->session_count < endpoint->config.max_sessions;
}

static void schedule_expiry(struct endpoint *endpoint)
{
	const struct legacy_session *oldest = endpoint->sessions;
	uint64_t now_ms = clock_now_ms();
	uint64_t end_ms;

	if (!oldest) {
		loop_timer_stop(endpoint->expiry_timer);
		return;
	}
	end_ms = oldest->used_ms + endpoint->config.session_ms;
	loop_timer_start(endpoint->expiry_timer, end_ms > now_ms ? end_ms - now_ms : 0);
}

void legacy_session_expire(void *context)
{
	struct endpoint *endpoint = context;
	uint64_t now_ms = clock_now_ms();
	struct legacy_session *oldest;

	while ((oldest = endpoint->sessions) &&
	       oldest->used_ms + endpoint->config.session_ms <= now_ms) {
		/* Waiting for a command is a use. */
		if (is_busy(oldest))
			legacy_session_touch(oldest);
		else
			legacy_session_end(oldest, "unused");
	}
	schedule_expiry(endpoint);
}

/* --- life ---------------------------------------------------------------------- */

struct legacy_session *legacy_session_open(struct endpoint *endpoint, const char *principal,
					   char id[SESSION_ID_BYTES])
{
	struct registry *registry = endpoint->server->config.registry;
	struct legacy_session *session;
	struct session *calls;

	if (!make_room(endpoint, principal))
		return NULL;
	session = alloc_zeroed(sizeof(*session));
	session->endpoint = endpoint;
	session->owner = find_owner(endpoint, principal);
	session->owner->session_count++;
	random_hex(id, (SESSION_ID_BYTES - 1) / 2);
	hash_bytes(session->digest, id, strlen(id));
	calls = session_open(registry_principal(registry, principal));
	session->client = client_create(endpoint->server, calls);
	session->intake = intake_create(endpoint->server);
	session->opened_ms = session->used_ms = clock_now_ms();
	HASH_ADD(hh, endpoint->sessions_by_digest, digest, HASH_BYTES, session);
	DL_APPEND(endpoint->sessions, session);
	endpoint->session_count++;
	schedule_expiry(endpoint);
	log_event(LOG_DEBUG, "session_opened",
		  LOG_STRING("session", session_tag(session->client->session)),
		  LOG_STRING("principal", session->owner->name));
	return session;
}

struct legacy_session *legacy_session_find(const struct endpoint *endpoint, const char *id,
					   const char *principal)
{
	unsigned char digest[HASH_BYTES];
	struct legacy_session *session;

	hash_bytes(digest, id, strlen(id));
	HASH_FIND(hh, endpoint->sessions_by_digest, digest, HASH_BYTES, session);
	if (!session || strcmp(session->owner->name, owner_name(principal)) != 0)
		return NULL;
	return session;
}

void legacy_session_touch(struct legacy_session *session)
{
	struct endpoint *endpoint = session->endpoint;

	session->used_ms = clock_now_ms();
	if (session->next) {
		DL_DELETE(endpoint->sessions, session);
		DL_APPEND(endpoint->sessions, session);
	}
	/* The timer may fire too early now; it looks again then. */
}

static void destroy(struct legacy_session *session)
{
	client_destroy(session->client);
	free(session);
}

void legacy_session_pin(struct legacy_session *session)
{
	session->pins++;
}

void legacy_session_unpin(struct legacy_session *session)
{
	session->pins--;
	if (session->is_ended && session->pins == 0)
		destroy(session);
}

static struct exchange *find_exchange(const struct legacy_session *session)
{
	struct exchange *exchange;

	DL_FOREACH (session->endpoint->exchanges, exchange) {
		if (exchange->session == session)
			return exchange;
	}
	return NULL;
}

void legacy_session_end(struct legacy_session *session, const char *reason)
{
	struct endpoint *endpoint = session->endpoint;
	struct exchange *exchange;

	if (session->is_ended)
		return;
	log_event(LOG_DEBUG, "session_closed",
		  LOG_STRING("session", session_tag(session->client->session)),
		  LOG_STRING("principal", session->owner->name), LOG_STRING("reason", reason));
	session->is_ended = true;
	HASH_DEL(endpoint->sessions_by_digest, session);
	DL_DELETE(endpoint->sessions, session);
	endpoint->session_count--;
	release_owner(endpoint, session->owner);
	session->owner = NULL;
	/* What was not read yet reaches nobody any more. */
	intake_destroy(TAKE_PTR(session->intake));
	legacy_session_pin(session);
	while ((exchange = find_exchange(session)))
		exchange_bereave(exchange);
	legacy_session_unpin(session);
}
