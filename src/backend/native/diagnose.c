/* SPDX-License-Identifier: MIT */
#include "backend/native/diagnose.h"

#include "backend/native/explain.h"
#include "backend/native/id_map.h"
#include "backend/native/image.h"
#include "backend/native/image_hidden.h"
#include "backend/native/layering.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

static void say(const struct diagnosis *diagnosis, enum diagnosis_level level, const char *what,
		const char *found, const char *fix)
{
	diagnosis->line(diagnosis->context, level, what, found, fix);
}

static void diagnose_kernel(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	struct utsname name;

	if (uname(&name) < 0)
		return;
	if (geteuid() == 0 || layering_has_attributes())
		say(diagnosis, DIAGNOSIS_OK, "kernel", name.release, NULL);
	else
		say(diagnosis, DIAGNOSIS_WARNING, "kernel", name.release,
		    image_is_host(config->image)
			    ? "use Linux 6.6 or newer, or run as root: here /usr is read-only in "
			      "an "
			      "ordinary user's sandboxes"
			    : "use Linux 6.6 or newer, or run as root: here an ordinary user's "
			      "sandbox can remove a directory of the image, but not make it anew");
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

/* Whoever puts a program of their own into such a directory may have written a token into it. */
static bool is_script(int directory_fd, const char *name)
{
	static const char elf[] = { 0x7f, 'E', 'L', 'F' };
	char start[sizeof(elf)];
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat status;

	if (fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode) || !(status.st_mode & S_IROTH) || status.st_size == 0)
		return false;
	fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 || fd_read_full(fd, start, sizeof(start), NULL) != (ssize_t)sizeof(start) ||
	       memcmp(start, elf, sizeof(elf)) != 0;
}

static unsigned count_scripts(const char *directory, const struct image_hidden *hidden)
{
	DIR *stream = image_hidden_covers(hidden, directory + 1) ? NULL : opendir(directory);
	unsigned count = 0;
	struct dirent *found;

	if (!stream)
		return 0;
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((found = readdir(stream))) {
		char path[LIMIT_PATH_BYTES];

		(void)snprintf(path, sizeof(path), "%s/%s", directory, found->d_name);
		if (!image_hidden_covers(hidden, path + 1) &&
		    is_script(dirfd(stream), found->d_name))
			count++;
	}
	(void)closedir(stream);
	return count;
}

static void diagnose_scripts(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	static const struct {
		const char *directory;
		const char *what;
	} places[] = {
		{ "/usr/local/bin", "scripts in /usr/local/bin" },
		{ "/usr/local/sbin", "scripts in /usr/local/sbin" },
	};
	CLEANUP(image_mounts_finish) struct image_mounts mounts = { NULL, 0 };
	struct image_hidden hidden;
	char left_out[256];

	/* What is wrong with the paths is said by the sandbox that cannot be made. */
	if (!image_is_host(config->image) ||
	    image_hidden_collect(&hidden, config->host_excluded, config->host_included, NULL) < 0)
		return;
	if (image_mounts_below("/", &mounts, NULL) == 0)
		image_hidden_add_foreign(&hidden, &mounts, left_out, sizeof(left_out));
	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		const char *directory = places[i].directory;
		unsigned count = count_scripts(directory, &hidden);
		char found[64], fix[256];

		(void)snprintf(found, sizeof(found), "%u, which every sandbox can read", count);
		(void)snprintf(fix, sizeof(fix),
			       "if one of them holds a token: --host-exclude %s/NAME, or "
			       "--host-exclude %s for all",
			       directory, directory);
		if (count > 0)
			say(diagnosis, DIAGNOSIS_WARNING, places[i].what, found, fix);
	}
	image_hidden_finish(&hidden);
}

void diagnose_host(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	diagnose_kernel(config, diagnosis);
	diagnose_ids(config, diagnosis);
	diagnose_filters(diagnosis);
	diagnose_landlock(diagnosis);
	diagnose_scripts(config, diagnosis);
}
