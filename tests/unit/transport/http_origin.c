/* SPDX-License-Identifier: MIT */
#include "transport/http/origin.h"

#include "base/attr.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct origin_rules *make(const struct origin_config *config)
{
	struct error err = ERROR_INIT;
	struct origin_rules *rules = origin_rules_create(config, &err);

	if (!rules)
		fail_msg("%s", err.message);
	return rules;
}

/* What is refused, as one word; "-" if nothing is. */
static const char *judge(const struct origin_rules *rules, const struct origin_claim *claim)
{
	static const char *const flags[] = { "--allow-host", "--allow-origin" };
	static const char *const words[] = { "host", "origin" };
	const char *refusal = origin_refusal(rules, claim);
	size_t i;

	if (!refusal)
		return "-";
	if (strstr(refusal, "another web site"))
		return "site";
	for (i = 0; i < ARRAY_LENGTH(flags); i++) {
		if (strstr(refusal, flags[i]))
			return words[i];
	}
	return refusal;
}

static void assert_host(const struct origin_rules *rules, const char *host, const char *expected)
{
	const struct origin_claim claim = { .host = host };
	const char *told = judge(rules, &claim);

	if (strcmp(told, expected) != 0)
		fail_msg("Host %s: %s, not %s", host ? host : "(none)", told, expected);
}

static void assert_origin(const struct origin_rules *rules, const char *host, const char *origin,
			  const char *expected)
{
	const struct origin_claim claim = { .host = host, .origin = origin };
	const char *told = judge(rules, &claim);

	if (strcmp(told, expected) != 0)
		fail_msg("Host %s, Origin %s: %s, not %s", host, origin, told, expected);
}

static void loopback_names_are_hosts_with_any_port(void **state)
{
	static const char *const good[] = {
		"localhost",
		"localhost:8000",
		"LocalHost:1",
		"127.0.0.1",
		"127.0.0.1:65535",
		"127.8.9.10:80",
		"[::1]",
		"[::1]:8000",
		"[0:0:0:0:0:0:0:1]:8000",
		"[::ffff:127.0.0.1]:8000",
	};
	static const char *const bad[] = {
		"evil.example",
		"evil.example:8000",
		"localhost.evil.example",
		"127.0.0.1.evil.example",
		"localhost.",
		"128.0.0.1",
		"127.1",
		"0177.0.0.1",
		"2130706433",
		"0.0.0.0:8000",
		"[::]:8000",
		"[::2]",
		"::1",
		"[::1",
		"[::1]8000",
		"[localhost]",
		"localhost:",
		"localhost:0",
		"localhost:65536",
		"localhost:-1",
		"localhost:+1",
		"localhost:80:80",
		"user@localhost",
		"localhost/",
		"localhost evil",
		"local\thost",
		"",
		":8000",
		"[::1%lo]:8000",
		"[::ffff:10.0.0.1]",
		"localhost,evil.example",
		"l\303\266calhost",
	};
	struct origin_rules *rules = make(&(struct origin_config){ .bound_host = "127.0.0.1" });
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(good); i++)
		assert_host(rules, good[i], "-");
	for (i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_host(rules, bad[i], "host");
	assert_host(rules, NULL, "host");
	origin_rules_destroy(rules);
	origin_rules_destroy(NULL);
}

