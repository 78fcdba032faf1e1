/* SPDX-License-Identifier: MIT */
#include "transport/http/peer.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The second is nobody, and what users without an id look like. */
static const uid_t other_users[] = { 54321, 65534 };

/* Where a server listens, and where its client connects to. */
struct way {
	const char *server, *client; /* addresses; with a colon: of IPv6 */
};

static const struct way ways[] = {
	{ "127.0.0.1", "127.0.0.1" },
	{ "127.0.0.1", "::ffff:127.0.0.1" },
	{ "127.1.2.3", "127.1.2.3" },
	{ "::1", "::1" },
	{ "::", "::1" },
	{ "::", "127.0.0.1" },
	{ "::", "::ffff:127.0.0.1" },
};

/* A server's socket for one connection, and its client. */
struct pair {
	int server, client;
};

static socklen_t fill(struct sockaddr_storage *address, const char *text, in_port_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (strchr(text, ':')) {
		*six = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
		return sizeof(*six);
	}
	*four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
	assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
	return sizeof(*four);
}

static int open_socket(const char *text)
{
	int off = 0;
	int fd = socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (strchr(text, ':'))
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return fd;
}

/* False if this machine has no such address. */
static bool connect_pair(const struct way *way, struct pair *pair)
{
	struct sockaddr_storage address;
	socklen_t bytes = fill(&address, way->server, 0);
	int listener = open_socket(way->server);
	in_port_t port;

	if (bind(listener, (struct sockaddr *)&address, bytes) < 0) {
		(void)close(listener);
		return false;
	}
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	port = address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
					    : ((struct sockaddr_in6 *)&address)->sin6_port;
	pair->client = open_socket(way->client);
	bytes = fill(&address, way->client, port);
	assert_int_equal(connect(pair->client, (struct sockaddr *)&address, bytes), 0);
	pair->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair->server >= 0);
	(void)close(listener);
	return true;
}

static void close_pair(struct pair *pair)
{
	if (pair->client >= 0)
		(void)close(pair->client);
	(void)close(pair->server);
}

/* The client's end gets a socket that another user made, connected in the same way. */
static bool connect_as(uid_t uid, const struct way *way, struct pair *pair)
{
	bool is_made;

	assert_int_equal(seteuid(uid), 0);
	is_made = connect_pair(way, pair);
	assert_int_equal(seteuid(0), 0);
	return is_made;
}

static void this_machine_tells(void **state)
{
	struct peer_finder *finder = peer_finder_create();
	struct error err = ERROR_INIT;

	(void)state;
	if (peer_finder_test(finder, &err) < 0)
		fail_msg("%s", err.message);
	peer_finder_destroy(finder);
	peer_finder_destroy(NULL);
}

static void our_own_connections_are_ours_by_every_address(void **state)
{
	struct peer_finder *finder = peer_finder_create();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(ways); i++) {
		struct error err = ERROR_INIT;
		struct pair pair;
		uid_t uid = (uid_t)-1;

		if (!connect_pair(&ways[i], &pair))
			continue;
		if (peer_find_uid(finder, pair.server, &uid, &err) < 0)
			fail_msg("%s: %s", ways[i].client, err.message);
		assert_int_equal(uid, geteuid());
		close_pair(&pair);
	}
	peer_finder_destroy(finder);
}

static void another_user_is_told_by_every_address(void **state)
{
	struct peer_finder *finder;
	size_t i;

	(void)state;
	if (geteuid() != 0) {
		print_message("# SKIP only root can become another user\n");
		skip();
	}
	finder = peer_finder_create();
	for (i = 0; i < 2 * ARRAY_LENGTH(ways); i++) {
		struct error err = ERROR_INIT;
		struct pair pair;
		uid_t other = other_users[i % 2];
		uid_t uid = (uid_t)-1;

		if (!connect_as(other, &ways[i / 2], &pair))
			continue;
		if (peer_find_uid(finder, pair.server, &uid, &err) < 0)
			fail_msg("%s: %s", ways[i / 2].client, err.message);
		assert_int_equal(uid, other);
		close_pair(&pair);
	}
	peer_finder_destroy(finder);
}

static void who_only_ended_sending_is_still_told(void **state)
{
	struct peer_finder *finder = peer_finder_create();
	struct pair pair;
	uid_t uid = (uid_t)-1;

	(void)state;
	assert_true(connect_pair(&ways[0], &pair));
	assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
	assert_int_equal(peer_find_uid(finder, pair.server, &uid, NULL), 0);
	assert_int_equal(uid, geteuid());
	close_pair(&pair);
	peer_finder_destroy(finder);
}

