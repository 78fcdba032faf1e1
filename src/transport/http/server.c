/* SPDX-License-Identifier: MIT */
#include "transport/http/server.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "transport/http/state.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* --- whose turn it is --------------------------------------------------------------- */

static bool has_idle_news(const struct http_server *server)
{
	return server->is_draining && !server->is_idle_told && !server->ranks[HTTP_RANK_BUSY];
}

/* Connections that want more than one turn get theirs here, one after the other, for a moment; then
 * the loop looks at all others again. */
static void on_turns(void *context)
{
	struct http_server *server = context;
	uint64_t until_us = clock_now_us() + LIMIT_HTTP_BULK_US;

	while (server->waiting && clock_now_us() < until_us)
		http_connection_turn(server->waiting);
	if (server->waiting)
		loop_timer_start(server->turn_timer, 0);
	if (has_idle_news(server)) {
		server->is_idle_told = true;
		server->on_idle(server->idle_context);
	}
}

void http_server_queue_turn(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->is_waiting)
		return;
	connection->is_waiting = true;
	if (!server->waiting)
		loop_timer_start(server->turn_timer, 0);
	DL_APPEND2(server->waiting, connection, previous_waiting, next_waiting);
}

void http_server_unqueue_turn(struct http_connection *connection)
{
	if (!connection->is_waiting)
		return;
	connection->is_waiting = false;
	DL_DELETE2(connection->server->waiting, connection, previous_waiting, next_waiting);
}

void http_server_note_progress(struct http_server *server)
{
	if (has_idle_news(server))
		loop_timer_start(server->turn_timer, 0);
}

/* --- caps --------------------------------------------------------------------------- */

void http_server_rank(struct http_connection *connection, enum http_rank rank)
{
	struct http_server *server = connection->server;

	if (connection->rank == rank)
		return;
	if (connection->rank != HTTP_RANKS) {
		DL_DELETE2(server->ranks[connection->rank], connection, previous, next);
		server->rank_counts[connection->rank]--;
	}
	connection->rank = rank;
	if (rank != HTTP_RANKS) {
		DL_APPEND2(server->ranks[rank], connection, previous, next);
		server->rank_counts[rank]++;
	}
}

/* What has come on it and was not looked at yet may be a request, with which it stays. Whether
 * there is a free place now. */
static bool is_gone_at_last_look(struct http_connection *connection)
{
	struct http_server *server = connection->server;
	unsigned before = server->connection_count;

	connection->is_readable = true;
	http_connection_turn(connection);
	return server->connection_count < before;
}

/* Whose loss harms least; NULL: all have a request. */
static struct http_connection *first_to_give_up(const struct http_server *server)
{
	for (int rank = 0; rank < HTTP_RANK_BUSY; rank++) {
		if (server->ranks[rank])
			return server->ranks[rank];
	}
	return NULL;
}

void http_server_give_up_one(struct http_server *server)
{
	struct http_connection *connection;

	for (int i = 0; i < LIMIT_HTTP_LAST_LOOKS; i++) {
		connection = first_to_give_up(server);
		if (!connection || is_gone_at_last_look(connection))
			return;
		if (connection == first_to_give_up(server)) {
			http_connection_destroy(connection);
			return;
		}
	}
	/* So many looks, and each has found a request: of those that are refused there is no end.
	 * They have had their answers. */
	connection = server->ranks[HTTP_RANK_LINGERING];
	if (connection)
		http_connection_destroy(connection);
}

void http_server_make_room_handshake(struct http_server *server)
{
	while (server->rank_counts[HTTP_RANK_HANDSHAKE] >= LIMIT_HTTP_HANDSHAKES) {
		struct http_connection *oldest = server->ranks[HTTP_RANK_HANDSHAKE];

		/* One that can go on does, and is out of the way. */
		if (!is_gone_at_last_look(oldest) && server->ranks[HTTP_RANK_HANDSHAKE] == oldest)
			http_connection_destroy(oldest);
	}
}

bool http_server_make_room(struct http_server *server)
{
	if (server->connection_count >= server->config.max_connections)
		http_server_give_up_one(server);
	return server->connection_count < server->config.max_connections;
}

