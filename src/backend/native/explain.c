/* SPDX-License-Identifier: MIT */
#include "backend/native/explain.h"

#include "base/attr.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static bool setting_is(const char *path, char value)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[2];

	return fd >= 0 && read(fd, text, sizeof(text)) >= 1 && text[0] == value;
}

/* What closes user namespaces to an ordinary user, most specific first. */
static const struct {
	const char *path;
	char value;
	const char *fix;
} closed_by[] = {
	{ "/proc/sys/user/max_user_namespaces", '0',
	  "user namespaces are turned off: sysctl -w user.max_user_namespaces=65536" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", '0',
	  "user namespaces are closed to ordinary users: sysctl -w "
	  "kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
	  "AppArmor closes user namespaces to programs without a profile: install kilntainers by "
	  "make install, which brings one, then apparmor_parser -r /etc/apparmor.d/kilntainers; "
	  "or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
};

const char *const *explain_paths(void)
{
	static const char *paths[ARRAY_LENGTH(closed_by) + 1];

	for (size_t i = 0; i < ARRAY_LENGTH(closed_by); i++)
		paths[i] = closed_by[i].path;
	return paths;
}

static const char *namespace_fix(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(closed_by); i++) {
		if (setting_is(closed_by[i].path, closed_by[i].value))
			return closed_by[i].fix;
	}
	return "namespaces are refused, as inside of a container or chroot: run kilntainers on the "
	       "host, or the container with --security-opt seccomp=unconfined --security-opt "
	       "apparmor=unconfined --security-opt systempaths=unconfined";
}

const char *explain_fix(enum zygote_area area, int error_number)
{
	bool is_refused = error_number == EPERM || error_number == EACCES ||
			  error_number == ENOSPC || error_number == EUSERS;

	switch (area) {
	case ZYGOTE_AREA_CGROUP:
		return "somebody removed the control group, or closed it to kilntainers";
	case ZYGOTE_AREA_NAMESPACES:
	case ZYGOTE_AREA_IDS:
		if (error_number == EAGAIN)
			return "there are too many processes: all sandboxes together have as many "
			       "as --total-pids allows, or this user as many as ulimit -u does";
		return is_refused ? namespace_fix() : NULL;
	case ZYGOTE_AREA_OVERLAY:
		return "overlay file systems in user namespaces take Linux 5.11 or newer (6.6 for "
		       "files that replace directories), and a directory on a local file system";
	case ZYGOTE_AREA_PROC:
		return is_refused ? "an outer container hides parts of /proc: run it with "
				    "--security-opt systempaths=unconfined"
				  : NULL;
	case ZYGOTE_AREA_FILTER:
		return "the kernel must have seccomp filters (CONFIG_SECCOMP_FILTER)";
	case ZYGOTE_AREA_IMAGE:
	case ZYGOTE_AREA_NONE:
		break;
	}
	return NULL;
}

int explain_failure(const struct zygote_report *report, struct error *err)
{
	const char *fix = explain_fix((enum zygote_area)report->area, report->error_number);
	enum error_kind kind =
		report->error_kind == ERROR_CONFIG ? ERROR_CONFIG : ERROR_UNAVAILABLE;

	(void)error_set(err, kind, "a sandbox could not be made: %s%s%s%s", report->text,
			fix ? " (" : "", fix ? fix : "", fix ? ")" : "");
	if (err)
		err->errno_value = report->error_number;
	return -1;
}
