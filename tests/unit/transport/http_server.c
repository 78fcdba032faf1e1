/* SPDX-License-Identifier: MIT */
#include "transport/http/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/transport/http_world.h"
#include "tests/unit/unit.h"
#include "transport/http/state.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path_, length_, body_)                                                                \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length_ "\r\n\r\n" body_

static void open_small(struct world *world, unsigned max_connections)
{
	struct http_server_config config;

	world_prepare(world, &config);
	config.max_connections = max_connections;
	world_open(world, &config);
}

static void open_many(struct world *world, struct client *clients, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		client_open(&clients[i], world);
		world_wait(world, world_connections(world) == i + 1);
	}
}

static void close_many(struct client *clients, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		client_close(&clients[i]);
}

static void request_now(struct client *client)
{
	client_send(client, GET("/now"));
	client_expect(client, "\r\n\r\nnow");
}

/* --- caps --------------------------------------------------------------------------- */

static void the_oldest_half_open_connection_makes_room(void **state)
{
	struct world world;
	struct client clients[3], late;

	(void)state;
	open_small(&world, 3);
	open_many(&world, clients, 3);
	request_now(&clients[0]);
	client_send(&clients[1], "GET /no");
	client_open(&late, &world);
	client_wait_for_end(&clients[1]);
	request_now(&late);
	request_now(&clients[0]);
	assert_int_equal(world_connections(&world), 3);
	client_close(&late);
	close_many(clients, 3);
	world_close(&world);
}

static void an_idle_connection_makes_room_where_none_is_half_open(void **state)
{
	struct world world;
	struct client clients[2], late;

	(void)state;
	open_small(&world, 2);
	open_many(&world, clients, 2);
	request_now(&clients[0]);
	request_now(&clients[1]);
	client_open(&late, &world);
	client_wait_for_end(&clients[0]);
	request_now(&late);
	request_now(&clients[1]);
	client_close(&late);
	close_many(clients, 2);
	world_close(&world);
}

static void a_connection_with_a_request_never_makes_room(void **state)
{
	struct world world;
	struct client clients[2], late;

	(void)state;
	open_small(&world, 2);
	open_many(&world, clients, 2);
	for (unsigned i = 0; i < 2; i++)
		client_send(&clients[i], POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 2);
	client_open(&late, &world);
	client_expect(&late, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n");
	client_wait_for_end(&late);
	for (unsigned i = 0; i < 2; i++) {
		world_answer(&world, i, "done");
		client_expect(&clients[i], "\r\n\r\ndone");
	}
	client_close(&late);
	close_many(clients, 2);
	world_close(&world);
}

/* An address of this machine that is not of loopback; false: there is none. */
static bool own_address(struct in_addr *address)
{
	struct ifaddrs *all = NULL;
	bool is_found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (struct ifaddrs *each = all; each && !is_found; each = each->ifa_next) {
		if (!each->ifa_addr || each->ifa_addr->sa_family != AF_INET ||
		    (each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0)
			continue;
		*address = ((struct sockaddr_in *)each->ifa_addr)->sin_addr;
		is_found = true;
	}
	freeifaddrs(all);
	return is_found;
}

static void open_with_tokens(struct world *world, struct in_addr address)
{
	struct http_server_config config;
	struct error err = ERROR_INIT;
	char host[INET_ADDRSTRLEN];

	world_prepare(world, &config);
	config.has_tokens = true;
	world->server = http_server_create(&config, &err);
	assert_non_null(world->server);
	assert_non_null(inet_ntop(AF_INET, &address, host, sizeof(host)));
	assert_int_equal(http_server_listen_tcp(world->server, host, 0, &err), 0);
}

static void client_open_at(struct client *client, struct world *world, struct in_addr address)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)http_server_port(world->server)),
		.sin_addr = address,
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	client_use(client, world, fd);
}

static unsigned untrusted(const struct world *world)
{
	struct http_server_counts counts;

	http_server_count(world->server, &counts);
	return counts.untrusted;
}

