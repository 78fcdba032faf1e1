/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whose process is at the other end of a TCP connection within this machine. The
 * kernel is asked for exactly that socket (NETLINK_SOCK_DIAG, sock_diag(7)): one
 * message there, one back at once, nothing to wait for, some microseconds.
 *
 * An answer is believed only for a socket that somebody still holds. For what a
 * client has closed already the kernel tells user 0, whoever it was; a request
 * that was sent and given up in one go would come from root.
 *
 * Loop thread.
 */

#include "base/error.h"

#include <sys/types.h>

struct peer_finder;

/* Never fails: what does not work is told by the others. To be made before rights are given up. */
struct peer_finder *peer_finder_create(void);
/* Takes NULL. */
void peer_finder_destroy(struct peer_finder *finder);
/* Whether this machine tells at all, tried on a socket of our own. The first look-up may load a
 * module of the kernel, so this is for the start. */
int peer_finder_test(struct peer_finder *finder, struct error *err);

/* The user of the process that connected to `fd`, a TCP socket (IPv4, IPv6, IPv4 in IPv6).
 * ERROR_UNAVAILABLE if it cannot be told: not allowed here, no such module, another network
 * namespace, or the client has gone. */
int peer_find_uid(struct peer_finder *finder, int fd, uid_t *uid, struct error *err);
