/* SPDX-License-Identifier: MIT */

/*
 * Many clients over HTTP.
 *
 * All that takes root's rights is done before they are given up: files are
 * opened, sockets bound, keys read. Nothing of a client is read before that.
 *
 * The end, begun by a signal: nobody new is accepted, streams without an end get
 * theirs, running calls may finish for LIMIT_EOF_GRACE_MS. When all is answered
 * or that time is over, every connection is closed, then every sandbox goes.
 *
 * SIGHUP reads tokens, certificate and key again, and follows a renamed audit
 * log. What cannot be read stays as it was.
 */

#include "app/audit.h"
#include "app/history.h"
#include "app/life.h"
#include "app/pages.h"
#include "app/serve.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/budget.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mcp/endpoint.h"
#include "transport/http/route.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Token file, certificate, key, and the end. */
#define MAX_FILES 4

struct many {
	struct config config; /* with what the registry needs to know of us */
	const struct serve_request *request;
	struct life life;
	struct budget *budget;
	struct audit *audit;
	struct metrics_page *metrics;
	struct health *health;
	struct history *history;
	struct endpoint *endpoint;
	struct pages pages;
	struct http_route *route;
	struct http_server *server;
	struct loop_signal *hangup;
	/* Absolute: the working directory is left with root's rights. */
	char *token_file, *tls_cert, *tls_key;
};

/* --- what happens to calls and sandboxes --------------------------------------------- */

static int on_start(void *context, const struct call_record *call, struct error *err)
{
	struct many *many = context;

	return many->config.http.is_audit_required ? audit_begin(many->audit, call, err) : 0;
}

static void on_call(void *context, const struct call_record *call)
{
	struct many *many = context;

	if (many->audit)
		audit_end(many->audit, call);
	metrics_page_note_call(many->metrics, call);
	history_add(many->history, call);
}

static void on_creation(void *context, uint64_t duration_us, const struct error *err)
{
	struct many *many = context;

	metrics_page_note_creation(many->metrics, duration_us, err);
	/* Whoever gave up waiting proves nothing. */
	if (!err || err->kind != ERROR_CANCELLED)
		health_note(many->health, !err);
}

/* --- the end ---------------------------------------------------------------------------- */

static void on_idle(void *context)
{
	struct many *many = context;

	life_end(&many->life);
}

static void on_signal(void *context)
{
	struct many *many = context;

	service_tell_stopping(many->request->service);
	life_be_patient(&many->life);
	endpoint_drain(many->endpoint);
	http_server_drain(many->server, on_idle, many);
}

static void on_end(void *context)
{
	struct many *many = context;

	http_server_destroy(many->server);
	many->server = NULL;
	endpoint_destroy(many->endpoint);
	many->endpoint = NULL;
}

/* --- SIGHUP ----------------------------------------------------------------------------- */

static int reload_tokens(struct many *many, struct error *err)
{
	struct tokens *tokens;

	if (!many->token_file)
		return 0;
	tokens = tokens_load(many->token_file, many->config.http.auth_token, err);
	if (!tokens)
		return -1;
	http_route_set_tokens(many->route, tokens);
	return 0;
}

static int reload_tls(struct many *many, struct error *err)
{
	return http_server_reload_tls(many->server, err);
}

static int reload_audit(struct many *many, struct error *err)
{
	return many->audit ? audit_reopen(many->audit, err) : 0;
}

static void on_hangup(void *context)
{
	static const struct {
		const char *what;
		int (*reload)(struct many *many, struct error *err);
	} parts[] = {
		{ "tokens", reload_tokens },
		{ "tls", reload_tls },
		{ "audit log", reload_audit },
	};
	struct many *many = context;
	bool is_whole = true;
	size_t i;

	if (!many->server)
		return;
	service_tell_reloading(many->request->service);
	for (i = 0; i < ARRAY_LENGTH(parts); i++) {
		struct error err = ERROR_INIT;

		if (parts[i].reload(many, &err) == 0)
			continue;
		is_whole = false;
		log_event(LOG_ERROR, "reload_failed", LOG_STRING("what", parts[i].what),
			  LOG_STRING("error", err.message));
	}
	if (is_whole)
		log_event(LOG_INFO, "reloaded", LOG_STRING("reason", "SIGHUP"));
	service_tell_ready(many->request->service);
}

/* --- the beginning: before root's rights are given up ------------------------------------- */

