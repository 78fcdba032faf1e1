/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Tools that MCP's official conformance suite calls by name: what it has to say
 * about results, progress and capabilities is then said about our transport.
 * They answer by themselves and make no sandbox. Only a test's executable has
 * them (tests/meson.build); everywhere else fixtures_missing.c stands in.
 *
 * https://github.com/modelcontextprotocol/conformance
 */

#include "base/buf.h"

#include <stdbool.h>

struct incoming_item;
struct request;

/* More of tools/list, each with a comma before it. */
void fixtures_append_list(struct buf *out);
/* Answers the request; or false if there is no such tool. Loop thread. */
bool fixtures_call(struct request *request, const struct incoming_item *item, const char *name);
