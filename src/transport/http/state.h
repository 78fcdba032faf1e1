/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the parts of the HTTP server share; for transport/http alone.
 *
 *   server.c      the server, its caps, whose turn it is, its end
 *   listener.c    sockets that accept; unix_listener.c makes those in the file system
 *   connection.c  a connection from phase to phase, and its deadlines
 *   request.c     a request up to its whole body; connection.h's functions about it
 *   holder.c      how many requests each name has under way
 *   answer.c      answers; sse.c: those that are streams
 *   wire.c, tls.c, outbox.c  bytes
 *
 * Everything that ends a connection happens at the top of the loop, in
 * http_connection_turn: what the handler calls only changes state, sends what
 * can be sent, and asks for a turn. So nothing is freed below its user's feet.
 *
 * A socket is watched for everything, once and edge-triggered. Whether it may
 * be read is remembered; while an answer is owed nothing is read, and what the
 * client sends stays in the kernel. That it hangs up is an edge all the same.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "transport/http/chunked.h"
#include "transport/http/outbox.h"
#include "transport/http/parser.h"
#include "transport/http/server.h"
#include "transport/http/wire.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

struct event;
struct http_holder;

enum http_phase {
	HTTP_PHASE_HANDSHAKE, /* of TLS */
	HTTP_PHASE_HEAD,      /* between requests, or within a head */
	HTTP_PHASE_BODY,
	HTTP_PHASE_ANSWER, /* the handler's turn */
	HTTP_PHASE_STREAM, /* an answer that goes on */
	HTTP_PHASE_FLUSH,  /* the answer is complete, and on its way out */
	HTTP_PHASE_LINGER, /* nothing more to say: until the client has stopped sending */
};

/* In the order in which connections are given up when there are too many. */
enum http_rank {
	HTTP_RANK_HANDSHAKE, /* of TLS */
	HTTP_RANK_FRESH,     /* without a single request so far */
	HTTP_RANK_LINGERING, /* has its last answer */
	HTTP_RANK_STRANGER,  /* between two requests, none of which was trusted */
	HTTP_RANK_IDLE,	     /* between two requests */
	HTTP_RANK_BUSY,	     /* never given up */
	HTTP_RANKS,
};

struct http_request {
	struct http_connection *connection;
	struct http_head head;
	void *user;
	bool is_trusted;
	bool wants_body;
	bool has_body; /* the body was read to its end */
	size_t max_body_bytes;
	struct buf body;
	struct http_chunked *chunked; /* NULL: the body is not chunked */
	struct http_holder *holder;   /* whose it is by name; NULL: nobody's in particular */
	struct budget *budget;	      /* the server's, or its holder's share */
	size_t charged_bytes;	      /* of a body that the handler has */
};

struct http_connection {
	struct http_server *server;
	struct http_connection *previous, *next; /* of its rank */
	struct http_connection *previous_untrusted, *next_untrusted;
	struct http_connection *previous_waiting, *next_waiting; /* for a turn */
	enum http_rank rank;
	enum http_phase phase;
	struct wire wire;
	struct event *event;
	struct loop_timer *timer;
	uint64_t timer_ms;	/* when it fires; CLOCK_NEVER: it does not run */
	uint64_t deadline_ms;	/* of this phase */
	uint64_t body_until_ms; /* by then the whole body must be there */
	size_t body_bytes;	/* of it, when its deadline was set */
	uint64_t comment_ms;	/* when the stream gets its next comment */
	uint64_t stall_ms;	/* by then bytes must have moved; CLOCK_NEVER: none are waiting */
	size_t moved_bytes;	/* sent since it was set */
	size_t linger_bytes;	/* dropped behind the last answer */
	bool is_untrusted;	/* counts against the caps for unauthenticated */
	bool is_waiting;	/* for a turn */
	bool is_in_turn;
	bool is_readable, is_writable; /* as far as is known */
	bool is_woken;		       /* by the socket, since the last turn */
	bool is_half_closed; /* the client sends nothing more; what it sent may be unread */
	bool is_probed;	     /* ... and was sent something since, to see whether it is there */
	bool is_broken;	     /* to be destroyed at the end of its turn */
	bool had_request;
	bool was_trusted; /* one of its requests */
	bool closes;	  /* behind the answer that is due or on its way */
	struct http_peer peer;
	struct in6_addr network; /* of the peer: whom the caps take for one */
	struct buf input;	 /* read, and not looked at or not complete */
	struct http_head head;	 /* of the next request, while it is not complete */
	struct http_request *request;
	struct outbox outbox;
};

struct http_server {
	struct http_server_config config;
	struct http_patience patience;
	struct http_listener *listeners;
	unsigned listener_count;
	struct loop_timer *accept_timer; /* runs while nothing is accepted */
	struct http_connection *ranks[HTTP_RANKS];
	unsigned rank_counts[HTTP_RANKS];
	unsigned connection_count;
	struct http_connection *untrusted; /* oldest first */
	unsigned untrusted_count;
	struct http_holder *holders;	 /* uthash, by name; those with requests under way */
	struct http_connection *waiting; /* for a turn */
	struct loop_timer *turn_timer;
	struct tls *tls;
	bool is_draining, is_idle_told;
	void (*on_idle)(void *context);
	void *idle_context;
	uint64_t logged_ms[2]; /* by enum http_complaint */
	time_t date_s;	       /* of `date` */
	char date[32];
	char scratch[LIMIT_HTTP_TURN_BYTES];
};