static void the_bound_host_is_a_host_but_no_wildcard_is(void **state)
{
	static const struct {
		const char *bound, *host, *expected;
	} rows[] = {
		{ "192.168.7.7", "192.168.7.7:8000", "-" },
		{ "192.168.7.7", "192.168.7.8:8000", "host" },
		{ "Kiln.example", "kiln.Example", "-" },
		{ "fd00::7", "[fd00::7]:8000", "-" },
		{ "[fd00::7]", "[FD00:0::7]:8000", "-" },
		{ "0.0.0.0", "0.0.0.0:8000", "host" },
		{ "::", "[::]:8000", "host" },
		{ "[::]", "[::]:8000", "host" },
		{ "::", "localhost:8000", "-" },
		{ NULL, "localhost:8000", "-" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct origin_rules *rules =
			make(&(struct origin_config){ .bound_host = rows[i].bound });

		origin_rules_expose(rules);
		assert_host(rules, rows[i].host, rows[i].expected);
		origin_rules_destroy(rules);
	}
}

static void the_address_that_was_connected_to_is_no_name_and_fine(void **state)
{
	struct origin_rules *rules = make(&(struct origin_config){ .bound_host = "0.0.0.0" });
	struct in6_addr local;
	struct origin_claim claim = { .host = "10.1.2.3:8000", .local_address = &local };

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.2.3", &local), 1);
	assert_string_equal(judge(rules, &claim), "-");
	claim.origin = "http://10.1.2.3:8000";
	assert_string_equal(judge(rules, &claim), "-");
	claim.origin = NULL;
	claim.host = "10.1.2.4:8000";
	assert_string_equal(judge(rules, &claim), "host");
	claim.host = "ten.example:8000";
	assert_string_equal(judge(rules, &claim), "host");
	claim.host = "[fd00::7]";
	assert_int_equal(inet_pton(AF_INET6, "fd00::7", &local), 1);
	assert_string_equal(judge(rules, &claim), "-");
	origin_rules_destroy(rules);
}

static void allowed_hosts_are_compared_with_their_port_if_they_have_one(void **state)
{
	static const char *const allowed[] = { "Kiln.example", "other.example:8443", "[fd00::1]",
					       "10.0.0.1",     "std.example:443",    NULL };
	static const struct {
		const char *host, *expected;
	} rows[] = {
		{ "kiln.example", "-" },       { "KILN.example:1234", "-" },
		{ "a.kiln.example", "host" },  { "kiln.example.evil", "host" },
		{ "other.example:8443", "-" }, { "other.example:8444", "host" },
		{ "other.example", "host" },   { "[fd00::1]:99", "-" },
		{ "[fd00::2]:99", "host" },    { "10.0.0.1:99", "-" },
		{ "std.example", "-" },	       { "std.example:80", "host" },
		{ "localhost:1", "-" },
	};
	struct origin_rules *rules =
		make(&(struct origin_config){ .allowed_hosts = allowed, .has_tokens = true });
	size_t i;

	(void)state;
	origin_rules_expose(rules);
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_host(rules, rows[i].host, rows[i].expected);
	origin_rules_destroy(rules);
}

static void tokens_make_any_host_good_beyond_loopback(void **state)
{
	const struct origin_config with = { .bound_host = "0.0.0.0", .has_tokens = true };
	const struct origin_config without = { .bound_host = "0.0.0.0" };
	const struct origin_claim by_unix = { .host = "proxy.example", .is_unix = true };
	struct origin_rules *rules = make(&with);

	(void)state;
	assert_host(rules, "proxy.example", "host");
	assert_string_equal(judge(rules, &by_unix), "-");
	origin_rules_expose(rules);
	assert_host(rules, "proxy.example", "-");
	assert_host(rules, "proxy example", "host");
	assert_host(rules, NULL, "-");
	assert_origin(rules, "proxy.example", "https://proxy.example", "-");
	assert_origin(rules, "proxy.example", "https://evil.example", "origin");
	assert_origin(rules, NULL, "https://evil.example", "origin");
	origin_rules_destroy(rules);
	rules = make(&without);
	origin_rules_expose(rules);
	assert_host(rules, "proxy.example", "host");
	assert_string_equal(judge(rules, &by_unix), "host");
	origin_rules_destroy(rules);
}

static void an_origin_is_absent_loopback_or_the_host_itself(void **state)
{
	static const struct {
		const char *host, *origin, *expected;
	} rows[] = {
		{ "localhost:8000", NULL, "-" },
		{ "localhost:8000", "http://localhost:8000", "-" },
		{ "127.0.0.1:8000", "http://127.0.0.1:8000", "-" },
		{ "127.0.0.1:8000", "http://localhost:6274", "-" },
		{ "[::1]:8000", "http://[::1]:3000", "-" },
		{ "localhost:8000", "https://LOCALHOST", "-" },
		{ "localhost:8000", "http://evil.example", "origin" },
		{ "localhost:8000", "http://evil.example:8000", "origin" },
		{ "localhost:8000", "http://localhost.evil.example:8000", "origin" },
		{ "localhost:8000", "null", "origin" },
		{ "localhost:8000", "", "origin" },
		{ "localhost:8000", "localhost:8000", "origin" },
		{ "localhost:8000", "http://", "origin" },
		{ "localhost:8000", "://localhost", "origin" },
		{ "localhost:8000", "http:localhost:8000", "origin" },
		{ "localhost:8000", "http://localhost:8000/", "origin" },
		{ "localhost:8000", "http://localhost:8000/mcp", "origin" },
		{ "localhost:8000", "http://localhost:8000 http://evil.example", "origin" },
		{ "localhost:8000", "http://user@localhost:8000", "origin" },
		{ "localhost:8000", "file://", "origin" },
		{ "kiln.example", "https://kiln.example", "-" },
		{ "kiln.example", "http://kiln.example", "-" },
		{ "kiln.example:443", "https://kiln.example", "-" },
		{ "kiln.example", "https://kiln.example:443", "-" },
		{ "kiln.example:8000", "http://kiln.example:8000", "-" },
		{ "kiln.example:8000", "http://kiln.example:8001", "origin" },
		{ "kiln.example", "https://kiln.example:8443", "origin" },
		{ "kiln.example", "http://localhost:3000", "origin" },
		{ "kiln.example", "http://a.kiln.example", "origin" },
		{ "evil.example", "http://evil.example", "host" },
	};
	static const char *const allowed[] = { "kiln.example", NULL };
	struct origin_rules *rules = make(&(struct origin_config){ .allowed_hosts = allowed });
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_origin(rules, rows[i].host, rows[i].origin, rows[i].expected);
	origin_rules_destroy(rules);
}

static void allowed_origins_are_exact_or_a_host(void **state)
{
	static const char *const allowed[] = {
		"https://App.example", "http://dev.example:3000/", "any.example",
		"ported.example:81",   "vscode-webview://12ab-cd", NULL
	};
	static const struct {
		const char *origin, *expected;
	} rows[] = {
		{ "https://app.example", "-" },		  { "https://app.example:443", "-" },
		{ "HTTPS://APP.example", "-" },		  { "http://app.example", "origin" },
		{ "https://app.example:444", "origin" },  { "http://dev.example:3000", "-" },
		{ "http://dev.example", "origin" },	  { "http://any.example:1", "-" },
		{ "custom://any.example", "-" },	  { "http://ported.example:81", "-" },
		{ "http://ported.example", "origin" },	  { "vscode-webview://12ab-cd", "-" },
		{ "vscode-webview://12ab-ce", "origin" }, { "null", "origin" },
	};
	struct origin_rules *rules = make(&(struct origin_config){ .allowed_origins = allowed });
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		assert_origin(rules, "localhost:8000", rows[i].origin, rows[i].expected);
	origin_rules_destroy(rules);
}

static void what_another_site_sends_is_refused_unless_its_origin_is_allowed(void **state)
{
	static const char *const allowed[] = { "https://app.example", NULL };
	static const struct {
		const char *origin, *site, *expected;
	} rows[] = {
		{ NULL, "cross-site", "site" },
		{ NULL, "Cross-Site", "site" },
		{ NULL, "same-origin", "-" },
		{ NULL, "same-site", "-" },
		{ NULL, "none", "-" },
		{ "http://localhost:8000", "cross-site", "site" },
		{ "https://app.example", "cross-site", "-" },
		{ "https://evil.example", "cross-site", "origin" },
	};
	struct origin_rules *rules = make(&(struct origin_config){ .allowed_origins = allowed });
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct origin_claim claim = { .host = "localhost:8000",
						    .origin = rows[i].origin,
						    .fetch_site = rows[i].site };

		assert_string_equal(judge(rules, &claim), rows[i].expected);
	}
	origin_rules_destroy(rules);
}