void http_server_untrusted_add(struct http_connection *connection)
{
	connection->is_untrusted = true;
	connection->server->untrusted_count++;
	DL_APPEND2(connection->server->untrusted, connection, previous_untrusted, next_untrusted);
}

void http_server_untrusted_remove(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	if (!connection->is_untrusted)
		return;
	connection->is_untrusted = false;
	server->untrusted_count--;
	DL_DELETE2(server->untrusted, connection, previous_untrusted, next_untrusted);
}

/* The one to give up: the oldest without a request, else the oldest. */
static struct http_connection *worse(struct http_connection *found,
				     struct http_connection *connection)
{
	if (!found || (found->rank == HTTP_RANK_BUSY && connection->rank != HTTP_RANK_BUSY))
		return connection;
	return found;
}

/* Which must go for one more to be within the caps; NULL: none. */
static struct http_connection *untrusted_too_many(const struct http_server *server,
						  const struct in6_addr *network)
{
	struct http_connection *connection, *oldest = NULL, *oldest_of_peer = NULL;
	unsigned of_peer = 0;

	DL_FOREACH2 (server->untrusted, connection, next_untrusted) {
		oldest = worse(oldest, connection);
		if (memcmp(&connection->network, network, sizeof(*network)) != 0)
			continue;
		of_peer++;
		oldest_of_peer = worse(oldest_of_peer, connection);
	}
	if (of_peer >= LIMIT_HTTP_UNTRUSTED_PER_PEER)
		return oldest_of_peer;
	return server->untrusted_count >= LIMIT_HTTP_UNTRUSTED ? oldest : NULL;
}

/* The new one is let in, not refused: whoever proves nothing holds a place only until somebody else
 * needs it, and a client that proves itself at once gets its answer. */
void http_server_make_room_untrusted(struct http_server *server, const struct in6_addr *network)
{
	struct http_connection *connection;

	for (int i = 0; (connection = untrusted_too_many(server, network)); i++) {
		bool may_stay = i < LIMIT_HTTP_LAST_LOOKS && connection->rank != HTTP_RANK_BUSY;

		if (may_stay && is_gone_at_last_look(connection))
			continue;
		if (!may_stay || (connection->is_untrusted && connection->rank != HTTP_RANK_BUSY))
			http_connection_destroy(connection);
	}
}

static struct http_connection *largest_untrusted(const struct http_server *server,
						 const struct http_connection *asking)
{
	struct http_connection *connection, *largest = NULL;

	DL_FOREACH2 (server->untrusted, connection, next_untrusted) {
		if (connection == asking || !connection->request ||
		    connection->request->body.capacity == 0)
			continue;
		if (!largest ||
		    connection->request->body.capacity > largest->request->body.capacity)
			largest = connection;
	}
	return largest;
}

static bool fits(struct budget *budget, const struct http_connection *asking, size_t bytes)
{
	if (asking->request->body.length + bytes > LIMIT_HTTP_SMALL_BODY_BYTES)
		return budget_has_spare(budget, bytes);
	if (!budget_take(budget, bytes))
		return false;
	budget_give(budget, bytes);
	return true;
}

bool http_server_has_memory(struct http_server *server, const struct http_connection *asking,
			    size_t bytes)
{
	struct http_connection *victim;

	while (!fits(server->config.budget, asking, bytes)) {
		victim = largest_untrusted(server, asking);
		if (!victim)
			return false;
		http_connection_destroy(victim);
	}
	/* What its user has taken, no stranger can give back. */
	return fits(asking->request->budget, asking, bytes);
}

/* --- small services ------------------------------------------------------------------- */

bool http_server_may_complain(struct http_server *server, enum http_complaint complaint)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t *logged_ms = &server->logged_ms[complaint];

	if (*logged_ms != 0 && now_ms - *logged_ms < LIMIT_HTTP_LOG_MS)
		return false;
	*logged_ms = now_ms;
	return true;
}