static void strangers_of_one_address_have_64_connections(void **state)
{
	struct world world;
	struct in_addr address;
	struct client *clients;
	unsigned count = LIMIT_HTTP_UNTRUSTED_PER_PEER + 1;

	(void)state;
	if (!own_address(&address)) {
		print_message("# SKIP this machine has no address but loopback\n");
		skip();
	}
	clients = alloc_array(count, sizeof(*clients));
	open_with_tokens(&world, address);
	for (unsigned i = 0; i < count; i++) {
		client_open_at(&clients[i], &world, address);
		/* The second shows that it may; it counts no more. */
		if (i == 1) {
			client_send(&clients[i], POST("/echo", "1", "x"));
			client_expect(&clients[i], "\r\n\r\nx");
		}
	}
	world_wait(&world, world_connections(&world) == count);
	assert_int_equal(untrusted(&world), LIMIT_HTTP_UNTRUSTED_PER_PEER);
	client_close(&clients[count - 1]);
	client_open_at(&clients[count - 1], &world, address);
	client_send(&clients[count - 1], GET("/now"));
	client_expect(&clients[count - 1], "\r\n\r\nnow");
	world_wait(&world, untrusted(&world) <= LIMIT_HTTP_UNTRUSTED_PER_PEER);
	close_many(clients, count);
	free(clients);
	world_close(&world);
}

static void the_oldest_stranger_makes_room_for_a_new_one(void **state)
{
	struct world world;
	struct in_addr address;
	struct client *clients;
	struct http_connection *connection;
	unsigned count = LIMIT_HTTP_UNTRUSTED, network = 0;

	(void)state;
	if (!own_address(&address)) {
		print_message("# SKIP this machine has no address but loopback\n");
		skip();
	}
	clients = alloc_array(count + 1, sizeof(*clients));
	open_with_tokens(&world, address);
	for (unsigned i = 0; i < count; i++) {
		client_open_at(&clients[i], &world, address);
		world_wait(&world, world_connections(&world) == i + 1);
		/* Each from a machine of its own. */
		for (connection = world.server->untrusted; connection;
		     connection = connection->next_untrusted)
			connection->network.s6_addr32[3] = ++network;
	}
	assert_int_equal(untrusted(&world), count);
	client_open_at(&clients[count], &world, address);
	client_wait_for_end(&clients[0]);
	request_now(&clients[count]);
	request_now(&clients[1]);
	assert_int_equal(untrusted(&world), count);
	close_many(clients, count + 1);
	free(clients);
	world_close(&world);
}

static void a_strangers_body_makes_room_for_another(void **state)
{
	struct world world;
	struct in_addr address;
	struct client stranger, known;
	size_t taken;

	(void)state;
	if (!own_address(&address)) {
		print_message("# SKIP this machine has no address but loopback\n");
		skip();
	}
	open_with_tokens(&world, address);
	client_open_at(&stranger, &world, address);
	client_open_at(&known, &world, address);
	client_send(&stranger, POST("/echo-stranger", "60000", "some"));
	world_wait(&world, budget_used(world.budget) > 0);
	taken = 64 * MIB - (size_t)budget_used(world.budget) - 10;
	budget_take_over(world.budget, taken);
	client_send(&known, POST("/echo", "100", ""));
	client_wait_for_end(&stranger);
	assert_int_equal(world.gone, 1);
	budget_give(world.budget, taken);
	client_send(&known, "0123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567890123456789");
	client_expect(&known, "\r\n\r\n0123456789");
	client_close(&stranger);
	client_close(&known);
	world_close(&world);
}

static void clients_of_this_machine_are_no_strangers(void **state)
{
	struct http_server_config config;
	struct world world;
	struct client clients[3];

	(void)state;
	world_prepare(&world, &config);
	config.has_tokens = true;
	world_open(&world, &config);
	open_many(&world, clients, 3);
	assert_int_equal(untrusted(&world), 0);
	close_many(clients, 3);
	world_close(&world);
}

static unsigned open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	(void)closedir(directory);
	/* Less ".", ".." and that of the directory. */
	return count - 3;
}