/* --- server.c --- */

/* A place for one more connection, at the cost of another if need be. False: there is none. */
bool http_server_make_room(struct http_server *server);
/* Likewise for one more handshake; there always is. */
void http_server_make_room_handshake(struct http_server *server);
/* Likewise below the caps for unauthenticated ones, of which it will be one. */
void http_server_make_room_untrusted(struct http_server *server, const struct in6_addr *network);
/* Gives up one connection without a request, for its descriptor. */
void http_server_give_up_one(struct http_server *server);
/* Whether so many further bytes of the asking one's body fit; untrusted connections are given up
 * for them. */
bool http_server_has_memory(struct http_server *server, const struct http_connection *asking,
			    size_t bytes);
void http_server_rank(struct http_connection *connection, enum http_rank rank);
void http_server_untrusted_add(struct http_connection *connection);
void http_server_untrusted_remove(struct http_connection *connection);
/* A turn soon, from the loop. */
void http_server_queue_turn(struct http_connection *connection);
void http_server_unqueue_turn(struct http_connection *connection);
/* A connection is done with an answer, or gone: the drain may be over. */
void http_server_note_progress(struct http_server *server);
/* The value of Date, now. */
const char *http_server_date(struct http_server *server);

enum http_complaint { HTTP_COMPLAINT_FULL, HTTP_COMPLAINT_ACCEPT };
/* Whether to log it: not too often. */
bool http_server_may_complain(struct http_server *server, enum http_complaint complaint);

/* --- listener.c --- */

/* Closes all, and removes what unix_listener.c has made. */
void http_listeners_close(struct http_server *server);
void http_listeners_resume(struct http_server *server);

/* --- connection.c --- */

/* Takes `fd`, an accepted socket. With too many connections it is answered with 503. */
void http_connection_start(struct http_server *server, int fd, bool speaks_tls);
/* At once, whatever is under way; on_gone, if it has a request. Never of one that is in its turn.
 */
void http_connection_destroy(struct http_connection *connection);
/* The connection may be gone afterwards. */
void http_connection_turn(struct http_connection *connection);
/* Takes a read off a turn's allowance. If it brought less than was wanted, the socket is empty,
 * without asking it again. */
void http_connection_note_read(struct http_connection *connection, size_t received, size_t wanted,
			       size_t *allowance);
/* Sends what can be sent now, as much as one turn may; the rest in the next. */
void http_connection_flush(struct http_connection *connection);
void http_connection_set_phase(struct http_connection *connection, enum http_phase phase);
/* The answer is complete: sends what can be sent, the rest happens in the next turn. */
void http_connection_answered(struct http_connection *connection);

/* --- request.c --- */

/* The connection's head is complete: it becomes a request. */
void http_request_start(struct http_connection *connection);
/* Goes on with the body, if it is wanted and there is one. */
enum http_body_step { HTTP_BODY_WAITS, HTTP_BODY_MOVED };
enum http_body_step http_request_step_body(struct http_connection *connection, size_t *allowance);
/* Answers in our own name, with a sentence, and tells the handler if there is a request. The
 * connection is closed behind it. */
void http_request_refuse(struct http_connection *connection, int status, const char *reason);
/* Frees it; the handler is not told. */
void http_request_finish(struct http_connection *connection);
/* Tells the handler and frees it. */
void http_request_lose(struct http_connection *connection);

/* --- holder.c --- */

/* One more request of this name. */
struct http_holder *http_holder_enter(struct http_server *server, const char *name);
/* One less. Takes NULL. */
void http_holder_leave(struct http_server *server, struct http_holder *holder);
/* Who has requests on too many connections, none of which is ever given up, would shut out the
 * others. */
bool http_holder_has_too_many(const struct http_server *server, const struct http_holder *holder);

/* --- answer.c --- */

/* A whole answer that does not belong to any request's handler. */
void http_answer_plain(struct http_connection *connection, int status, const char *text);

struct http_answer_head {
	int status;
	const char *content_type; /* NULL: none */
	const struct http_field *fields;
	size_t field_count;
	bool is_chunked;
	bool has_length;
	size_t length_bytes;
};
void http_answer_add_head(struct http_connection *connection, const struct http_answer_head *head);

/* --- sse.c --- */

void http_stream_comment(struct http_connection *connection);

/* --- peer_address.c --- */

/* Who is at the other end of an accepted socket. `network` is the same for addresses that the caps
 * take for one: those of a /64 in IPv6. */
void http_peer_describe(struct http_peer *peer, struct in6_addr *network, int fd);
/* Whether an address is one of this machine alone. */
bool http_address_is_loopback(const struct sockaddr_storage *address);
