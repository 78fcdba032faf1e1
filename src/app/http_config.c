/* SPDX-License-Identifier: MIT */
#include "app/http_config.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool is_flag(const struct options *options, enum option_id id)
{
	return options->values[id].source == OPTION_FROM_FLAG;
}

static const char *const *texts_of(const struct options *options, enum option_id id)
{
	return (const char *const *)options->values[id].texts;
}

/* --- who may reach the server ------------------------------------------------------ */

static bool is_loopback_v4(uint32_t address)
{
	return ntohl(address) >> 24 == IN_LOOPBACKNET;
}

static bool is_loopback_v6(const struct in6_addr *address)
{
	uint32_t mapped;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		return IN6_IS_ADDR_LOOPBACK(address);
	memcpy(&mapped, &address->s6_addr[12], sizeof(mapped));
	return is_loopback_v4(mapped);
}

static bool is_local_address(const struct addrinfo *found)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (found->ai_family == AF_INET) {
		memcpy(&v4, found->ai_addr, sizeof(v4));
		return is_loopback_v4(v4.sin_addr.s_addr);
	}
	if (found->ai_family != AF_INET6)
		return false;
	memcpy(&v6, found->ai_addr, sizeof(v6));
	return is_loopback_v6(&v6.sin6_addr);
}

int http_config_refuse_exposure(const char *where, struct error *err)
{
	return error_set(
		err, ERROR_CONFIG,
		"%s can be reached from other machines, and without tokens whoever reaches "
		"the server can run commands. Give --auth-token-file "
		"(or " OPTION_AUTH_TOKEN_VARIABLE "), or --insecure-no-auth if something in front "
		"of the server keeps strangers out.",
		where);
}

/* Every address that the name has: which of them is bound is not ours to say. */
static int check_host(const struct http_config *http, struct error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	const struct addrinfo *at;
	int code = getaddrinfo(http->host, NULL, &hints, &found);
	char where[NI_MAXHOST];
	bool is_local = true;

	if (code != 0)
		return error_set(err, ERROR_CONFIG, "--host %s is no address of this machine: %s",
				 http->host, gai_strerror(code));
	for (at = found; at && is_local; at = at->ai_next)
		is_local = is_local_address(at);
	freeaddrinfo(found);
	if (is_local || http->has_tokens || http->is_insecure)
		return 0;
	(void)snprintf(where, sizeof(where), "--host %s", http->host);
	return http_config_refuse_exposure(where, err);
}

/* --- what belongs together ---------------------------------------------------------- */

static int check_tls(const struct http_config *http, const struct options *options,
		     struct error *err)
{
	enum option_id given = http->tls_cert ? OPTION_TLS_CERT : OPTION_TLS_KEY;

	if (!http->tls_cert == !http->tls_key)
		return 0;
	return error_set(err, option_error_kind(options, given),
			 "--%s needs --%s: TLS takes a certificate and its private key.",
			 option_table[given].name,
			 http->tls_cert ? option_table[OPTION_TLS_KEY].name
					: option_table[OPTION_TLS_CERT].name);
}

/* A variable may be set for several programs; a flag is meant. */
static int check_audit(const struct http_config *http, const struct options *options,
		       struct error *err)
{
	static const enum option_id ids[] = { OPTION_AUDIT_ARGS, OPTION_AUDIT_REQUIRED };
	size_t i;

	for (i = 0; !http->audit_log && i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (is_flag(options, ids[i]))
			return error_set(err, ERROR_USAGE, "--%s is only valid with --audit-log.",
					 option_table[ids[i]].name);
	}
	return 0;
}

static int check_tokens(const struct http_config *http, const struct options *options,
			struct error *err)
{
	if (http->is_insecure && http->has_tokens)
		return error_set(err, option_error_kind(options, OPTION_INSECURE_NO_AUTH),
				 "--insecure-no-auth contradicts %s: with tokens, everybody needs "
				 "one. Leave one of them out.",
				 http->token_file ? "--auth-token-file"
						  : OPTION_AUTH_TOKEN_VARIABLE);
	if (http->allows_local_users && http->has_tokens &&
	    is_flag(options, OPTION_ALLOW_LOCAL_USERS))
		return error_set(err, ERROR_USAGE,
				 "--allow-local-users is only valid without tokens: with them, a "
				 "local user needs one like everybody else.");
	return 0;
}

static void load_values(struct http_config *http, const struct options *options)
{
	http->host = option_text(options, OPTION_HOST);
	http->port = (uint16_t)option_number(options, OPTION_PORT);
	http->unix_socket = option_text(options, OPTION_UNIX_SOCKET);
	http->has_tcp = !http->unix_socket || is_flag(options, OPTION_HOST) ||
			is_flag(options, OPTION_PORT);
	http->tls_cert = option_text(options, OPTION_TLS_CERT);
	http->tls_key = option_text(options, OPTION_TLS_KEY);
	http->token_file = option_text(options, OPTION_AUTH_TOKEN_FILE);
	http->auth_token = options->auth_token;
	http->has_tokens = http->token_file || http->auth_token;
	http->is_insecure = option_number(options, OPTION_INSECURE_NO_AUTH) != 0;
	http->allows_local_users = option_number(options, OPTION_ALLOW_LOCAL_USERS) != 0;
	http->allowed_hosts = texts_of(options, OPTION_ALLOW_HOST);
	http->allowed_origins = texts_of(options, OPTION_ALLOW_ORIGIN);
	http->session_timeout_s = (uint64_t)option_number(options, OPTION_SESSION_TIMEOUT);
	http->max_sessions = (unsigned)option_number(options, OPTION_MAX_SESSIONS);
	http->max_sandboxes_per_client =
		(unsigned)option_number(options, OPTION_MAX_SANDBOXES_PER_CLIENT);
	http->max_connections = (unsigned)option_number(options, OPTION_MAX_CONNECTIONS);
	http->max_buffered_bytes = (uint64_t)option_number(options, OPTION_MAX_BUFFERED);
	http->has_status_page = option_number(options, OPTION_STATUS_PAGE) != 0;
	http->audit_log = option_text(options, OPTION_AUDIT_LOG);
	http->audit_args = (enum audit_args)option_number(options, OPTION_AUDIT_ARGS);
	http->is_audit_required = option_number(options, OPTION_AUDIT_REQUIRED) != 0;
}

int http_config_load(struct http_config *http, const struct options *options, struct error *err)
{
	load_values(http, options);
	if (check_tls(http, options, err) < 0 || check_audit(http, options, err) < 0 ||
	    check_tokens(http, options, err) < 0)
		return -1;
	return http->has_tcp ? check_host(http, err) : 0;
}