static char *make_absolute(const char *path)
{
	char *directory;
	char *absolute;

	if (!path || *path == '/')
		return path ? alloc_string(path) : NULL;
	directory = get_current_dir_name();
	absolute = alloc_printf("%s/%s", directory ? directory : "", path);
	free(directory);
	return absolute;
}

static void fit_registry(struct many *many)
{
	const struct http_config *http = &many->config.http;
	struct registry_config *registry = &many->config.registry;

	registry->budget = many->budget;
	registry->observer = (struct registry_observer){
		.on_start = on_start,
		.on_call = on_call,
		.on_creation = on_creation,
		.context = many,
	};
	registry->idle_ms = http->session_timeout_s * 1000;
	registry->max_sandboxes_per_principal = http->max_sandboxes_per_client;
	/* A handle is all that its holder has to show. */
	registry->max_handles = 0;
	registry->hides_handles = true;
}

static void prepare(struct many *many)
{
	const struct http_config *http = &many->config.http;

	many->token_file = make_absolute(http->token_file);
	many->tls_cert = make_absolute(http->tls_cert);
	many->tls_key = make_absolute(http->tls_key);
	many->budget = budget_create(http->max_buffered_bytes);
	many->metrics = metrics_page_create();
	many->history = history_create();
	fit_registry(many);
}

static int open_audit(struct many *many, struct error *err)
{
	const struct http_config *http = &many->config.http;
	char *path;

	if (!http->audit_log)
		return 0;
	path = make_absolute(http->audit_log);
	many->audit = audit_open(path, http->audit_args, err);
	free(path);
	return many->audit ? 0 : -1;
}

static int make_route(struct many *many, struct error *err)
{
	const struct http_config *http = &many->config.http;
	struct http_route_config config;

	many->pages = (struct pages){
		.registry = many->life.registry,
		.endpoint = many->endpoint,
		.health = many->health,
		.metrics = many->metrics,
		.history = many->history,
		.budget = many->budget,
		.loop_stalls = loop_stalls(many->life.loop),
		.audit = many->audit,
		.max_buffered_bytes = http->max_buffered_bytes,
		.backend = many->request->backend_name,
		.started_ms = clock_now_ms(),
		.has_status_page = http->has_status_page,
	};
	config = (struct http_route_config){
		.endpoint = many->endpoint,
		.pages = pages_handler(&many->pages),
		.origin = { .bound_host = http->has_tcp ? http->host : NULL,
			    .allowed_hosts = http->allowed_hosts,
			    .allowed_origins = http->allowed_origins },
		.allows_local_users = http->allows_local_users,
	};
	if (http->has_tokens) {
		config.tokens = tokens_load(many->token_file, http->auth_token, err);
		if (!config.tokens)
			return -1;
	}
	many->route = http_route_create(&config, err);
	return many->route ? 0 : -1;
}

/* --- listening ------------------------------------------------------------------------------ */

static int listen_unix(struct many *many, struct error *err)
{
	const struct rights *rights = &many->config.rights;
	const char *path = many->config.http.unix_socket;

	if (!path)
		return 0;
	if (http_server_listen_unix(many->server, path, err) < 0)
		return -1;
	/* Whom the server becomes is who may use it. */
	if (geteuid() == 0 && lchown(path, rights->uid, rights->gid) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG,
					    "--unix-socket: giving %s to user %u", path,
					    (unsigned)rights->uid);
	return 0;
}

static int listen_inherited(struct many *many, struct error *err)
{
	struct service *service = many->request->service;

	for (size_t i = 0; i < service->socket_count; i++) {
		if (http_server_listen_inherited(many->server, take_fd(&service->sockets[i]), err) <
		    0)
			return -1;
	}
	return 0;
}

/* Of what was handed over we know only now where it listens. */
static int check_exposure(struct many *many, struct error *err)
{
	const struct http_config *http = &many->config.http;

	if (!http_server_is_exposed(many->server))
		return 0;
	http_route_expose(many->route);
	if (http->has_tokens || http->is_insecure)
		return 0;
	return http_config_refuse_exposure("A socket of the service manager", err);
}

