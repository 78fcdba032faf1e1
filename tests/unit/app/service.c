/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* As sd_listen_fds(3) has them: from 3 on. What the test has there is moved away. */
static int saved[2] = { -1, -1 };

static int make_room(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		saved[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 20);
		(void)close(3 + i);
	}
	return 0;
}

static int put_back(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		(void)close(3 + i);
		if (saved[i] >= 0) {
			assert_int_equal(dup2(saved[i], 3 + i), 3 + i);
			(void)close(saved[i]);
		}
	}
	return 0;
}

static void put_listener(int target)
{
	struct sockaddr_un anywhere = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&anywhere, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	if (fd != target) {
		assert_int_equal(dup2(fd, target), target);
		(void)close(fd);
	}
}

static void announce(const char *count, int pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(setenv("LISTEN_PID", text, 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", count, 1), 0);
	assert_int_equal(setenv("LISTEN_FDNAMES", "a:b", 1), 0);
}

static void without_a_manager_there_is_nothing(void **state)
{
	struct service service;

	(void)state;
	assert_int_equal(service_open(&service, NULL), 0);
	assert_int_equal(service.socket_count, 0);
	assert_int_equal(service.notify_fd, -1);
	service_tell_ready(&service);
	service_tell_reloading(&service);
	service_tell_stopping(&service);
	service_close(&service);
}

static void listening_sockets_are_taken_and_inherited_by_nobody(void **state)
{
	struct service service;

	(void)state;
	put_listener(3);
	put_listener(4);
	announce("2", getpid());
	assert_int_equal(service_open(&service, NULL), 0);
	assert_int_equal(service.socket_count, 2);
	assert_int_equal(service.sockets[0], 3);
	assert_int_equal(service.sockets[1], 4);
	assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(4, F_GETFD) & FD_CLOEXEC);
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	service_close(&service);
	assert_int_equal(fcntl(3, F_GETFD), -1);
}

static void sockets_for_somebody_else_are_left_alone(void **state)
{
	struct service service;

	(void)state;
	put_listener(3);
	announce("1", getpid() + 1);
	assert_int_equal(service_open(&service, NULL), 0);
	assert_int_equal(service.socket_count, 0);
	service_close(&service);
	assert_true(fcntl(3, F_GETFD) >= 0);
}

static void what_is_no_listening_socket_is_refused(void **state)
{
	struct service service;
	struct error err = ERROR_INIT;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(ends[0], 3);
	announce("1", getpid());
	assert_int_equal(service_open(&service, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "Descriptor 3"));
	service_close(&service);
	announce("17", getpid());
	assert_int_equal(service_open(&service, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	service_close(&service);
}

static int listen_for_news(const char *name, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			 0);
	return fd;
}

static void hears(int fd, const char *start)
{
	char text[128] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(strncmp(text, start, strlen(start)), 0);
}

static void the_manager_hears_of_each_state(void **state)
{
	struct service service;
	char name[64];
	int fd;

	(void)state;
	(void)snprintf(name, sizeof(name), "@kilntainers-test-service-%d", (int)getpid());
	fd = listen_for_news(name, strlen(name));
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(service_open(&service, NULL), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	service_tell_ready(&service);
	hears(fd, "READY=1");
	service_tell_reloading(&service);
	hears(fd, "RELOADING=1\nMONOTONIC_USEC=");
	service_tell_stopping(&service);
	hears(fd, "STOPPING=1");
	service_close(&service);
	(void)close(fd);
}

static void a_manager_that_is_not_there_does_not_matter(void **state)
{
	static const char *const names[] = { "/no/such/socket", "vsock:2:1", "@", "x" };
	struct service service;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		assert_int_equal(service_open(&service, NULL), 0);
		service_tell_ready(&service);
		service_close(&service);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_room, put_back)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_manager_there_is_nothing),
		TEST(listening_sockets_are_taken_and_inherited_by_nobody),
		TEST(sockets_for_somebody_else_are_left_alone),
		TEST(what_is_no_listening_socket_is_refused),
		TEST(the_manager_hears_of_each_state),
		TEST(a_manager_that_is_not_there_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
