/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who may be meant by Host, and which web pages may talk to us. This is what
 * keeps a page in somebody's browser from using a server that only that browser
 * can reach: a page whose name was made to point here (DNS rebinding) names
 * itself in Host, and any other page in Origin. Both are checked on every path.
 *
 * Host may be
 *   - a loopback name: localhost, 127.0.0.0/8, [::1], with any port;
 *   - the address that the client connected to, for that is no name;
 *   - the host of --host, and the names of --allow-host;
 *   - anything, when there are tokens, no --allow-host, and the server can be
 *     reached from elsewhere or by a unix socket: it stands behind a proxy whose
 *     name we do not know, and no page has the token.
 * Origin may be absent (no browser), equal to Host, any loopback name if Host is
 * one, or one of --allow-origin. `null` and what cannot be read is refused.
 * Sec-Fetch-Site: cross-site is refused, unless --allow-origin has the Origin.
 *
 * Pure. Loop thread, since the rules change once: when it is known what is listened on.
 */

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>

struct origin_rules;

struct origin_config {
	const char *bound_host; /* of --host; NULL: a socket that has no name */
	/* Each NULL, or an array that ends with NULL: HOST or HOST:PORT; and SCHEME://HOST[:PORT],
	 * or HOST for all schemes and ports. */
	const char *const *allowed_hosts;
	const char *const *allowed_origins;
	bool has_tokens;
};

/* Borrows nothing. NULL and ERROR_USAGE if a name cannot be one. */
struct origin_rules *origin_rules_create(const struct origin_config *config, struct error *err);
/* Takes NULL. */
void origin_rules_destroy(struct origin_rules *rules);

/* Some socket that listens can be reached from another machine. */
void origin_rules_expose(struct origin_rules *rules);

/* Of one request; every text may be NULL: absent. */
struct origin_claim {
	const char *host, *origin, *fetch_site;
	/* The address that the client connected to, v4-mapped if it is one of IPv4; NULL: none. */
	const struct in6_addr *local_address;
	bool is_unix; /* it came by a unix socket */
};

/* NULL: fine. Else a sentence for a person, that names the flag which would allow it. */
const char *origin_refusal(const struct origin_rules *rules, const struct origin_claim *claim);
