/* SPDX-License-Identifier: MIT */
#include "transport/http/origin.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/number.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANY_PORT 0
#define SCHEME_BYTES 32

/* A host and a port, as they stand in Host, Origin and the options. */
struct authority {
	char name[LIMIT_HOST_NAME_BYTES + 1]; /* lower case; of an address: empty */
	struct in6_addr address;	      /* if `name` is empty; v4-mapped if it is IPv4 */
	unsigned port;			      /* ANY_PORT: none was given */
};

/* SCHEME://AUTHORITY. With an empty scheme, in the rules: any scheme. */
struct origin {
	char scheme[SCHEME_BYTES + 1]; /* lower case */
	struct authority authority;
};

struct origin_rules {
	struct authority *hosts; /* the bound one, and those allowed */
	size_t host_count;
	struct origin *origins;
	size_t origin_count;
	bool trusts_tokens; /* they are enough, wherever Host may not be known */
	bool is_exposed;
};

/* --- reading ------------------------------------------------------------------ */

static void map_address(struct in6_addr *mapped, const struct in_addr *address)
{
	*mapped = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(mapped->s6_addr + 12, address, sizeof(*address));
}

/* False unless it is the whole of an address: 127.1 and 0177.0.0.1 are none. */
static bool read_address(const char *text, bool is_bracketed, struct in6_addr *address)
{
	struct in_addr four;

	if (is_bracketed)
		return inet_pton(AF_INET6, text, address) == 1;
	if (inet_pton(AF_INET, text, &four) != 1)
		return false;
	map_address(address, &four);
	return true;
}

static bool read_name(const char *text, char *name)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte > '~' || (!isalnum(byte) && !strchr("._-", byte)))
			return false;
		name[i] = (char)tolower(byte);
	}
	name[i] = '\0';
	return i > 0;
}

