/* SPDX-License-Identifier: MIT */
#include "transport/http/connection.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "transport/http/state.h"

#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>

/* A head that is not complete, and what one read may bring behind it. */
#define INPUT_BYTES (2 * LIMIT_HTTP_HEAD_BYTES)

static const char too_many[] = "HTTP/1.1 503 Service Unavailable\r\n"
			       "Retry-After: 1\r\n"
			       "Content-Length: 0\r\n"
			       "Connection: close\r\n\r\n";

/* --- phases and deadlines ----------------------------------------------------- */

static enum http_rank rank_of(const struct http_connection *connection)
{
	switch (connection->phase) {
	case HTTP_PHASE_HANDSHAKE:
		return HTTP_RANK_HANDSHAKE;
	case HTTP_PHASE_HEAD:
		if (!connection->had_request)
			return HTTP_RANK_FRESH;
		return connection->was_trusted ? HTTP_RANK_IDLE : HTTP_RANK_STRANGER;
	case HTTP_PHASE_LINGER:
		return HTTP_RANK_LINGERING;
	case HTTP_PHASE_BODY:
	case HTTP_PHASE_ANSWER:
	case HTTP_PHASE_STREAM:
	case HTTP_PHASE_FLUSH:
		break;
	}
	return HTTP_RANK_BUSY;
}

/* How long the phase may take, from now. A handshake's time is that of the first head. */
static uint64_t patience_ms(const struct http_connection *connection)
{
	const struct http_patience *patience = &connection->server->patience;

	switch (connection->phase) {
	case HTTP_PHASE_HANDSHAKE:
		return patience->head_ms;
	case HTTP_PHASE_HEAD:
		return connection->had_request && connection->input.length == 0 ? patience->idle_ms
										: patience->head_ms;
	case HTTP_PHASE_BODY:
		return patience->body_ms < patience->stall_ms ? patience->body_ms
							      : patience->stall_ms;
	case HTTP_PHASE_LINGER:
		return patience->linger_ms;
	case HTTP_PHASE_ANSWER:
	case HTTP_PHASE_STREAM:
	case HTTP_PHASE_FLUSH:
		break;
	}
	return CLOCK_NEVER;
}

static void set_deadline(struct http_connection *connection)
{
	uint64_t ms = patience_ms(connection);

	connection->deadline_ms = ms == CLOCK_NEVER ? CLOCK_NEVER : clock_now_ms() + ms;
}

void http_connection_set_phase(struct http_connection *connection, enum http_phase phase)
{
	bool is_first_head = connection->phase == HTTP_PHASE_HANDSHAKE && phase == HTTP_PHASE_HEAD;

	connection->phase = phase;
	http_server_rank(connection, rank_of(connection));
	if (!is_first_head)
		set_deadline(connection);
	if (phase == HTTP_PHASE_BODY) {
		connection->body_until_ms = clock_now_ms() + connection->server->patience.body_ms;
		connection->body_bytes = 0;
	}
	if (phase == HTTP_PHASE_STREAM)
		connection->comment_ms = clock_now_ms() + connection->server->patience.comment_ms;
}

static uint64_t next_due_ms(const struct http_connection *connection)
{
	uint64_t due_ms = connection->deadline_ms;

	if (connection->stall_ms < due_ms)
		due_ms = connection->stall_ms;
	if (connection->phase == HTTP_PHASE_STREAM && connection->comment_ms < due_ms)
		due_ms = connection->comment_ms;
	return due_ms;
}

