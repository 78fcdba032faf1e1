/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The janitor: a fork of the zygote that outlives it and the server by a moment.
 * A server of root gives up its rights and then cannot remove the control groups
 * that it made at its start; the janitor, which waits for the server's end with
 * root's rights, can, even if the server was killed. So with the file by which the
 * next server would know whose they were.
 */

#include "zygote/zygote.h"

/* Forks it for the JANITOR in `request`: fds[0] is a socket whose end-of-file tells the server's
 * end, the directories that hold the groups follow, and that of the file. The descriptors are the
 * caller's. */
void janitor_start(const struct zygote_request *request, int zygote_socket_fd,
		   const int fds[ZYGOTE_MAX_FDS]);
