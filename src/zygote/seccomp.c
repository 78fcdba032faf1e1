/* SPDX-License-Identifier: MIT */
#include "zygote/seccomp.h"

#include "zygote/seccomp_filters.h"

#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	const struct sock_filter *code;
	unsigned short count;
} filters[] = {
	[SECCOMP_FILTER_GUEST] = { "guest", seccomp_guest_code, ARRAY_LENGTH(seccomp_guest_code) },
	[SECCOMP_FILTER_COMMAND] = { "command", seccomp_command_code,
				     ARRAY_LENGTH(seccomp_command_code) },
};

int seccomp_load(enum seccomp_filter filter, struct error *err)
{
	struct sock_filter *code =
		(struct sock_filter *)(uintptr_t)filters[filter].code; /* the kernel only reads */
	struct sock_fprog program = { .len = filters[filter].count, .filter = code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE,
					    "loading the system call filter of the %s",
					    filters[filter].name);
	return 0;
}
