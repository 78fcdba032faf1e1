/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a request says about the type of its body and of the answer that it takes
 * (RFC 9110, 8.3 and 12.5.1). Lenient where clients are sloppy: only what says
 * clearly that it is something else, or takes nothing that we have, is refused.
 * Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Whether the value of a Content-Type names `type` ("application/json"), with any parameters. NULL
 * (there is none) names nothing. */
bool media_is(const char *content_type, const char *type);

/* Whether the value of an Accept takes one of the `count` types, by its name, as "application/...",
 * or as anything. Weights do not count, but 0: not this one. An empty value takes anything. */
bool media_accepts(const char *accept, const char *const *types, size_t count);