/* RFC 9110 section 5.6.7: English, whatever the locale. */
const char *http_server_date(struct http_server *server)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;

	if (now == server->date_s || !gmtime_r(&now, &tm))
		return server->date;
	server->date_s = now;
	(void)snprintf(server->date, sizeof(server->date), "%s, %02d %s %04d %02d:%02d:%02d GMT",
		       days[tm.tm_wday % 7], tm.tm_mday % 100, months[tm.tm_mon % 12],
		       (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
		       tm.tm_sec % 100);
	return server->date;
}

void http_server_count(const struct http_server *server, struct http_server_counts *counts)
{
	const struct http_connection *connection;

	*counts = (struct http_server_counts){ .connections = server->connection_count,
					       .untrusted = server->untrusted_count };
	DL_FOREACH2 (server->ranks[HTTP_RANK_BUSY], connection, next) {
		counts->requests += connection->request != NULL;
		counts->streams += connection->phase == HTTP_PHASE_STREAM;
	}
}

static const struct http_patience usual_patience = {
	.head_ms = LIMIT_HTTP_HEAD_MS,
	.body_ms = LIMIT_HTTP_BODY_MS,
	.idle_ms = LIMIT_HTTP_IDLE_MS,
	.linger_ms = LIMIT_HTTP_LINGER_MS,
	.comment_ms = LIMIT_HTTP_COMMENT_MS,
	.stall_ms = LIMIT_HTTP_STALL_MS,
};

/* --- its life --------------------------------------------------------------------------- */

static bool can_watch(struct loop *loop)
{
	int wanted = EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE;

	return (event_base_get_features(loop_base(loop)) & wanted) == wanted;
}

struct http_server *http_server_create(const struct http_server_config *config, struct error *err)
{
	struct http_server *server;
	struct tls *tls = NULL;

	if (!can_watch(config->loop)) {
		(void)error_set(err, ERROR_CONFIG,
				"HTTP needs libevent with epoll, which tells at once that a client "
				"has hung up; the libevent of this machine uses %s",
				event_base_get_method(loop_base(config->loop)));
		return NULL;
	}
	if (config->tls_certificate) {
		tls = tls_create(config->tls_certificate, config->tls_key, err);
		if (!tls)
			return NULL;
	}
	server = alloc_zeroed(sizeof(*server));
	server->config = *config;
	server->patience = config->patience ? *config->patience : usual_patience;
	server->tls = tls;
	if (tls) {
		server->config.tls_certificate = alloc_string(config->tls_certificate);
		server->config.tls_key = alloc_string(config->tls_key);
	}
	if (server->config.max_connections == 0)
		server->config.max_connections = LIMIT_DEFAULT_CONNECTIONS;
	server->turn_timer = loop_timer_create(config->loop, on_turns, server);
	return server;
}

static void close_all(struct http_server *server, enum http_rank rank)
{
	while (server->ranks[rank])
		http_connection_destroy(server->ranks[rank]);
}

void http_server_destroy(struct http_server *server)
{
	if (!server)
		return;
	http_listeners_close(server);
	for (int rank = 0; rank < HTTP_RANKS; rank++)
		close_all(server, rank);
	loop_timer_destroy(server->turn_timer);
	if (server->tls) {
		tls_destroy(server->tls);
		free((char *)(uintptr_t)server->config.tls_certificate);
		free((char *)(uintptr_t)server->config.tls_key);
	}
	free(server);
}

int http_server_reload_tls(struct http_server *server, struct error *err)
{
	struct tls *tls;

	if (!server->tls)
		return 0;
	tls = tls_create(server->config.tls_certificate, server->config.tls_key, err);
	if (!tls)
		return -1;
	tls_destroy(server->tls);
	server->tls = tls;
	return 0;
}

void http_server_drain(struct http_server *server, void (*on_idle)(void *context), void *context)
{
	struct http_connection *connection;

	assert(!server->is_draining);
	server->is_draining = true;
	server->on_idle = on_idle;
	server->idle_context = context;
	http_listeners_close(server);
	close_all(server, HTTP_RANK_HANDSHAKE);
	close_all(server, HTTP_RANK_FRESH);
	close_all(server, HTTP_RANK_STRANGER);
	close_all(server, HTTP_RANK_IDLE);
	DL_FOREACH2 (server->ranks[HTTP_RANK_BUSY], connection, next)
		connection->closes = true;
	http_server_note_progress(server);
}