static void a_flag_that_can_match_nothing_is_an_error(void **state)
{
	static const struct {
		const char *hosts[2], *origins[2], *error;
	} rows[] = {
		{ { "http://kiln.example" }, { NULL }, "--allow-host takes HOST" },
		{ { "*" }, { NULL }, "--allow-host takes HOST" },
		{ { "" }, { NULL }, "--allow-host takes HOST" },
		{ { "fd00::1" }, { NULL }, "--allow-host takes HOST" },
		{ { NULL }, { "*" }, "--allow-origin takes SCHEME" },
		{ { NULL }, { "null://" }, "--allow-origin takes SCHEME" },
		{ { NULL }, { "" }, "--allow-origin takes SCHEME" },
		{ { NULL }, { "https://app.example/path" }, "--allow-origin takes SCHEME" },
		{ { NULL }, { "https://app.example//" }, "--allow-origin takes SCHEME" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct origin_config config = { .allowed_hosts = rows[i].hosts,
						      .allowed_origins = rows[i].origins };
		struct error err = ERROR_INIT;

		assert_null(origin_rules_create(&config, &err));
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_non_null(strstr(err.message, rows[i].error));
	}
}

static void there_is_an_end_to_names_and_to_their_length(void **state)
{
	const char *many[LIMIT_ALLOWED_NAMES + 2] = { NULL };
	const struct origin_config hosts = { .allowed_hosts = many };
	const struct origin_config origins = { .allowed_origins = many };
	char name[LIMIT_HOST_NAME_BYTES + 2];
	struct origin_rules *rules;
	struct error err = ERROR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < LIMIT_ALLOWED_NAMES; i++)
		many[i] = "kiln.example";
	origin_rules_destroy(make(&hosts));
	origin_rules_destroy(make(&origins));
	many[i] = "kiln.example";
	assert_null(origin_rules_create(&hosts, &err));
	assert_non_null(strstr(err.message, "--allow-host: more than 256"));
	assert_null(origin_rules_create(&origins, &err));
	assert_non_null(strstr(err.message, "--allow-origin: more than 256"));

	memset(name, 'a', sizeof(name));
	name[LIMIT_HOST_NAME_BYTES] = '\0';
	many[0] = name;
	many[1] = NULL;
	rules = make(&hosts);
	assert_host(rules, name, "-");
	name[LIMIT_HOST_NAME_BYTES] = 'a';
	name[LIMIT_HOST_NAME_BYTES + 1] = '\0';
	assert_host(rules, name, "host");
	origin_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_names_are_hosts_with_any_port),
		cmocka_unit_test(the_bound_host_is_a_host_but_no_wildcard_is),
		cmocka_unit_test(the_address_that_was_connected_to_is_no_name_and_fine),
		cmocka_unit_test(allowed_hosts_are_compared_with_their_port_if_they_have_one),
		cmocka_unit_test(tokens_make_any_host_good_beyond_loopback),
		cmocka_unit_test(an_origin_is_absent_loopback_or_the_host_itself),
		cmocka_unit_test(allowed_origins_are_exact_or_a_host),
		cmocka_unit_test(what_another_site_sends_is_refused_unless_its_origin_is_allowed),
		cmocka_unit_test(a_flag_that_can_match_nothing_is_an_error),
		cmocka_unit_test(there_is_an_end_to_names_and_to_their_length),
	};

	return cmocka_run_group_tests_name("transport-http_origin", tests, NULL, NULL);
}
