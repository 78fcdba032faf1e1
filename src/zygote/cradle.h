/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A cradle: a fork of the zygote that makes one sandbox. What takes the kernel
 * long and is the same for every sandbox, it does at once, so that it may be done
 * before anybody waits for the sandbox: it enters the sandbox's control groups and
 * makes its network. Then it waits for SPAWN, clones the sandbox as a child of the
 * zygote, and is gone. docs/decisions/0012-cradles.md has the figures.
 *
 * It has the zygote's rights, and runs no code but the zygote's.
 */

#include "zygote/template.h"
#include "zygote/zygote.h"

struct cradle_origin {
	const struct template *templates; /* ZYGOTE_MAX_IMAGES of them */
	enum zygote_id_mode id_mode;
	int zygote_socket_fd; /* to the server: no cradle keeps it */
};

/* Forks one for the CRADLE in `request`: fds[0] is the report socket, and its control groups
 * follow. All fail on the report socket alone. The descriptors are the caller's to close. */
void cradle_start(const struct cradle_origin *origin, const struct zygote_request *request,
		  const int fds[ZYGOTE_MAX_FDS]);