static bool read_port(const char *text, unsigned *port)
{
	int64_t number;

	if (!isdigit((unsigned char)*text) ||
	    number_parse_int(text, 1, UINT16_MAX, "port", &number, NULL) < 0)
		return false;
	*port = (unsigned)number;
	return true;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT, and nothing else. */
static bool read_authority(const char *text, struct authority *authority)
{
	bool is_bracketed = *text == '[';
	size_t bytes = strcspn(text += is_bracketed, is_bracketed ? "]" : ":");
	const char *rest = text + bytes;
	char host[LIMIT_HOST_NAME_BYTES + 1];

	*authority = (struct authority){ .port = ANY_PORT };
	if (bytes >= sizeof(host) || (is_bracketed && *rest++ != ']'))
		return false;
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	if (*rest != '\0' && (*rest != ':' || !read_port(rest + 1, &authority->port)))
		return false;
	if (read_address(host, is_bracketed, &authority->address))
		return true;
	return !is_bracketed && read_name(host, authority->name);
}

/* As browsers write it: no path, not even a slash. */
static bool read_origin(const char *text, struct origin *origin)
{
	size_t bytes = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789+-.");
	size_t i;

	if (bytes == 0 || bytes > SCHEME_BYTES || strncmp(text + bytes, "://", 3) != 0)
		return false;
	for (i = 0; i < bytes; i++)
		origin->scheme[i] = (char)tolower((unsigned char)text[i]);
	origin->scheme[bytes] = '\0';
	return read_authority(text + bytes + 3, &origin->authority);
}

/* --- comparing ---------------------------------------------------------------- */

static bool is_same_host(const struct authority *a, const struct authority *b)
{
	return strcmp(a->name, b->name) == 0 &&
	       (a->name[0] != '\0' || IN6_ARE_ADDR_EQUAL(&a->address, &b->address));
}

static bool is_loopback(const struct authority *authority)
{
	const struct in6_addr *address = &authority->address;

	if (authority->name[0] != '\0')
		return strcmp(authority->name, "localhost") == 0;
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* Where a browser that names no port went. */
static unsigned effective_port(const char *scheme, unsigned port)
{
	if (port != ANY_PORT)
		return port;
	if (strcmp(scheme, "http") == 0)
		return 80;
	return strcmp(scheme, "https") == 0 ? 443 : ANY_PORT;
}

/* Host leaves out the port of its scheme, which is not known here. */
static bool is_same_port(unsigned allowed, unsigned port)
{
	if (port == ANY_PORT)
		return allowed == ANY_PORT || allowed == 80 || allowed == 443;
	return allowed == ANY_PORT || allowed == port;
}

static bool is_allowed_host(const struct origin_rules *rules, const struct authority *host)
{
	size_t i;

	for (i = 0; i < rules->host_count; i++) {
		const struct authority *allowed = &rules->hosts[i];

		if (is_same_host(allowed, host) && is_same_port(allowed->port, host->port))
			return true;
	}
	return false;
}

static bool is_allowed_origin(const struct origin_rules *rules, const struct origin *origin)
{
	unsigned port = effective_port(origin->scheme, origin->authority.port);
	size_t i;

	for (i = 0; i < rules->origin_count; i++) {
		const struct origin *allowed = &rules->origins[i];
		const char *scheme = allowed->scheme[0] ? allowed->scheme : origin->scheme;

		if (!is_same_host(&allowed->authority, &origin->authority) ||
		    strcmp(scheme, origin->scheme) != 0)
			continue;
		if (allowed->scheme[0] == '\0' && allowed->authority.port == ANY_PORT)
			return true;
		if (effective_port(scheme, allowed->authority.port) == port)
			return true;
	}
	return false;
}

/* A proxy may have taken TLS off, so Host's scheme is not known: its port is read as Origin's. */
static bool is_same_origin(const struct origin *origin, const struct authority *host)
{
	return is_same_host(&origin->authority, host) &&
	       effective_port(origin->scheme, origin->authority.port) ==
		       effective_port(origin->scheme, host->port);
}

static bool takes_any_host(const struct origin_rules *rules, const struct origin_claim *claim)
{
	return rules->trusts_tokens && (rules->is_exposed || claim->is_unix);
}

/* Reads it into `host`. HTTP/1.0 may have none. */
static bool is_good_host(const struct origin_rules *rules, const struct origin_claim *claim,
			 struct authority *host)
{
	if (!claim->host)
		return takes_any_host(rules, claim);
	if (!read_authority(claim->host, host))
		return false;
	if (takes_any_host(rules, claim) || is_loopback(host) || is_allowed_host(rules, host))
		return true;
	return claim->local_address && host->name[0] == '\0' &&
	       IN6_ARE_ADDR_EQUAL(&host->address, claim->local_address);
}

/* How a request's Origin stands to the rules. */
enum standing { ORIGIN_NONE, ORIGIN_LISTED, ORIGIN_OWN, ORIGIN_FOREIGN };

static enum standing judge_origin(const struct origin_rules *rules,
				  const struct origin_claim *claim, const struct authority *host)
{
	struct origin origin = { .scheme = "" };

	if (!claim->origin)
		return ORIGIN_NONE;
	if (!read_origin(claim->origin, &origin))
		return ORIGIN_FOREIGN;
	if (is_allowed_origin(rules, &origin))
		return ORIGIN_LISTED;
	if (!claim->host)
		return ORIGIN_FOREIGN;
	if (is_same_origin(&origin, host) || (is_loopback(host) && is_loopback(&origin.authority)))
		return ORIGIN_OWN;
	return ORIGIN_FOREIGN;
}

const char *origin_refusal(const struct origin_rules *rules, const struct origin_claim *claim)
{
	struct authority host = { .port = ANY_PORT };
	enum standing standing;

	if (!is_good_host(rules, claim, &host))
		return "The Host of this request is not a name of this server. If it should be, "
		       "start the server with --allow-host and that name.";
	standing = judge_origin(rules, claim, &host);
	if (standing == ORIGIN_FOREIGN)
		return "Web pages of this Origin may not use this server. If they should, start "
		       "the server with --allow-origin and that Origin.";
	if (standing != ORIGIN_LISTED && claim->fetch_site &&
	    strcasecmp(claim->fetch_site, "cross-site") == 0)
		return "A page of another web site sent this request. If it should, start the "
		       "server with --allow-origin and the Origin of that page.";
	return NULL;
}

/* --- the rules ---------------------------------------------------------------- */

static size_t count_texts(const char *const *texts)
{
	size_t count = 0;

	while (texts && texts[count])
		count++;
	return count;
}

static int check_count(size_t count, const char *flag, struct error *err)
{
	if (count > LIMIT_ALLOWED_NAMES)
		return error_set(err, ERROR_USAGE, "%s: more than %d of them", flag,
				 LIMIT_ALLOWED_NAMES);
	return 0;
}

/* The wildcards of --host are names of nothing. The one name may be an address of IPv6 without
 * brackets, as --host takes it. */
static void add_bound_host(struct origin_rules *rules, const char *host)
{
	struct authority bound = { .port = ANY_PORT };

	if (!read_address(host, true, &bound.address) && !read_authority(host, &bound))
		return;
	if (bound.name[0] == '\0' && (IN6_IS_ADDR_UNSPECIFIED(&bound.address) ||
				      (IN6_IS_ADDR_V4MAPPED(&bound.address) &&
				       memcmp(bound.address.s6_addr + 12, "\0\0\0\0", 4) == 0)))
		return;
	rules->hosts[rules->host_count++] = bound;
}

static int add_hosts(struct origin_rules *rules, const char *const *texts, size_t count,
		     struct error *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct authority *host = &rules->hosts[rules->host_count];

		if (!read_authority(texts[i], host))
			return error_set(err, ERROR_USAGE,
					 "--allow-host takes HOST or HOST:PORT, an address of IPv6 "
					 "in brackets; got: %s",
					 texts[i]);
		rules->host_count++;
	}
	return 0;
}

/* With a slash at the end too: that is how an address bar gives it. */
static bool read_rule(const char *text, struct origin *origin)
{
	CLEANUP(cleanup_free) char *copy = alloc_string(text);
	size_t bytes = strlen(copy);

	if (!strstr(copy, "://"))
		return read_authority(copy, &origin->authority);
	if (copy[bytes - 1] == '/')
		copy[bytes - 1] = '\0';
	return read_origin(copy, origin);
}

static int add_origins(struct origin_rules *rules, const char *const *texts, size_t count,
		       struct error *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!read_rule(texts[i], &rules->origins[i]))
			return error_set(
				err, ERROR_USAGE,
				"--allow-origin takes SCHEME://HOST, SCHEME://HOST:PORT or "
				"HOST; got: %s",
				texts[i]);
		rules->origin_count++;
	}
	return 0;
}

struct origin_rules *origin_rules_create(const struct origin_config *config, struct error *err)
{
	size_t hosts = count_texts(config->allowed_hosts);
	size_t origins = count_texts(config->allowed_origins);
	struct origin_rules *rules;

	if (check_count(hosts, "--allow-host", err) < 0 ||
	    check_count(origins, "--allow-origin", err) < 0)
		return NULL;
	rules = alloc_zeroed(sizeof(*rules));
	rules->hosts = alloc_array(hosts + 1, sizeof(*rules->hosts));
	rules->origins = alloc_array(origins + 1, sizeof(*rules->origins));
	rules->trusts_tokens = config->has_tokens && hosts == 0;
	if (config->bound_host)
		add_bound_host(rules, config->bound_host);
	if (add_hosts(rules, config->allowed_hosts, hosts, err) < 0 ||
	    add_origins(rules, config->allowed_origins, origins, err) < 0) {
		origin_rules_destroy(rules);
		return NULL;
	}
	return rules;
}

void origin_rules_expose(struct origin_rules *rules)
{
	rules->is_exposed = true;
}

void origin_rules_destroy(struct origin_rules *rules)
{
	if (!rules)
		return;
	free(rules->hosts);
	free(rules->origins);
	free(rules);
}
