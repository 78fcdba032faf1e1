/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a service manager such as systemd hands to a server that it started, and
 * what it wants to hear from it: sd_listen_fds(3) and sd_notify(3), whose whole
 * protocol is two variables and datagrams. Started by anybody else, every
 * function does nothing. Main thread.
 */

#include "base/error.h"

#include <stddef.h>

/* A socket for each address is what people write; more is a mistake. */
#define SERVICE_MAX_SOCKETS 16

struct service {
	int notify_fd;			  /* -1: nobody wants to hear */
	int sockets[SERVICE_MAX_SOCKETS]; /* listening already; the caller may take them (take_fd)
					   */
	size_t socket_count;
};

#define SERVICE_INIT { .notify_fd = -1 }

/* Before anything was started: from here on no child inherits the sockets or the variables. The
 * connection to the manager stays whatever rights are given up. CONFIG if what was handed over is
 * no listening stream socket. */
int service_open(struct service *service, struct error *err);
void service_close(struct service *service);

/* Connections are accepted. */
void service_tell_ready(const struct service *service);
/* Until the next service_tell_ready. */
void service_tell_reloading(const struct service *service);
void service_tell_stopping(const struct service *service);
