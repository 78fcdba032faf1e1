/* SPDX-License-Identifier: MIT */
#include "transport/http/route.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/log.h"
#include "transport/http/mcp_request.h"
#include "transport/http/media.h"
#include "transport/http/peer.h"
#include "transport/http/refusal.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define WELL_KNOWN "/.well-known/"
#define JSON "application/json"
#define EVENTS "text/event-stream"

struct http_route {
	struct endpoint *endpoint;
	struct http_pages pages;
	struct origin_rules *rules;
	struct tokens *tokens;	   /* NULL: nobody needs one */
	struct peer_finder *peers; /* NULL: it does not matter which local user it is */
	struct refusals refusals;
	bool is_exposed;
};

/* One request while its head is judged. */
struct visit {
	struct http_route *route;
	struct http_request *request;
	const struct http_head *head;
	const struct http_peer *peer;
	bool is_mcp;
	const struct page_rule *page; /* NULL: MCP, or nothing */
	struct token_holder holder;   /* of no name: nobody in particular */
};

/* A status of 0: go on. */
struct refusal {
	int status;
	bool is_logged; /* somebody tries what they may not */
	const char *reason;
	const char *allow;     /* of 405 */
	const char *challenge; /* WWW-Authenticate */
};

static const struct refusal go_on = { .status = 0 };

/* --- the checks, in their order --------------------------------------------------- */

/* Fields of which a second one would be seen by some and not by others. Two Hosts have not come so
 * far. */
static bool is_deciding(const char *name)
{
	static const char *const names[] = { "Authorization", "Content-Type", "Origin",
					     "Sec-Fetch-Site" };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return strncasecmp(name, "Mcp-", 4) == 0;
}

static struct refusal check_repeated(struct visit *visit)
{
	size_t i;

	for (i = 0; i < visit->head->field_count; i++) {
		const char *name = visit->head->fields[i].name;

		if (is_deciding(name) && http_head_count(visit->head, name) > 1)
			return (struct refusal){ .status = 400,
						 .reason = "A header that decides about the "
							   "request stands in it twice." };
	}
	return go_on;
}

/* Where the client connected to. False: nowhere that an address names. */
static bool find_local_address(int fd, struct in6_addr *local)
{
	struct sockaddr_storage address = { 0 };
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return false;
	if (address.ss_family == AF_INET6) {
		*local = six->sin6_addr;
		return true;
	}
	*local = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(local->s6_addr + 12, &four->sin_addr, sizeof(four->sin_addr));
	return address.ss_family == AF_INET;
}

static struct refusal check_origin(struct visit *visit)
{
	struct in6_addr local;
	const struct origin_claim claim = {
		.host = visit->head->host,
		.origin = http_head_find(visit->head, "Origin"),
		.fetch_site = http_head_find(visit->head, "Sec-Fetch-Site"),
		.local_address = find_local_address(visit->peer->fd, &local) ? &local : NULL,
		.is_unix = visit->peer->is_unix,
	};
	const char *reason = origin_refusal(visit->route->rules, &claim);

	if (!reason)
		return go_on;
	return (struct refusal){ .status = 403, .is_logged = true, .reason = reason };
}

static struct refusal check_path(struct visit *visit)
{
	if (visit->is_mcp || visit->page)
		return go_on;
	if (strncmp(visit->head->path, WELL_KNOWN, strlen(WELL_KNOWN)) == 0)
		return (struct refusal){ .status = 404,
					 .reason = "This server has no authorization server and no "
						   "metadata about one." };
	return (struct refusal){ .status = 404,
				 .reason = "There is nothing here. MCP is at " HTTP_MCP_PATH "." };
}

static struct refusal check_method(struct visit *visit)
{
	enum http_method method = visit->head->method;
	struct refusal refusal = { .status = 405,
				   .reason = "This path does not take that method." };

	if (visit->page ? page_allows(visit->page, method)
			: method == HTTP_POST || method == HTTP_GET || method == HTTP_DELETE)
		return go_on;
	refusal.allow = visit->page ? visit->page->allowed_methods
				    : endpoint_allowed_methods(visit->route->endpoint);
	return refusal;
}

static struct refusal judge_token(struct visit *visit)
{
	const char *authorization = http_head_find(visit->head, "Authorization");
	const struct token_holder *holder = NULL;

