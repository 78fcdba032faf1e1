/* SPDX-License-Identifier: MIT */
#include "transport/http/state.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <string.h>

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	struct sockaddr_in *four = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;

	if (strchr(text, ':')) {
		six->sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
	} else {
		four->sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
	}
	return address;
}

static void only_addresses_of_this_machine_alone_are_loopback(void **state)
{
	static const char *const own[] = { "127.0.0.1", "127.255.1.2", "::1", "::ffff:127.0.0.1",
					   "::ffff:127.3.4.5" };
	static const char *const others[] = {
		"0.0.0.0",	   "::",      "10.0.0.1", "128.0.0.1",
		"::ffff:10.0.0.1", "fe80::1", "::2",	  "::7f00:1"
	};
	struct sockaddr_storage address;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
		address = address_of(own[i]);
		assert_true(http_address_is_loopback(&address));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		address = address_of(others[i]);
		if (http_address_is_loopback(&address))
			fail_msg("%s is taken for loopback", others[i]);
	}
}

static void unix_sockets_are_of_this_machine(void **state)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	struct sockaddr_storage unknown = { .ss_family = AF_UNSPEC };

	(void)state;
	assert_true(http_address_is_loopback(&address));
	assert_false(http_address_is_loopback(&unknown));
}

static void a_socket_that_is_not_connected_is_nobodys(void **state)
{
	CLEANUP(cleanup_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct in6_addr network;
	struct http_peer peer;

	(void)state;
	http_peer_describe(&peer, &network, fd);
	assert_false(peer.is_loopback);
	assert_false(peer.is_unix);
	assert_false(peer.has_uid);
	assert_string_equal(peer.address, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_addresses_of_this_machine_alone_are_loopback),
		cmocka_unit_test(unix_sockets_are_of_this_machine),
		cmocka_unit_test(a_socket_that_is_not_connected_is_nobodys),
	};

	return cmocka_run_group_tests_name("transport-http_peer_address", tests, NULL, NULL);
}
