/* SPDX-License-Identifier: MIT */
#include "backend/native/diagnose.h"

#include "backend/native/explain.h"
#include "backend/native/id_map.h"
#include "backend/native/image.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

static void say(const struct diagnosis *diagnosis, enum diagnosis_level level, const char *what,
		const char *found, const char *fix)
{
	diagnosis->line(diagnosis->context, level, what, found, fix);
}

bool diagnose_can_replace_directories(void)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("kilntainers-probe", MFD_CLOEXEC);

	return fd >= 0 && fsetxattr(fd, "user.kilntainers", "y", 1, 0) == 0;
}

static void diagnose_kernel(const struct diagnosis *diagnosis)
{
	struct utsname name;

	if (uname(&name) < 0)
		return;
	if (diagnose_can_replace_directories())
		say(diagnosis, DIAGNOSIS_OK, "kernel", name.release, NULL);
	else
		say(diagnosis, DIAGNOSIS_WARNING, "kernel", name.release,
		    "use Linux 6.6 or newer: here a sandbox can remove a directory of the image, "
		    "but not make it anew");
}

static void diagnose_ids(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	const char *why;
	char found[256];
	uint32_t count;
	bool is_self = !image_is_host(config->image);

	if (geteuid() == 0) {
		say(diagnosis, DIAGNOSIS_OK, "ids", "root: a range of host ids for each sandbox",
		    NULL);
		return;
	}
	count = id_map_available(is_self, &why);
	if (count > 1) {
		(void)snprintf(found, sizeof(found), "%u ids from /etc/subuid and /etc/subgid",
			       count);
		say(diagnosis, DIAGNOSIS_OK, "ids", found, NULL);
		return;
	}
	(void)snprintf(found, sizeof(found), "one: %s%s", why,
		       is_self ? ""
			       : "; sandboxes can read what below /usr is open to this user or its "
				 "groups alone");
	say(diagnosis, DIAGNOSIS_WARNING, "ids", found,
	    "for sandboxes that are users of their own, with su, chown and apt: apt install uidmap "
	    "&& usermod "
	    "--add-subuids 100000-165535 --add-subgids 100000-165535 $USER");
}

static void diagnose_filters(const struct diagnosis *diagnosis)
{
	unsigned action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		say(diagnosis, DIAGNOSIS_OK, "seccomp", "filters available", NULL);
	else
		say(diagnosis, DIAGNOSIS_FAILED, "seccomp", "no filters",
		    explain_fix(ZYGOTE_AREA_FILTER, 0));
}

static void diagnose_landlock(const struct diagnosis *diagnosis)
{
	/* LANDLOCK_CREATE_RULESET_VERSION */
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
	char found[32];

	(void)snprintf(found, sizeof(found), "version %ld", version);
	if (version >= 1)
		say(diagnosis, DIAGNOSIS_OK, "Landlock", found, NULL);
	else
		say(diagnosis, DIAGNOSIS_WARNING, "Landlock", "not there (a second wall only)",
		    "boot with lsm=landlock,... in the kernel's command line");
}

void diagnose_host(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	diagnose_kernel(diagnosis);
	diagnose_ids(config, diagnosis);
	diagnose_filters(diagnosis);
	diagnose_landlock(diagnosis);
}