/* The kernel says user 0 of such a socket. */
static void who_has_closed_is_nobody_and_never_root(void **state)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct peer_finder *finder = peer_finder_create();
	size_t i;

	(void)state;
	for (i = 0; i < 2 * ARRAY_LENGTH(ways); i++) {
		struct error err = ERROR_INIT;
		struct pair pair;
		uid_t uid = (uid_t)-1;

		if (!connect_pair(&ways[i / 2], &pair))
			continue;
		assert_int_equal(write(pair.client, "GET", 3), 3);
		if (i % 2 == 1)
			assert_int_equal(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &at_once,
						    sizeof(at_once)),
					 0);
		(void)close(pair.client);
		pair.client = -1;
		assert_int_equal(peer_find_uid(finder, pair.server, &uid, &err), -1);
		assert_int_equal(err.kind, ERROR_UNAVAILABLE);
		assert_int_equal(uid, (uid_t)-1);
		close_pair(&pair);
	}
	peer_finder_destroy(finder);
}

/* A listener at the client's own address is what the kernel falls back to. */
static void who_listens_where_the_client_was_is_not_the_client(void **state)
{
	struct peer_finder *finder = peer_finder_create();
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	struct error err = ERROR_INIT;
	struct pair pair;
	uid_t uid = (uid_t)-1;
	int on = 1;
	int listener = open_socket("127.0.0.1");

	(void)state;
	assert_true(connect_pair(&ways[0], &pair));
	assert_int_equal(getsockname(pair.client, (struct sockaddr *)&address, &bytes), 0);
	(void)close(pair.client);
	pair.client = -1;
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, bytes) == 0)
		assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(peer_find_uid(finder, pair.server, &uid, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	(void)close(listener);
	close_pair(&pair);
	peer_finder_destroy(finder);
}

static void what_is_no_tcp_connection_is_an_error(void **state)
{
	struct peer_finder *finder = peer_finder_create();
	struct error err = ERROR_INIT;
	uid_t uid = (uid_t)-1;
	int ends[2];
	int alone = open_socket("127.0.0.1");

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(peer_find_uid(finder, ends[0], &uid, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_int_equal(peer_find_uid(finder, alone, &uid, &err), -1);
	assert_int_equal(peer_find_uid(finder, -1, &uid, &err), -1);
	(void)close(alone);
	(void)close(ends[0]);
	(void)close(ends[1]);
	peer_finder_destroy(finder);
}

static void without_a_socket_to_ask_by_nobody_is_told(void **state)
{
	struct rlimit limit, none;
	struct peer_finder *finder;
	struct error err = ERROR_INIT;
	struct pair pair;
	uid_t uid = (uid_t)-1;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	finder = peer_finder_create();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(peer_finder_test(finder, &err), -1);
	assert_int_equal(err.errno_value, EMFILE);
	assert_true(connect_pair(&ways[0], &pair));
	assert_int_equal(peer_find_uid(finder, pair.server, &uid, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	close_pair(&pair);
	peer_finder_destroy(finder);
}

/* Exit code: 0 as it should be, 1 not, 2 there are no such namespaces for us. */
static int look_from_a_namespace_without_users(void)
{
	struct peer_finder *finder;
	struct error err = ERROR_INIT;
	struct pair pair;
	uid_t uid;

	if (!connect_pair(&ways[0], &pair))
		return 2;
	if (unshare(CLONE_NEWUSER) < 0)
		return 2;
	finder = peer_finder_create();
	return peer_find_uid(finder, pair.server, &uid, &err) < 0 &&
			       strstr(err.message, "no id in this user namespace")
		       ? 0
		       : 1;
}

static void who_has_no_id_in_our_user_namespace_is_nobody(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(look_from_a_namespace_without_users());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) {
		print_message(
			"# SKIP no user namespace is to be had, or a sanitizer has a thread of "
			"its own here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_machine_tells),
		cmocka_unit_test(our_own_connections_are_ours_by_every_address),
		cmocka_unit_test(another_user_is_told_by_every_address),
		cmocka_unit_test(who_only_ended_sending_is_still_told),
		cmocka_unit_test(who_has_closed_is_nobody_and_never_root),
		cmocka_unit_test(who_listens_where_the_client_was_is_not_the_client),
		cmocka_unit_test(what_is_no_tcp_connection_is_an_error),
		cmocka_unit_test(without_a_socket_to_ask_by_nobody_is_told),
		cmocka_unit_test(who_has_no_id_in_our_user_namespace_is_nobody),
	};

	return cmocka_run_group_tests_name("transport-http_peer", tests, NULL, NULL);
}