static void without_descriptors_clients_wait_and_are_served_later(void **state)
{
	struct rlimit before, tight;
	struct world world;
	struct client idle, clients[8];

	(void)state;
	open_small(&world, 100);
	client_open(&idle, &world);
	request_now(&idle);
	for (unsigned i = 0; i < 8; i++) {
		client_open(&clients[i], &world);
		assert_true(send(clients[i].fd, GET("/now"), strlen(GET("/now")), 0) > 0);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = open_descriptors() + 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (unsigned i = 0; i < 8; i++) {
		client_expect(&clients[i], "\r\n\r\nnow");
		client_close(&clients[i]);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	client_close(&idle);
	world_close(&world);
}

/* --- the end ----------------------------------------------------------------------------- */

static void what_runs_is_finished_before_the_end(void **state)
{
	struct world world;
	struct client idle, busy, stream;
	unsigned port;

	(void)state;
	open_small(&world, 10);
	port = http_server_port(world.server);
	client_open(&idle, &world);
	request_now(&idle);
	client_open(&busy, &world);
	client_send(&busy, POST("/later", "1", "x") GET("/now"));
	world_wait(&world, world.held_count == 1);
	client_open(&stream, &world);
	client_send(&stream, POST("/stream", "1", "x"));
	world_wait(&world, world.held_count == 2);
	http_server_drain(world.server, world_on_idle, &world);
	client_expect_end(&idle);
	for (int i = 0; i < 10; i++)
		world_turn(&world);
	assert_false(world.is_idle);
	assert_int_equal(http_server_port(world.server), 0);
	world_answer(&world, 0, "last");
	client_expect(&busy, "Connection: close\r\n\r\nlast");
	client_wait_for_end(&busy);
	assert_int_equal(world.heads, 3);
	assert_false(world.is_idle);
	http_stream_end(world.held[1]);
	world.held[1] = NULL;
	client_expect(&stream, "0\r\n\r\n");
	client_wait_for_end(&stream);
	world_wait(&world, world.is_idle);
	assert_int_not_equal(port, 0);
	client_close(&idle);
	client_close(&busy);
	client_close(&stream);
	world_close(&world);
	assert_int_equal(world.gone, 0);
}

static void a_server_without_clients_is_idle_soon_but_not_at_once(void **state)
{
	struct world world;

	(void)state;
	open_small(&world, 10);
	http_server_drain(world.server, world_on_idle, &world);
	assert_false(world.is_idle);
	world_wait(&world, world.is_idle);
	world_close(&world);
}

static void requests_that_were_not_answered_are_gone_with_the_server(void **state)
{
	struct world world;
	struct client clients[2];

	(void)state;
	open_small(&world, 10);
	open_many(&world, clients, 2);
	client_send(&clients[0], POST("/later", "1", "x"));
	client_send(&clients[1], POST("/stream", "1", "x"));
	world_wait(&world, world.held_count == 2);
	world_close(&world);
	assert_int_equal(world.gone, 2);
	close_many(clients, 2);
}

/* --- where it listens ---------------------------------------------------------------------- */

static void fails_saying(int result, const struct error *err, const char *text)
{
	assert_int_equal(result, -1);
	assert_int_equal(err->kind, ERROR_CONFIG);
	if (!strstr(err->message, text))
		fail_msg("no \"%s\" in: %s", text, err->message);
}

static void a_port_that_is_taken_is_an_error_with_a_cure(void **state)
{
	struct error err = ERROR_INIT;
	struct world world;
	unsigned port;

	(void)state;
	open_small(&world, 10);
	port = http_server_port(world.server);
	fails_saying(http_server_listen_tcp(world.server, "127.0.0.1", port, &err), &err,
		     "choose another");
	world_close(&world);
}

static void a_host_that_is_none_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	struct world world;

	(void)state;
	open_small(&world, 10);
	fails_saying(http_server_listen_tcp(world.server, "no such host", 0, &err), &err,
		     "no such host");
	fails_saying(http_server_listen_tcp(world.server, "192.0.2.77", 0, &err), &err,
		     "192.0.2.77");
	world_close(&world);
}

static void brackets_belong_to_ipv6(void **state)
{
	struct error err = ERROR_INIT;
	struct http_server_config config;
	struct world world;
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct client client;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	world_prepare(&world, &config);
	world.server = http_server_create(&config, &err);
	if (fd < 0 || http_server_listen_tcp(world.server, "[::1]", 0, &err) < 0) {
		print_message("# SKIP this machine has no IPv6\n");
		world_close(&world);
		skip();
	}
	assert_false(http_server_is_exposed(world.server));
	to.sin6_port = htons((uint16_t)http_server_port(world.server));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	client_use(&client, &world, fd);
	client_send(&client, POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 1);
	assert_true(http_request_peer(world.held[0])->is_loopback);
	assert_string_equal(http_request_peer(world.held[0])->address, "::1");
	client_close(&client);
	world_close(&world);
}

/* IPv4 by way of IPv6 is the IPv4 that it is. */
static void any_address_is_exposed_and_serves_ipv4(void **state)
{
	static const char *const hosts[] = { "0.0.0.0", "::" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct error err = ERROR_INIT;
		struct http_server_config config;
		struct world world;
		struct client client;

		world_prepare(&world, &config);
		world.server = http_server_create(&config, &err);
		if (http_server_listen_tcp(world.server, hosts[i], 0, &err) < 0) {
			print_message("# SKIP this machine has no IPv6\n");
			world_close(&world);
			skip();
		}
		assert_true(http_server_is_exposed(world.server));
		client_open(&client, &world);
		client_send(&client, POST("/later", "1", "x"));
		world_wait(&world, world.held_count == 1);
		assert_true(http_request_peer(world.held[0])->is_loopback);
		assert_false(http_request_peer(world.held[0])->is_unix);
		assert_string_equal(http_request_peer(world.held[0])->address, "127.0.0.1");
		client_close(&client);
		world_close(&world);
	}
}

static void localhost_is_all_of_its_addresses_with_one_port(void **state)
{
	struct error err = ERROR_INIT;
	struct http_server_config config;
	struct world world;
	struct client client;

	(void)state;
	world_prepare(&world, &config);
	world.server = http_server_create(&config, &err);
	assert_int_equal(http_server_listen_tcp(world.server, "localhost", 0, &err), 0);
	assert_false(http_server_is_exposed(world.server));
	client_open(&client, &world);
	request_now(&client);
	client_close(&client);
	world_close(&world);
}

/* --- unix sockets ------------------------------------------------------------------------------
 */

struct folder {
	char path[64];
	char socket[80];
};

static void make_folder(struct folder *folder)
{
	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/kilntainers-http-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->socket, sizeof(folder->socket), "%s/socket", folder->path);
}

