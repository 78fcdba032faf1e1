/* SPDX-License-Identifier: MIT */

/* Four lines: Host, Origin, Accept and Content-Type as a client may send them; the first byte says
 * which of the first two are there. What another site could send is never accepted. */

#include "fuzz.h"

#include "transport/http/media.h"
#include "transport/http/origin.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST, ORIGIN, ACCEPT, TYPE, LINES };

static struct origin_rules *make_rules(bool has_tokens)
{
	static const char *const hosts[] = { "kiln.example:8443", "[fd00::7]", NULL };
	static const char *const origins[] = { "https://app.example", "any.example", NULL };
	const struct origin_config config = { .bound_host = "10.0.0.7",
					      .allowed_hosts = has_tokens ? NULL : hosts,
					      .allowed_origins = origins,
					      .has_tokens = has_tokens };
	struct origin_rules *rules = origin_rules_create(&config, NULL);

	assert(rules);
	if (has_tokens)
		origin_rules_expose(rules);
	return rules;
}

/* A name that is accepted is one of those above, or looks like an address. */
static void check_host(const char *host)
{
	static const char *const good[] = { "localhost", "127.", "10.0.0.7", "kiln.example", "[" };
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (strncasecmp(host, good[i], strlen(good[i])) == 0)
			return;
	}
	abort();
}

static void judge(const struct origin_rules *strict, const struct origin_rules *open,
		  const struct origin_claim *claim)
{
	const char *refusal = origin_refusal(strict, claim);

	if (!refusal && claim->host)
		check_host(claim->host);
	/* What the strict rules take, those take too that have any Host. */
	assert(refusal || !origin_refusal(open, claim));
	assert(refusal || claim->host);
	if (claim->origin && !strstr(claim->origin, "://"))
		assert(refusal && origin_refusal(open, claim));
	if (claim->origin && strcasecmp(claim->origin, "https://evil.example") == 0)
		assert(refusal);
}

static void configure(const char *text)
{
	const char *const texts[] = { text, NULL };
	const struct origin_config hosts = { .allowed_hosts = texts, .bound_host = text };
	const struct origin_config origins = { .allowed_origins = texts };

	origin_rules_destroy(origin_rules_create(&hosts, NULL));
	origin_rules_destroy(origin_rules_create(&origins, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "text/event-stream", "application/json" };
	static struct origin_rules *strict, *open;
	char *lines[LINES];
	struct origin_claim claim;
	char *text, *at;
	int i;

	if (!strict) {
		strict = make_rules(false);
		open = make_rules(true);
	}
	if (size < 1)
		return 0;
	text = calloc(1, size + 1);
	assert(text);
	memcpy(text, data, size);
	at = text + 1;
	for (i = 0; i < LINES; i++)
		lines[i] = at ? strsep(&at, "\n") : text + size;
	claim = (struct origin_claim){ .host = text[0] & 1 ? lines[HOST] : NULL,
				       .origin = text[0] & 2 ? lines[ORIGIN] : NULL,
				       .fetch_site = text[0] & 4 ? "cross-site" : NULL };
	judge(strict, open, &claim);
	configure(lines[HOST]);
	configure(lines[ORIGIN]);
	/* Who takes one of the types takes it among more. */
	assert(!media_accepts(lines[ACCEPT], types, 1) || media_accepts(lines[ACCEPT], types, 2));
	(void)media_is(lines[TYPE], types[1]);
	free(text);
	return 0;
}