/* A timer that fires too early is set again; that is cheaper than moving it with each request. */
static void arm_timer(struct http_connection *connection)
{
	uint64_t due_ms = next_due_ms(connection);
	uint64_t now_ms;

	if (due_ms >= connection->timer_ms)
		return;
	now_ms = clock_now_ms();
	connection->timer_ms = due_ms;
	loop_timer_start(connection->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* Whether enough of the body has come for it to get more time. */
static bool is_body_moving(struct http_connection *connection)
{
	size_t bytes = connection->request->body.length;

	if (bytes - connection->body_bytes < LIMIT_HTTP_STALL_BYTES ||
	    clock_now_ms() >= connection->body_until_ms)
		return false;
	connection->body_bytes = bytes;
	set_deadline(connection);
	if (connection->deadline_ms > connection->body_until_ms)
		connection->deadline_ms = connection->body_until_ms;
	return true;
}

static void deadline_passed(struct http_connection *connection)
{
	if (connection->phase == HTTP_PHASE_BODY && is_body_moving(connection))
		return;
	connection->deadline_ms = CLOCK_NEVER;
	if (connection->phase == HTTP_PHASE_BODY) {
		http_request_refuse(connection, 408, "the body took too long");
	} else if (connection->phase == HTTP_PHASE_HEAD && connection->input.length > 0) {
		http_answer_plain(connection, 408, "the head of the request took too long");
	} else {
		if (connection->phase == HTTP_PHASE_HEAD)
			wire_end(&connection->wire);
		connection->is_broken = true;
	}
}

/* Bytes are waiting for the client: enough of them must have moved. */
static void stall_passed(struct http_connection *connection)
{
	if (connection->moved_bytes < LIMIT_HTTP_STALL_BYTES)
		connection->is_broken = true;
	connection->moved_bytes = 0;
	connection->stall_ms = clock_now_ms() + connection->server->patience.stall_ms;
}

static void on_timer(void *context)
{
	struct http_connection *connection = context;
	uint64_t now_ms = clock_now_ms();

	connection->timer_ms = CLOCK_NEVER;
	if (connection->stall_ms <= now_ms)
		stall_passed(connection);
	if (connection->phase == HTTP_PHASE_STREAM && connection->comment_ms <= now_ms)
		http_stream_comment(connection);
	if (connection->deadline_ms <= now_ms)
		deadline_passed(connection);
	http_connection_turn(connection);
}

/* --- sending ------------------------------------------------------------------- */

void http_connection_flush(struct http_connection *connection)
{
	bool has_more = false;
	ssize_t sent;

	if (!connection->is_broken && connection->is_writable) {
		sent = outbox_send(&connection->outbox, &connection->wire,
				   LIMIT_HTTP_TURN_SENT_BYTES);
		if (sent < 0)
			connection->is_broken = true;
		else
			connection->moved_bytes += (size_t)sent;
		connection->is_writable = connection->outbox.unsent_bytes == 0 ||
					  (size_t)sent == LIMIT_HTTP_TURN_SENT_BYTES;
		has_more = connection->is_writable && connection->outbox.unsent_bytes > 0;
	}
	if (connection->outbox.unsent_bytes > LIMIT_HTTP_UNSENT_BYTES)
		connection->is_broken = true;
	if (connection->outbox.unsent_bytes == 0) {
		connection->stall_ms = CLOCK_NEVER;
	} else if (connection->stall_ms == CLOCK_NEVER) {
		connection->moved_bytes = 0;
		connection->stall_ms = clock_now_ms() + connection->server->patience.stall_ms;
	}
	if (has_more || (connection->is_broken && !connection->is_in_turn))
		http_server_queue_turn(connection);
	if (!connection->is_broken && !connection->is_in_turn)
		arm_timer(connection);
}

void http_connection_answered(struct http_connection *connection)
{
	http_connection_set_phase(connection, HTTP_PHASE_FLUSH);
	http_connection_flush(connection);
	if (!connection->is_in_turn)
		http_server_queue_turn(connection);
}

/* --- a turn --------------------------------------------------------------------- */

/* Takes what was used, and no less than the price of a use. */
static void charge(size_t *allowance, size_t bytes, size_t price)
{
	size_t charged = bytes > price ? bytes : price;

	*allowance -= *allowance < charged ? *allowance : charged;
}

void http_connection_note_read(struct http_connection *connection, size_t received, size_t wanted,
			       size_t *allowance)
{
	charge(allowance, received, LIMIT_HTTP_TURN_BYTES / LIMIT_HTTP_TURN_READS);
	if (received < wanted && !connection->wire.tls && !connection->is_half_closed)
		connection->is_readable = false;
}

/* Reads what there is, within the turn's allowance. False: nothing came. */
static bool fill_input(struct http_connection *connection, size_t *allowance)
{
	size_t wanted = *allowance < LIMIT_HTTP_HEAD_BYTES ? *allowance : LIMIT_HTTP_HEAD_BYTES;
	ssize_t received;

	if (!connection->is_readable || wanted == 0)
		return false;
	received = wire_receive(&connection->wire, connection->server->scratch, wanted);
	if (received == WIRE_WAIT) {
		connection->is_readable = false;
		return false;
	}
	/* The end, with or without half a request: nothing to answer. */
	if (received <= 0) {
		connection->is_broken = true;
		return false;
	}
	if (connection->phase == HTTP_PHASE_HEAD && connection->input.length == 0 &&
	    connection->had_request)
		connection->deadline_ms = clock_now_ms() + connection->server->patience.head_ms;
	http_connection_note_read(connection, (size_t)received, wanted, allowance);
	if (buf_append(&connection->input, connection->server->scratch, (size_t)received) < 0)
		connection->is_broken = true;
	return !connection->is_broken;
}

static bool step_handshake(struct http_connection *connection)
{
	int result = wire_handshake(&connection->wire);

	if (result == WIRE_WAIT)
		return false;
	if (result == WIRE_PLAINTEXT) {
		tls_session_destroy(TAKE_PTR(connection->wire.tls));
		http_answer_plain(connection, 400, "this port speaks TLS: use https");
		return true;
	}
	if (result < 0)
		connection->is_broken = true;
	else
		http_connection_set_phase(connection, HTTP_PHASE_HEAD);
	return true;
}

static bool step_head(struct http_connection *connection, size_t *allowance)
{
	size_t used = 0;
	int status = 400;
	const char *reason = "";

	if (*allowance == 0)
		return false;
	if (connection->input.length == 0)
		return fill_input(connection, allowance);
	switch (http_head_parse(&connection->head, connection->input.data, connection->input.length,
				&used, &status, &reason)) {
	case HTTP_PARSE_MORE:
		return fill_input(connection, allowance);
	case HTTP_PARSE_BAD:
		http_answer_plain(connection, status, reason);
		return true;
	case HTTP_PARSE_DONE:
		break;
	}
	buf_consume(&connection->input, used);
	if (connection->input.length == 0)
		buf_finish(&connection->input);
	/* Beside its bytes, which may be few. */
	charge(allowance, 0, LIMIT_HTTP_TURN_BYTES / LIMIT_HTTP_TURN_REQUESTS);
	http_request_start(connection);
	return true;
}

static bool step_body(struct http_connection *connection, size_t *allowance)
{
	if (connection->input.length == 0 && connection->request->chunked &&
	    !fill_input(connection, allowance))
		return false;
	return http_request_step_body(connection, allowance) == HTTP_BODY_MOVED;
}

static bool step_flush(struct http_connection *connection)
{
	if (connection->outbox.unsent_bytes > 0)
		return false;
	if (connection->closes) {
		buf_finish(&connection->input);
		wire_end(&connection->wire);
		http_connection_set_phase(connection, HTTP_PHASE_LINGER);
	} else {
		http_connection_set_phase(connection, HTTP_PHASE_HEAD);
	}
	http_server_note_progress(connection->server);
	return true;
}

/* Closing at once would reset the connection if the client were still sending, and a reset destroys
 * the answer that it has not read yet. */
static bool step_linger(struct http_connection *connection, size_t *allowance)
{
	ssize_t dropped;

	if (!connection->is_readable || *allowance == 0)
		return false;
	dropped = wire_discard(&connection->wire, connection->server->scratch, *allowance);
	if (dropped == WIRE_WAIT) {
		connection->is_readable = false;
		return false;
	}
	if (dropped > 0) {
		*allowance -= (size_t)dropped;
		connection->linger_bytes += (size_t)dropped;
	}
	if (dropped <= 0 || connection->linger_bytes > LIMIT_HTTP_LINGER_BYTES)
		connection->is_broken = true;
	return true;
}

/* Whether there may be more to do. */
static bool step(struct http_connection *connection, size_t *allowance)
{
	switch (connection->phase) {
	case HTTP_PHASE_HANDSHAKE:
		return step_handshake(connection);
	case HTTP_PHASE_HEAD:
		return step_head(connection, allowance);
	case HTTP_PHASE_BODY:
		return step_body(connection, allowance);
	case HTTP_PHASE_FLUSH:
		return step_flush(connection);
	case HTTP_PHASE_LINGER:
		return step_linger(connection, allowance);
	case HTTP_PHASE_ANSWER:
	case HTTP_PHASE_STREAM:
		break;
	}
	return false;
}

/*
 * While an answer is owed nothing is read, so the end of what the client sends is no news that a
 * read would bring. A client that has closed its socket and one that has only finished sending and
 * waits for its answer look alike until something is sent to them. So that is not taken for a
 * disconnect; but a stream gets a comment at once, and a client that is gone answers that with a
 * reset.
 */
static void look_for_client(struct http_connection *connection)
{
	bool is_answering =
		connection->phase == HTTP_PHASE_ANSWER || connection->phase == HTTP_PHASE_STREAM;

	if (!is_answering)
		return;
	if (connection->is_woken && wire_is_dead(&connection->wire))
		connection->is_broken = true;
	if (connection->phase == HTTP_PHASE_STREAM && connection->is_half_closed &&
	    !connection->is_probed) {
		connection->is_probed = true;
		http_stream_comment(connection);
	}
}

void http_connection_turn(struct http_connection *connection)
{
	size_t allowance = LIMIT_HTTP_TURN_BYTES;

	http_server_unqueue_turn(connection);
	connection->is_in_turn = true;
	look_for_client(connection);
	connection->is_woken = false;
	http_connection_flush(connection);
	while (!connection->is_broken && step(connection, &allowance))
		http_connection_flush(connection);
	connection->is_in_turn = false;
	if (connection->is_broken) {
		http_connection_destroy(connection);
		return;
	}
	if (allowance == 0)
		http_server_queue_turn(connection);
	arm_timer(connection);
}

static void on_event(evutil_socket_t fd, short events, void *context)
{
	struct http_connection *connection = context;

	(void)fd;
	loop_enter(connection->server->config.loop);
	connection->is_readable = connection->is_writable = true;
	connection->is_woken = true;
	if (events & EV_CLOSED)
		connection->is_half_closed = true;
	/* Whoever sends faster than it is read waits for its turn like the others; and so do all
	 * when there is news of thousands at once. */
	if (loop_round_us(connection->server->config.loop) > LIMIT_HTTP_BULK_US)
		http_server_queue_turn(connection);
	if (!connection->is_waiting)
		http_connection_turn(connection);
}

/* --- its start and its end -------------------------------------------------------- */

static void set_socket_options(int fd, const struct http_peer *peer)
{
	int on = 1;
	unsigned silent_ms = LIMIT_HTTP_SILENT_PEER_MS;
	unsigned unsent_bytes = LIMIT_HTTP_KERNEL_UNSENT_BYTES;

	if (peer->is_unix)
		return;
	/* Each of them makes things better, and none is needed. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
}

static void refuse_socket(struct http_server *server, int fd, bool speaks_tls)
{
	if (http_server_may_complain(server, HTTP_COMPLAINT_FULL))
		log_event(LOG_WARNING, "http_connections_full",
			  LOG_NUMBER("connections", server->connection_count));
	if (!speaks_tls)
		(void)send(fd, too_many, sizeof(too_many) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
}

static int watch(struct http_connection *connection)
{
	struct event_base *base = loop_base(connection->server->config.loop);

	connection->event = event_new(base, connection->wire.fd,
				      EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event,
				      connection);
	return connection->event ? event_add(connection->event, NULL) : -1;
}

void http_connection_start(struct http_server *server, int fd, bool speaks_tls)
{
	struct http_connection *connection;

	if (!http_server_make_room(server)) {
		refuse_socket(server, fd, speaks_tls);
		return;
	}
	if (speaks_tls)
		http_server_make_room_handshake(server);
	connection = alloc_zeroed(sizeof(*connection));
	connection->server = server;
	connection->wire.fd = fd;
	connection->timer = loop_timer_create(server->config.loop, on_timer, connection);
	connection->timer_ms = connection->comment_ms = connection->stall_ms = CLOCK_NEVER;
	connection->is_writable = true;
	connection->rank = HTTP_RANKS;
	buf_init(&connection->input, INPUT_BYTES);
	connection->outbox = (struct outbox)OUTBOX_INIT(server->config.budget);
	http_peer_describe(&connection->peer, &connection->network, fd);
	set_socket_options(fd, &connection->peer);
	if (server->config.has_tokens && !connection->peer.is_unix &&
	    !connection->peer.is_loopback) {
		http_server_make_room_untrusted(server, &connection->network);
		http_server_untrusted_add(connection);
	}
	server->connection_count++;
	/* Not a phase to come from: the time of the first head begins here. */
	connection->phase = HTTP_PHASE_LINGER;
	http_connection_set_phase(connection, speaks_tls ? HTTP_PHASE_HANDSHAKE : HTTP_PHASE_HEAD);
	if (speaks_tls)
		connection->wire.tls = tls_session_create(server->tls, fd);
	if ((speaks_tls && !connection->wire.tls) || watch(connection) < 0) {
		http_connection_destroy(connection);
		return;
	}
	arm_timer(connection);
}

void http_connection_destroy(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->event)
		event_free(connection->event);
	connection->event = NULL;
	if (connection->request)
		http_request_lose(connection);
	http_server_unqueue_turn(connection);
	http_server_untrusted_remove(connection);
	http_server_rank(connection, HTTP_RANKS);
	server->connection_count--;
	loop_timer_destroy(connection->timer);
	wire_finish(&connection->wire);
	buf_finish(&connection->input);
	http_head_finish(&connection->head);
	outbox_finish(&connection->outbox);
	free(connection);
	http_server_note_progress(server);
}
