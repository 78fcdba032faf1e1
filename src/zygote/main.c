/* SPDX-License-Identifier: MIT */

/*
 * The static executable that the server carries inside itself and starts from a
 * sealed memory file: the guest, or with the argument "zygote" the process that
 * makes sandboxes and is forked into their guests.
 *
 *   guest    the sandbox's socket is descriptor 3
 *   zygote   the server's socket is descriptor 3
 */

#include "guest/guest.h"
#include "zygote/zygote.h"

#include <string.h>

#define SOCKET_FD 3

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "zygote") == 0)
		zygote_run(SOCKET_FD);
	guest_run(&(struct guest_config){ .socket_fd = SOCKET_FD });
}
