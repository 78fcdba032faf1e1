/* SPDX-License-Identifier: MIT */
#include "app/service.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START */
#define FIRST_SOCKET 3

/* --- sockets ------------------------------------------------------------------------- */

static int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) < 0 ? -1 : value;
}

static int take_socket(struct service *service, int fd, struct error *err)
{
	if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1)
		return error_set(
			err, ERROR_CONFIG,
			"Descriptor %d, which the service manager passed on (LISTEN_FDS), "
			"is no listening stream socket. In a socket unit, use ListenStream= "
			"and Accept=no.",
			fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set_errno(err, "keeping descriptor %d", fd);
	service->sockets[service->socket_count++] = fd;
	return 0;
}

static int take_sockets(struct service *service, struct error *err)
{
	/* NOLINTBEGIN(concurrency-mt-unsafe) */
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	/* NOLINTEND(concurrency-mt-unsafe) */
	int64_t number;
	int fd;

	/* Without both, or with another's pid, they were meant for whoever started us. */
	if (!pid || !count ||
	    number_parse_int(pid, 1, INT32_MAX, "LISTEN_PID", &number, NULL) < 0 ||
	    number != getpid())
		return 0;
	if (number_parse_int(count, 0, SERVICE_MAX_SOCKETS, "LISTEN_FDS", &number, err) < 0) {
		if (err)
			err->kind = ERROR_CONFIG;
		return -1;
	}
	for (fd = FIRST_SOCKET; fd < FIRST_SOCKET + (int)number; fd++) {
		if (take_socket(service, fd, err) < 0)
			return -1;
	}
	return 0;
}

/* --- telling ------------------------------------------------------------------------- */

/* A path, or a name in the abstract space, which begins with @. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_fd) int fd = -1;
	size_t length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path)) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		return -1;
	return take_fd(&fd);
}

static void open_notify(struct service *service)
{
	const char *name = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe) */

	if (!name || *name == '\0')
		return;
	service->notify_fd = connect_to(name);
	if (service->notify_fd < 0)
		log_event(LOG_WARNING, "service_manager_lost",
			  LOG_STRING("error", error_errno_text(errno)));
}

static void tell(const struct service *service, const char *what)
{
	/* A manager that does not listen must not hold us up. */
	if (service->notify_fd >= 0 &&
	    send(service->notify_fd, what, strlen(what), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_event(LOG_WARNING, "service_manager_lost",
			  LOG_STRING("error", error_errno_text(errno)));
}

void service_tell_ready(const struct service *service)
{
	tell(service, "READY=1");
}

void service_tell_reloading(const struct service *service)
{
	char text[64];

	/* Type=notify-reload wants to know since when (CLOCK_MONOTONIC). */
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_us());
	tell(service, text);
}

void service_tell_stopping(const struct service *service)
{
	tell(service, "STOPPING=1");
}

/* --- both ------------------------------------------------------------------------------ */

int service_open(struct service *service, struct error *err)
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
						 "NOTIFY_SOCKET" };
	int result;

	*service = (struct service)SERVICE_INIT;
	result = take_sockets(service, err);
	if (result == 0)
		open_notify(service);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		(void)unsetenv(variables[i]); /* NOLINT(concurrency-mt-unsafe) */
	return result;
}

void service_close(struct service *service)
{
	for (size_t i = 0; i < service->socket_count; i++)
		cleanup_fd(&service->sockets[i]);
	service->socket_count = 0;
	cleanup_fd(&service->notify_fd);
}
