/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the options say about serving over HTTP, checked against each other. Who
 * may reach the server is decided here and nowhere else: without tokens, nobody
 * from another machine, unless that was asked for in so many words. Strings are
 * borrowed from the options. Main thread.
 */

#include "app/options.h"

#include <stdbool.h>
#include <stdint.h>

enum audit_args { AUDIT_ARGS_NONE, AUDIT_ARGS_PROGRAM, AUDIT_ARGS_FULL };

struct http_config {
	const char *host;
	uint16_t port;
	bool has_tcp; /* host and port count: no unix socket was asked for, or these were too */
	const char *unix_socket; /* NULL: none */
	const char *tls_cert;	 /* both or neither */
	const char *tls_key;
	const char *token_file; /* either may be NULL */
	const char *auth_token;
	bool has_tokens;
	bool is_insecure; /* --insecure-no-auth */
	bool allows_local_users;
	const char *const *allowed_hosts;   /* NULL-terminated; NULL: none */
	const char *const *allowed_origins; /* the same */
	uint64_t session_timeout_s;
	unsigned max_sessions;
	unsigned max_sandboxes_per_client;
	unsigned max_connections;
	uint64_t max_buffered_bytes;
	bool has_status_page;
	const char *audit_log; /* NULL: none */
	enum audit_args audit_args;
	bool is_audit_required;
};

/* USAGE or CONFIG. */
int http_config_load(struct http_config *http, const struct options *options, struct error *err);

/* CONFIG: others could reach `where` (for the sentence), and there are no tokens. Returns -1. */
int http_config_refuse_exposure(const char *where, struct error *err);
