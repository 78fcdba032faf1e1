/* SPDX-License-Identifier: MIT */
#pragma once

/* A socket that accepts connections, and how one in the file system is made and
 * removed; for transport/http alone. */

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct http_server;
struct event;

struct http_listener {
	struct http_listener *next;
	struct http_server *server;
	struct event *event;
	int fd;
	bool is_unix;
	char *path; /* of a unix socket that we have made; NULL: nothing to remove */
	dev_t device;
	ino_t inode;
};

/* Takes `fd`, which listens (-1: not yet). */
struct http_listener *http_listener_create(struct http_server *server, int fd);
/* From now on it accepts. Takes it, also on failure. */
int http_listener_add(struct http_listener *listener, struct error *err);
/* Of TCP; otherwise 0. */
unsigned http_listener_port(int fd);

/* Makes the socket, listening, with mode 0600 from birth; sets fd, path, device and inode. One that
 * is there and has nobody behind it is replaced. */
int http_unix_listen(struct http_listener *listener, const char *path, struct error *err);
/* If it is still ours. */
void http_unix_remove(struct http_listener *listener);
