/* SPDX-License-Identifier: MIT */
#include "mcp/server.h"

#include "base/alloc.h"
#include "base/random.h"
#include "mcp/state.h"

#include <stdlib.h>

bool mcp_server_takes_handle(const struct mcp_server *server, enum era era)
{
	switch (server->config.sandbox_scope) {
	case SANDBOX_SCOPE_AUTO:
		return era == ERA_MODERN;
	case SANDBOX_SCOPE_HANDLE:
		return true;
	case SANDBOX_SCOPE_SESSION:
	case SANDBOX_SCOPE_PRINCIPAL:
		break;
	}
	return false;
}

struct mcp_server *mcp_server_create(const struct mcp_server_config *config)
{
	struct mcp_server *server = alloc_zeroed(sizeof(*server));
	size_t seed;
	int era;

	/* The parser's hash tables; before a thread parses, because seeding is not thread-safe. */
	random_fill(&seed, sizeof(seed));
	json_object_seed(seed);
	server->config = *config;
	server->parsers = parser_pool_create(config->loop);
	server->rules.protocol = config->protocol;
	for (era = ERA_LEGACY; era <= ERA_MODERN; era++)
		server->rules.of_era[era] = (struct sandbox_exec_rules){
			.timeout_s = config->timeout_s,
			.max_timeout_s = config->max_timeout_s,
			.takes_handle = mcp_server_takes_handle(server, (enum era)era),
			.target = config->sandbox_scope == SANDBOX_SCOPE_PRINCIPAL
					  ? CALL_TARGET_PRINCIPAL
					  : CALL_TARGET_SESSION,
		};
	return server;
}

void mcp_server_destroy(struct mcp_server *server)
{
	if (!server)
		return;
	parser_pool_destroy(server->parsers);
	free(server);
}

static void facts_came(void *context, const struct exec_facts *facts, const struct error *err)
{
	struct mcp_server *server = context;
	struct request *request;

	(void)err; /* the list is then more general, and whoever probed has logged why */
	/* An answer may bring the next request, or show that another client is gone. */
	while ((request = server->waiting_for_facts)) {
		server->waiting_for_facts = request->next_waiting;
		request->is_waiting_for_facts = false;
		tools_list_answer(request, facts);
	}
	server->is_probing = false;
}

void mcp_server_want_facts(struct mcp_server *server, struct request *request)
{
	struct request **end = &server->waiting_for_facts;

	while (*end)
		end = &(*end)->next_waiting;
	*end = request;
	request->is_waiting_for_facts = true;
	if (server->is_probing)
		return;
	server->is_probing = true;
	registry_get_facts(server->config.registry, facts_came, server);
}

void mcp_server_forget(struct mcp_server *server, struct request *request)
{
	struct request **at = &server->waiting_for_facts;

	while (*at != request)
		at = &(*at)->next_waiting;
	*at = request->next_waiting;
}
