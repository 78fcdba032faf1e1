/* SPDX-License-Identifier: MIT */

/*
 * The static executable that the server carries inside itself and starts from a
 * sealed memory file: the guest, or with the argument "zygote" the process that
 * makes sandboxes and is forked into their guests.
 *
 *   guest [N [D]]  the sandbox's socket is descriptor 3; N: soft RLIMIT_NOFILE of its commands;
 *                  D: where output is saved
 *   zygote         the server's socket is descriptor 3
 */

#include "guest/guest.h"
#include "zygote/zygote.h"

#include <stdlib.h>
#include <string.h>

#define SOCKET_FD 3

int main(int argc, char **argv)
{
	struct guest_config guest = { .socket_fd = SOCKET_FD };

	if (argc > 1 && strcmp(argv[1], "zygote") == 0)
		zygote_run(SOCKET_FD);
	if (argc > 2 && strcmp(argv[1], "guest") == 0)
		guest.nofile_soft = strtoul(argv[2], NULL, 10);
	if (argc > 3 && strcmp(argv[1], "guest") == 0)
		guest.save_directory = argv[3];
	guest_run(&guest);
}
