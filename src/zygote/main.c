/* SPDX-License-Identifier: MIT */

/*
 * The static executable that the server carries inside itself and starts from a
 * sealed memory file: the guest.
 *
 *   guest    the sandbox's socket is descriptor 3
 */

#include "guest/guest.h"

#define SOCKET_FD 3

int main(void)
{
	guest_run(&(struct guest_config){ .socket_fd = SOCKET_FD });
}
