/* SPDX-License-Identifier: MIT */
#include "transport/http/server.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "transport/http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void set_port(struct addrinfo *address, unsigned port)
{
	if (address->ai_family == AF_INET)
		((struct sockaddr_in *)address->ai_addr)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)address->ai_addr)->sin6_port = htons((uint16_t)port);
}

static bool is_any(const struct addrinfo *address)
{
	return address->ai_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)address->ai_addr)->sin6_addr);
}

/* -1 with errno. */
static int open_tcp(const struct addrinfo *address)
{
	CLEANUP(cleanup_fd)
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, six_only = !is_any(address);

	if (fd < 0)
		return -1;
	/* After a restart, connections of before would keep the port for a minute. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six_only, sizeof(six_only));
	if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
	    listen(fd, LIMIT_HTTP_BACKLOG) < 0)
		return -1;
	return take_fd(&fd);
}

/* A name may stand for addresses that this machine does not have: `localhost` for ::1, where IPv6
 * is switched off. */
static bool is_missing_address(int errno_value)
{
	return errno_value == EADDRNOTAVAIL || errno_value == EAFNOSUPPORT;
}

static int complain(const char *host, unsigned port, struct error *err)
{
	const char *cure = errno == EADDRINUSE ? ": another server has this port; choose another"
			   : errno == EACCES   ? ": ports below 1024 are root's; choose another"
					       : "";

	(void)error_set_kind_errno(err, ERROR_CONFIG, "listening on %.200s port %u", host, port);
	if (err)
		(void)snprintf(err->message + strlen(err->message),
			       sizeof(err->message) - strlen(err->message), "%s", cure);
	return -1;
}

/* Files of hosts may name one address twice. */
static bool is_repeated(const struct addrinfo *first, const struct addrinfo *address)
{
	for (; first != address; first = first->ai_next) {
		if (first->ai_addrlen == address->ai_addrlen &&
		    memcmp(first->ai_addr, address->ai_addr, address->ai_addrlen) == 0)
			return true;
	}
	return false;
}

static int listen_on_all(struct http_server *server, struct addrinfo *addresses, const char *host,
			 unsigned port, struct error *err)
{
	bool is_listening = false;

	for (struct addrinfo *address = addresses; address; address = address->ai_next) {
		int fd;

		set_port(address, port);
		if (is_repeated(addresses, address))
			continue;
		fd = open_tcp(address);
		if (fd < 0 && is_missing_address(errno) && (is_listening || address->ai_next))
			continue;
		if (fd < 0)
			return complain(host, port, err);
		if (http_listener_add(http_listener_create(server, fd), err) < 0)
			return -1;
		is_listening = true;
		port = http_listener_port(fd);
		set_port(address, port);
	}
	return 0;
}

/* Without brackets, which belong to URLs. */
static char *plain_host(const char *host)
{
	size_t length = strlen(host);
	char *plain = alloc_string(host);

	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		memmove(plain, plain + 1, length - 2);
		plain[length - 2] = '\0';
	}
	return plain;
}

int http_server_listen_tcp(struct http_server *server, const char *host, unsigned port,
			   struct error *err)
{
	CLEANUP(cleanup_free) char *plain = plain_host(host);
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE };
	struct addrinfo *addresses = NULL;
	int result;

	/* The one question that may take long, at a time when nobody waits for the loop. */
	result = getaddrinfo(plain, NULL, &hints, &addresses);
	if (result != 0)
		return error_set(err, ERROR_CONFIG, "looking up the host %.200s: %s", host,
				 result == EAI_SYSTEM ? error_errno_text(errno)
						      : gai_strerror(result));
	result = listen_on_all(server, addresses, plain, port, err);
	freeaddrinfo(addresses);
	return result;
}
