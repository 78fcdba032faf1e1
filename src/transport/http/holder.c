/* SPDX-License-Identifier: MIT */
#include "transport/http/state.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

struct http_holder {
	char *name;
	unsigned requests;
	UT_hash_handle hh;
};

struct http_holder *http_holder_enter(struct http_server *server, const char *name)
{
	struct http_holder *holder;

	HASH_FIND_STR(server->holders, name, holder);
	if (!holder) {
		holder = alloc_zeroed(sizeof(*holder));
		holder->name = alloc_string(name);
		HASH_ADD_KEYPTR(hh, server->holders, holder->name, strlen(holder->name), holder);
	}
	holder->requests++;
	return holder;
}

void http_holder_leave(struct http_server *server, struct http_holder *holder)
{
	if (!holder || --holder->requests > 0)
		return;
	HASH_DEL(server->holders, holder);
	free(holder->name);
	free(holder);
}

bool http_holder_has_too_many(const struct http_server *server, const struct http_holder *holder)
{
	unsigned most = server->config.max_connections / LIMIT_HTTP_HOLDER_SHARE;

	return holder && holder->requests > (most > 0 ? most : 1);
}
