/* SPDX-License-Identifier: MIT */
#include "mcp/fixtures.h"

void fixtures_append_list(struct buf *out)
{
	(void)out;
}

bool fixtures_call(struct request *request, const struct incoming_item *item, const char *name)
{
	(void)request;
	(void)item;
	(void)name;
	return false;
}