	switch (tokens_judge(visit->route->tokens, authorization, &holder)) {
	case TOKEN_ABSENT:
		return (struct refusal){ .status = 401,
					 .challenge = "Bearer",
					 .reason = "This server wants a token, as a header: "
						   "Authorization: Bearer TOKEN." };
	case TOKEN_MALFORMED:
		return (struct refusal){ .status = 400,
					 .challenge = "Bearer error=\"invalid_request\"",
					 .reason = "The header must be: Authorization: Bearer "
						   "TOKEN, with one word as token." };
	case TOKEN_UNKNOWN:
		return (struct refusal){ .status = 401,
					 .is_logged = true,
					 .challenge = "Bearer error=\"invalid_token\"",
					 .reason = "This server does not know that token." };
	case TOKEN_KNOWN:
		break;
	}
	visit->holder = *holder;
	if (visit->page && visit->page->access == PAGE_OPERATOR && !holder->is_operator)
		return (struct refusal){ .status = 403,
					 .is_logged = true,
					 .challenge = "Bearer error=\"insufficient_scope\"",
					 .reason = "This needs the token of an operator." };
	return go_on;
}

/* 0 and *uid, or -1: it cannot be told. */
static int find_uid(struct visit *visit, uid_t *uid)
{
	if (!visit->peer->is_unix)
		return peer_find_uid(visit->route->peers, visit->peer->fd, uid, NULL);
	*uid = visit->peer->uid;
	return visit->peer->has_uid ? 0 : -1;
}

static struct refusal judge_local_user(struct visit *visit)
{
	struct refusal refusal = { .status = 403, .is_logged = true };
	uid_t uid;

	if (!visit->route->peers)
		return go_on;
	/* Who comes from another machine may, since without tokens we are exposed only if that was
	 * asked for. Otherwise all are from this one, also by an address that is no loopback's: a
	 * client chooses among those of the machine. */
	if (visit->route->is_exposed && !visit->peer->is_loopback && !visit->peer->is_unix)
		return go_on;
	if (find_uid(visit, &uid) < 0) {
		refusal.reason = "This machine does not tell which of its users is connecting, so "
				 "nobody is served without a token. Start the server with "
				 "--auth-token-file, or with --allow-local-users.";
		return refusal;
	}
	if (uid == 0 || uid == geteuid())
		return go_on;
	refusal.reason = "Without tokens this server is for the user who runs it, and root. To "
			 "let others use it, start it with --auth-token-file, or with "
			 "--allow-local-users.";
	return refusal;
}

/* NULL: nobody in particular. */
static const char *name_of(const struct visit *visit)
{
	return visit->holder.name[0] ? visit->holder.name : NULL;
}

static struct refusal check_access(struct visit *visit)
{
	struct refusal refusal;

	if (visit->page && visit->page->access == PAGE_OPEN)
		return go_on;
	if (visit->route->tokens) {
		refusal = judge_token(visit);
	} else {
		visit->holder.is_operator = true;
		refusal = judge_local_user(visit);
	}
	if (refusal.status == 0)
		http_request_trust(visit->request, name_of(visit));
	return refusal;
}

static struct refusal check_content_type(struct visit *visit)
{
	if (!visit->is_mcp || visit->head->method != HTTP_POST ||
	    media_is(http_head_find(visit->head, "Content-Type"), JSON))
		return go_on;
	return (struct refusal){ .status = 415, .reason = "Content-Type must be " JSON "." };
}

_Static_assert(LIMIT_MESSAGE_BYTES == 16777216, "the sentence below says so");

static struct refusal check_length(struct visit *visit)
{
	if (!visit->is_mcp || !visit->head->has_content_length ||
	    visit->head->content_length <= LIMIT_MESSAGE_BYTES)
		return go_on;
	return (struct refusal){ .status = 413,
				 .reason = "A message may have 16 MiB (16777216 bytes)." };
}

static struct refusal check_accept(struct visit *visit)
{
	static const char *const types[] = { EVENTS, JSON };
	const struct http_head *head = visit->head;
	size_t count = head->method == HTTP_GET ? 1 : ARRAY_LENGTH(types);
	bool is_absent = true;
	size_t i;

	if (!visit->is_mcp || head->method == HTTP_DELETE)
		return go_on;
	for (i = 0; i < head->field_count; i++) {
		if (strcasecmp(head->fields[i].name, "Accept") != 0)
			continue;
		is_absent = false;
		if (media_accepts(head->fields[i].value, types, count))
			return go_on;
	}
	if (is_absent)
		return go_on;
	return (struct refusal){ .status = 406,
				 .reason = "Accept must allow " JSON " and " EVENTS "." };
}

static struct refusal judge(struct visit *visit)
{
	static struct refusal (*const checks[])(struct visit *visit) = {
		check_repeated, check_origin,	    check_path,	  check_method,
		check_access,	check_content_type, check_length, check_accept,
	};
	struct refusal refusal = go_on;
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(checks) && refusal.status == 0; i++)
		refusal = checks[i](visit);
	return refusal;
}

