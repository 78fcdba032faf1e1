/* SPDX-License-Identifier: MIT */
#include "transport/http/listener.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "transport/http/state.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

/* --- accepting ------------------------------------------------------------------------ */

static void on_accept_again(void *context)
{
	http_listeners_resume(context);
}

void http_listeners_resume(struct http_server *server)
{
	struct http_listener *listener;

	LL_FOREACH (server->listeners, listener)
		(void)event_add(listener->event, NULL);
}

/* Nothing to accept with. The connection stays in the kernel's queue, which would wake us without
 * end; so all listeners rest for a moment. */
static void pause_accepting(struct http_server *server, int errno_value)
{
	struct http_listener *listener;

	if (http_server_may_complain(server, HTTP_COMPLAINT_ACCEPT))
		log_event(LOG_WARNING, "http_accept_failed",
			  LOG_STRING("error", error_errno_text(errno_value)),
			  LOG_NUMBER("connections", server->connection_count));
	http_server_give_up_one(server);
	LL_FOREACH (server->listeners, listener)
		(void)event_del(listener->event);
	if (!server->accept_timer)
		server->accept_timer =
			loop_timer_create(server->config.loop, on_accept_again, server);
	loop_timer_start(server->accept_timer, LIMIT_HTTP_ACCEPT_PAUSE_MS);
}

static bool is_out_of_something(int errno_value)
{
	return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOBUFS ||
	       errno_value == ENOMEM;
}

static void on_connection(evutil_socket_t fd, short events, void *context)
{
	struct http_listener *listener = context;
	struct http_server *server = listener->server;

	(void)events;
	loop_enter(server->config.loop);
	/* More are told of again. */
	for (int i = 0; i < LIMIT_HTTP_ACCEPTS; i++) {
		int accepted;

		if (i > 0 && loop_round_us(server->config.loop) > LIMIT_HTTP_BULK_US)
			return;
		accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (accepted >= 0) {
			http_connection_start(server, accepted, server->tls && !listener->is_unix);
			continue;
		}
		if (is_out_of_something(errno)) {
			pause_accepting(server, errno);
			return;
		}
		/* A client that has gone meanwhile is an error too; the next may be there. */
		if (errno == EAGAIN)
			return;
	}
}

/* --- making ----------------------------------------------------------------------------- */

struct http_listener *http_listener_create(struct http_server *server, int fd)
{
	struct http_listener *listener = alloc_zeroed(sizeof(*listener));

	listener->server = server;
	listener->fd = fd;
	return listener;
}

static void destroy_listener(struct http_listener *listener)
{
	if (listener->event)
		event_free(listener->event);
	http_unix_remove(listener);
	cleanup_fd(&listener->fd);
	free(listener);
}

int http_listener_add(struct http_listener *listener, struct error *err)
{
	struct http_server *server = listener->server;

	if (server->listener_count == LIMIT_HTTP_LISTENERS) {
		destroy_listener(listener);
		return error_set(err, ERROR_CONFIG, "cannot listen on more than %d sockets",
				 LIMIT_HTTP_LISTENERS);
	}
	listener->event = event_new(loop_base(server->config.loop), listener->fd,
				    EV_READ | EV_PERSIST, on_connection, listener);
	if (!listener->event || event_add(listener->event, NULL) < 0) {
		(void)error_set_errno(err, "watching a socket that listens");
		destroy_listener(listener);
		return -1;
	}
	LL_APPEND(server->listeners, listener);
	server->listener_count++;
	return 0;
}

void http_listeners_close(struct http_server *server)
{
	while (server->listeners) {
		struct http_listener *listener = server->listeners;

		server->listeners = listener->next;
		destroy_listener(listener);
	}
	server->listener_count = 0;
	loop_timer_destroy(server->accept_timer);
	server->accept_timer = NULL;
}

unsigned http_listener_port(int fd)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
	return 0;
}

unsigned http_server_port(const struct http_server *server)
{
	const struct http_listener *listener;

	LL_FOREACH (server->listeners, listener) {
		if (!listener->is_unix)
			return http_listener_port(listener->fd);
	}
	return 0;
}

bool http_server_is_exposed(const struct http_server *server)
{
	const struct http_listener *listener;

	LL_FOREACH (server->listeners, listener) {
		struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
		socklen_t bytes = sizeof(address);

		if (getsockname(listener->fd, (struct sockaddr *)&address, &bytes) < 0 ||
		    !http_address_is_loopback(&address))
			return true;
	}
	return false;
}

/* --- unix, inherited ------------------------------------------------------------------------ */

int http_server_listen_unix(struct http_server *server, const char *path, struct error *err)
{
	struct http_listener *listener = http_listener_create(server, -1);

	listener->is_unix = true;
	if (http_unix_listen(listener, path, err) < 0) {
		destroy_listener(listener);
		return -1;
	}
	return http_listener_add(listener, err);
}

static int socket_option(int fd, int option)
{
	int value = -1;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) < 0 ? -1 : value;
}

int http_server_listen_inherited(struct http_server *server, int inherited_fd, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = inherited_fd;
	int family = socket_option(fd, SO_DOMAIN);
	struct http_listener *listener;

	if (socket_option(fd, SO_ACCEPTCONN) != 1 || socket_option(fd, SO_TYPE) != SOCK_STREAM ||
	    (family != AF_INET && family != AF_INET6 && family != AF_UNIX))
		return error_set(
			err, ERROR_CONFIG,
			"descriptor %d, which was passed to listen on, is no listening TCP "
			"or unix socket. In the systemd socket unit, use ListenStream=",
			fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fd_set_nonblocking(fd, err) < 0)
		return error_set_errno(err, "preparing descriptor %d, which was passed", fd);
	listener = http_listener_create(server, take_fd(&fd));
	listener->is_unix = family == AF_UNIX;
	return http_listener_add(listener, err);
}
