/* SPDX-License-Identifier: MIT */
#include "exec/cancel.h"

#include "base/cleanup.h"

#include <poll.h>
#include <sys/eventfd.h>

int cancel_init(struct cancel *cancel, struct error *err)
{
	cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cancel->fd < 0)
		return error_set_errno(err, "creating a cancel flag");
	return 0;
}

void cancel_finish(struct cancel *cancel)
{
	cleanup_fd(&cancel->fd);
}

void cancel_raise(struct cancel *cancel)
{
	(void)eventfd_write(cancel->fd, 1);
}

bool cancel_is_raised(const struct cancel *cancel)
{
	struct pollfd ready = { cancel ? cancel->fd : -1, POLLIN, 0 };

	return cancel && poll(&ready, 1, 0) == 1;
}