/* --- answering ------------------------------------------------------------------- */

/* NULL where there is no memory for it: the status has to do. */
static char *explain(const struct visit *visit, const char *reason, size_t *bytes)
{
	struct buf body = BUF_INIT(4 * KIB);
	char *text;

	if (visit->is_mcp) {
		(void)buf_append_string(&body, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{"
					       "\"code\":-32600,\"message\":\"");
		(void)escape_append(&body, reason, strlen(reason), KIB, ESCAPE_JSON);
		(void)buf_append_string(&body, "\"}}");
	} else {
		(void)buf_printf(&body, "%s\n", reason);
	}
	*bytes = body.length;
	text = buf_take_string(&body);
	buf_finish(&body);
	return text;
}

static void refuse(struct visit *visit, const struct refusal *refusal)
{
	struct http_field fields[2];
	size_t count = 0, bytes = 0;
	char *body = explain(visit, refusal->reason, &bytes);

	if (refusal->is_logged)
		refusal_log(&visit->route->refusals, visit->peer->address, refusal->reason,
			    clock_now_ms());
	if (refusal->allow)
		fields[count++] = (struct http_field){ "Allow", refusal->allow };
	if (refusal->challenge)
		fields[count++] = (struct http_field){ "WWW-Authenticate", refusal->challenge };
	http_reply(visit->request, refusal->status,
		   visit->is_mcp ? JSON : "text/plain; charset=utf-8", fields, count, body,
		   body ? bytes : 0);
}

static void on_head(void *context, struct http_request *request)
{
	struct http_route *route = context;
	const struct http_head *head = http_request_head(request);
	struct visit visit = {
		.route = route,
		.request = request,
		.head = head,
		.peer = http_request_peer(request),
		.is_mcp = strcmp(head->path, HTTP_MCP_PATH) == 0,
		.page = pages_find(&route->pages, head->path),
	};
	struct refusal refusal = judge(&visit);
	const char *principal = name_of(&visit);

	if (refusal.status != 0)
		refuse(&visit, &refusal);
	else if (visit.is_mcp)
		mcp_request_start(route->endpoint, request, principal);
	else
		pages_serve(&route->pages, visit.page, request, principal,
			    visit.holder.is_operator);
}

static void on_body(void *context, struct http_request *request, char *body, size_t bytes)
{
	struct http_route *route = context;

	/* Only MCP's requests have somebody to find again. */
	if (http_request_user(request)) {
		mcp_request_take_body(request, body, bytes);
		return;
	}
	free(body);
	route->pages.serve_health(route->pages.context, request);
}

static void on_gone(void *context, struct http_request *request)
{
	struct http_route *route = context;

	if (http_request_user(request))
		mcp_request_lose(request);
	else
		route->pages.on_gone(route->pages.context, request);
}

/* --- life ------------------------------------------------------------------------ */

static struct peer_finder *make_finder(void)
{
	struct peer_finder *finder = peer_finder_create();
	struct error err = ERROR_INIT;

	if (peer_finder_test(finder, &err) < 0)
		log_event(LOG_WARNING, "local_users_not_told", LOG_STRING("error", err.message));
	return finder;
}

struct http_route *http_route_create(const struct http_route_config *config, struct error *err)
{
	struct http_route *route = alloc_zeroed(sizeof(*route));
	struct origin_config origin = config->origin;

	route->endpoint = config->endpoint;
	route->pages = config->pages;
	route->tokens = config->tokens;
	origin.has_tokens = config->tokens != NULL;
	route->rules = origin_rules_create(&origin, err);
	if (!route->rules) {
		http_route_destroy(route);
		return NULL;
	}
	if (!route->tokens && !config->allows_local_users)
		route->peers = make_finder();
	return route;
}

void http_route_destroy(struct http_route *route)
{
	if (!route)
		return;
	peer_finder_destroy(route->peers);
	tokens_destroy(route->tokens);
	origin_rules_destroy(route->rules);
	free(route);
}

struct http_handler http_route_handler(struct http_route *route)
{
	return (struct http_handler){ on_head, on_body, on_gone, route };
}

void http_route_expose(struct http_route *route)
{
	route->is_exposed = true;
	origin_rules_expose(route->rules);
}

void http_route_set_tokens(struct http_route *route, struct tokens *tokens)
{
	assert(route->tokens);
	assert(tokens_count(tokens) > 0);
	tokens_destroy(route->tokens);
	route->tokens = tokens;
}