static void remove_folder(const struct folder *folder)
{
	(void)unlink(folder->socket);
	assert_int_equal(rmdir(folder->path), 0);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void a_unix_socket_is_its_owners_and_knows_who_calls(void **state)
{
	struct error err = ERROR_INIT;
	mode_t umask_before = umask(0);
	struct stat status;
	struct folder folder;
	struct world world;
	struct client client;

	(void)state;
	make_folder(&folder);
	open_small(&world, 10);
	assert_int_equal(http_server_listen_unix(world.server, folder.socket, &err), 0);
	(void)umask(umask_before);
	assert_int_equal(lstat(folder.socket, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);
	assert_false(http_server_is_exposed(world.server));
	client_use(&client, &world, connect_unix(folder.socket));
	client_send(&client, POST("/later", "1", "x"));
	world_wait(&world, world.held_count == 1);
	assert_true(http_request_peer(world.held[0])->is_unix);
	assert_true(http_request_peer(world.held[0])->has_uid);
	assert_int_equal(http_request_peer(world.held[0])->uid, getuid());
	assert_string_equal(http_request_peer(world.held[0])->address, "unix");
	world_answer(&world, 0, "hello");
	client_expect(&client, "\r\n\r\nhello");
	client_close(&client);
	world_close(&world);
	assert_int_equal(lstat(folder.socket, &status), -1);
	remove_folder(&folder);
}

/* Unlike TCP it tells one that has left from one that has finished sending. */
static void who_leaves_a_unix_socket_is_gone_at_once(void **state)
{
	struct error err = ERROR_INIT;
	struct folder folder;
	struct world world;
	struct client client, half;

	(void)state;
	make_folder(&folder);
	open_small(&world, 10);
	assert_int_equal(http_server_listen_unix(world.server, folder.socket, &err), 0);
	client_use(&client, &world, connect_unix(folder.socket));
	client_send(&client, POST("/later", "1", "x") GET("/now"));
	world_wait(&world, world.held_count == 1);
	client_use(&half, &world, connect_unix(folder.socket));
	client_send(&half, POST("/later", "1", "x"));
	assert_int_equal(shutdown(half.fd, SHUT_WR), 0);
	world_wait(&world, world.held_count == 2);
	client_close(&client);
	world_wait(&world, world.gone == 1);
	assert_null(world.held[0]);
	world_answer(&world, 1, "there");
	client_expect(&half, "\r\n\r\nthere");
	client_close(&half);
	world_close(&world);
	remove_folder(&folder);
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct error err = ERROR_INIT;
	struct folder folder;
	struct world world, second;
	int dead;

	(void)state;
	make_folder(&folder);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", folder.socket);
	dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(dead);
	open_small(&world, 10);
	open_small(&second, 10);
	assert_int_equal(http_server_listen_unix(world.server, folder.socket, &err), 0);
	fails_saying(http_server_listen_unix(second.server, folder.socket, &err), &err,
		     "another server listens");
	world_close(&second);
	assert_true((dead = connect_unix(folder.socket)) >= 0);
	(void)close(dead);
	world_close(&world);
	remove_folder(&folder);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct error err = ERROR_INIT;
	struct stat status;
	struct folder folder;
	struct world world;
	int fd;

	(void)state;
	make_folder(&folder);
	fd = open(folder.socket, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	open_small(&world, 10);
	fails_saying(http_server_listen_unix(world.server, folder.socket, &err), &err,
		     "is no socket");
	world_close(&world);
	assert_int_equal(lstat(folder.socket, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	remove_folder(&folder);
}

static void somebody_elses_socket_is_not_removed_at_the_end(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct error err = ERROR_INIT;
	struct stat status;
	struct folder folder;
	struct world world;
	int other;

	(void)state;
	make_folder(&folder);
	open_small(&world, 10);
	assert_int_equal(http_server_listen_unix(world.server, folder.socket, &err), 0);
	/* Both exist for a moment, so that they cannot have the same inode. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", folder.socket);
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(rename(address.sun_path, folder.socket), 0);
	world_close(&world);
	assert_int_equal(lstat(folder.socket, &status), 0);
	(void)close(other);
	remove_folder(&folder);
}

static void a_path_that_cannot_be_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	struct world world;
	char long_path[200];

	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	open_small(&world, 10);
	fails_saying(http_server_listen_unix(world.server, long_path, &err), &err, "107 bytes");
	fails_saying(http_server_listen_unix(world.server, "/nowhere/at/all", &err), &err,
		     "/nowhere/at");
	world_close(&world);
}

static void a_socket_that_was_passed_is_served(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct error err = ERROR_INIT;
	struct http_server_config config;
	struct world world;
	struct client client;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	world_prepare(&world, &config);
	world.server = http_server_create(&config, &err);
	assert_int_equal(http_server_listen_inherited(world.server, fd, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_false(http_server_is_exposed(world.server));
	client_open(&client, &world);
	request_now(&client);
	client_close(&client);
	world_close(&world);
}

static void tls_in_a_program_without_it_is_an_error_with_a_cure(void **state)
{
	struct error err = ERROR_INIT;
	struct http_server_config config;
	struct world world;

	(void)state;
	world_prepare(&world, &config);
	config.tls_certificate = "cert.pem";
	config.tls_key = "key.pem";
	assert_null(http_server_create(&config, &err));
	fails_saying(-1, &err, "kilntainers-full");
	world.server = NULL;
	world_close(&world);
}

static void a_descriptor_that_does_not_listen_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	struct world world;
	int pair[2];

	(void)state;
	open_small(&world, 10);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fails_saying(http_server_listen_inherited(world.server, pair[0], &err), &err,
		     "ListenStream=");
	assert_int_equal(fcntl(pair[0], F_GETFD), -1);
	(void)close(pair[1]);
	fails_saying(http_server_listen_inherited(world.server,
						  open("/dev/null", O_RDONLY | O_CLOEXEC), &err),
		     &err, "ListenStream=");
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_half_open_connection_makes_room),
		cmocka_unit_test(an_idle_connection_makes_room_where_none_is_half_open),
		cmocka_unit_test(a_connection_with_a_request_never_makes_room),
		cmocka_unit_test(strangers_of_one_address_have_64_connections),
		cmocka_unit_test(the_oldest_stranger_makes_room_for_a_new_one),
		cmocka_unit_test(a_strangers_body_makes_room_for_another),
		cmocka_unit_test(clients_of_this_machine_are_no_strangers),
		cmocka_unit_test(without_descriptors_clients_wait_and_are_served_later),
		cmocka_unit_test(what_runs_is_finished_before_the_end),
		cmocka_unit_test(a_server_without_clients_is_idle_soon_but_not_at_once),
		cmocka_unit_test(requests_that_were_not_answered_are_gone_with_the_server),
		cmocka_unit_test(a_port_that_is_taken_is_an_error_with_a_cure),
		cmocka_unit_test(a_host_that_is_none_is_an_error),
		cmocka_unit_test(brackets_belong_to_ipv6),
		cmocka_unit_test(any_address_is_exposed_and_serves_ipv4),
		cmocka_unit_test(localhost_is_all_of_its_addresses_with_one_port),
		cmocka_unit_test(a_unix_socket_is_its_owners_and_knows_who_calls),
		cmocka_unit_test(who_leaves_a_unix_socket_is_gone_at_once),
		cmocka_unit_test(a_dead_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(somebody_elses_socket_is_not_removed_at_the_end),
		cmocka_unit_test(a_path_that_cannot_be_is_an_error),
		cmocka_unit_test(a_socket_that_was_passed_is_served),
		cmocka_unit_test(tls_in_a_program_without_it_is_an_error_with_a_cure),
		cmocka_unit_test(a_descriptor_that_does_not_listen_is_refused),
	};

	return cmocka_run_group_tests_name("transport-http_server", tests, NULL, NULL);
}