static int listen_everywhere(struct many *many, struct error *err)
{
	const struct http_config *http = &many->config.http;
	bool is_handed_over = many->request->service->socket_count > 0;
	const struct http_server_config config = {
		.loop = many->life.loop,
		.handler = http_route_handler(many->route),
		.budget = many->budget,
		.max_connections = http->max_connections,
		.has_tokens = http->has_tokens,
		.tls_certificate = many->tls_cert,
		.tls_key = many->tls_key,
	};

	many->server = http_server_create(&config, err);
	if (!many->server)
		return -1;
	many->pages.server = many->server;
	if (listen_inherited(many, err) < 0 || listen_unix(many, err) < 0)
		return -1;
	if (http->has_tcp && !is_handed_over &&
	    http_server_listen_tcp(many->server, http->host, http->port, err) < 0)
		return -1;
	return check_exposure(many, err);
}

static int build(struct many *many, struct error *err)
{
	const struct life_events events = { on_signal, on_end, many };
	const struct endpoint_config *endpoint;

	if (open_audit(many, err) < 0 ||
	    life_begin(&many->life, &many->config, many->request->backend, &events, err) < 0)
		return -1;
	endpoint = &(const struct endpoint_config){
		.server = many->life.mcp,
		.max_sessions = many->config.http.max_sessions,
	};
	many->endpoint = endpoint_create(endpoint);
	many->health = health_create(many->life.loop, many->request->backend);
	if (make_route(many, err) < 0 || listen_everywhere(many, err) < 0)
		return -1;
	many->hangup = loop_signal_create(many->life.loop, SIGHUP, on_hangup, many, err);
	return many->hangup ? 0 : -1;
}

/* --- afterwards ------------------------------------------------------------------------------ */

static int give_up_rights(const struct many *many, struct error *err)
{
	struct rights_file files[MAX_FILES] = { { NULL, NULL } };
	size_t count = 0;

	if (many->token_file)
		files[count++] = (struct rights_file){ "auth-token-file", many->token_file };
	if (many->tls_cert) {
		files[count++] = (struct rights_file){ "tls-cert", many->tls_cert };
		files[count++] = (struct rights_file){ "tls-key", many->tls_key };
	}
	return rights_settle(&many->config.rights, many->request->backend, files, err);
}

static const char *who_is_served(const struct many *many)
{
	const struct http_config *http = &many->config.http;

	if (http->has_tokens)
		return "who has a token";
	if (http_server_is_exposed(many->server))
		return "whoever gets here";
	return http->allows_local_users ? "users of this machine" : "our user and root";
}

static void tell_where(const struct many *many)
{
	const struct http_config *http = &many->config.http;
	unsigned port = http_server_port(many->server);
	struct in6_addr v6;
	bool is_v6 = inet_pton(AF_INET6, http->host, &v6) == 1;
	char *url = alloc_printf("%s://%s%s%s:%u" HTTP_MCP_PATH, http->tls_cert ? "https" : "http",
				 is_v6 ? "[" : "", http->host, is_v6 ? "]" : "", port);
	const char *whom = who_is_served(many);

	bool is_handed_over = many->request->service->socket_count > 0;

	if (port != 0 && !is_handed_over)
		log_event(LOG_INFO, "listening", LOG_STRING("url", url), LOG_NUMBER("port", port),
			  LOG_STRING("serves", whom));
	if (http->unix_socket)
		log_event(LOG_INFO, "listening", LOG_STRING("socket", http->unix_socket),
			  LOG_STRING("serves", whom));
	if (is_handed_over)
		log_event(LOG_INFO, "listening", LOG_STRING("socket", "a service manager's"),
			  LOG_NUMBER("port", port), LOG_STRING("serves", whom));
	free(url);
}

static void take_apart(struct many *many)
{
	http_server_destroy(many->server);
	http_route_destroy(many->route);
	endpoint_destroy(many->endpoint);
	health_destroy(many->health);
	loop_signal_destroy(many->hangup);
	life_finish(&many->life);
	history_destroy(many->history);
	metrics_page_destroy(many->metrics);
	audit_close(many->audit);
	budget_destroy(many->budget);
	free(many->token_file);
	free(many->tls_cert);
	free(many->tls_key);
}

int serve_http(const struct serve_request *request, struct error *err)
{
	struct many many = { .config = *request->config, .request = request };
	int result;

	prepare(&many);
	result = build(&many, err);
	if (result == 0)
		result = give_up_rights(&many, err);
	if (result == 0) {
		log_start();
		tell_where(&many);
		service_tell_ready(request->service);
		life_run(&many.life);
	}
	take_apart(&many);
	return result;
}
