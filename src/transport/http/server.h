/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * An HTTP/1.1 server: its sockets, its connections and what they may use
 * together. Requests go to one handler (transport/http/connection.h).
 *
 * Bounded whoever is at the other end: connections, what each may send before it is
 * trusted, how long a head, a body and an answer may take, and, by the budget,
 * the bytes of all. When connections run out, those go first that have shown
 * nothing: half-open ones, then those that have had their last answer, idle ones
 * that were never trusted, and other idle ones; never one with a request.
 *
 * Loop thread only. SIGPIPE must be ignored.
 */

#include "base/budget.h"
#include "base/error.h"
#include "base/loop.h"
#include "transport/http/connection.h"

#include <stdbool.h>
#include <stddef.h>

struct http_server;

/* How long a server waits for its clients, in milliseconds: LIMIT_HTTP_*_MS of base/limits.h. */
struct http_patience {
	unsigned head_ms, body_ms, idle_ms, linger_ms;
	unsigned comment_ms;
	unsigned stall_ms;
};

struct http_server_config {
	struct loop *loop;
	struct http_handler handler;
	/* Bodies, and answers that have not been sent. NULL: without limit. Outlives the server. */
	struct budget *budget;
	unsigned max_connections; /* 0: LIMIT_DEFAULT_CONNECTIONS */
	/* NULL: as base/limits.h says. Tests have less time. Copied. */
	const struct http_patience *patience;
	/* Somebody must prove who they are: unauthenticated connections are limited
	 * (LIMIT_HTTP_UNTRUSTED, LIMIT_HTTP_UNTRUSTED_PER_PEER), but those from this machine. */
	bool has_tokens;
	/* PEM files: a certificate with its chain, and its key. Both or neither; with them every
	 * TCP connection is TLS, those of unix sockets never are. Copied. */
	const char *tls_certificate, *tls_key;
};

/* NULL on failure: a certificate or key that cannot be used, or (ERROR_CONFIG) TLS in a program
 * that was built without it. */
struct http_server *http_server_create(const struct http_server_config *config, struct error *err);
/* Closes everything at once; on_gone comes for every request that was not answered. Removes the
 * unix sockets that it made. Takes NULL. */
void http_server_destroy(struct http_server *server);

/* Listens on all addresses of `host`: an address, with or without brackets, or a name. "::" takes
 * IPv4 as well. Port 0: any that is free, the same for all addresses. */
int http_server_listen_tcp(struct http_server *server, const char *host, unsigned port,
			   struct error *err);
/* Makes a socket for its owner alone (0600). One that is there is replaced if nobody listens on
 * it; anything else that is there is left alone, and an error. */
int http_server_listen_unix(struct http_server *server, const char *path, struct error *err);
/* A socket that listens already, from whoever started us: TCP or unix. Takes `fd`, also on
 * failure. */
int http_server_listen_inherited(struct http_server *server, int fd, struct error *err);
/* The port of the first TCP socket; 0: there is none. */
unsigned http_server_port(const struct http_server *server);
/* Whether some socket can be reached from beyond this machine, judged by what it is bound to. */
bool http_server_is_exposed(const struct http_server *server);

/* Reads certificate and key again, for connections from now on. On failure the old ones stay. Does
 * nothing without TLS. */
int http_server_reload_tls(struct http_server *server, struct error *err);

/* Takes no further connection or request; what runs is finished, and its answers say
 * `Connection: close`. on_idle, once, when all answers are out; never from inside this function.
 * Open streams are the handler's to end. */
void http_server_drain(struct http_server *server, void (*on_idle)(void *context), void *context);

struct http_server_counts {
	unsigned connections;
	unsigned untrusted; /* of these: those which count against the caps for unauthenticated */
	unsigned requests;  /* of these: with a request that is not answered yet */
	unsigned streams;   /* of these: with an open stream */
};
void http_server_count(const struct http_server *server, struct http_server_counts *counts);
