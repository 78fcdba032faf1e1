/* SPDX-License-Identifier: MIT */
#include "app/rights.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/landlock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/number.h"

#include <assert.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What every distribution gives to nobody. */
#define NOBODY 65534u

/* --- whom to become ---------------------------------------------------------------- */

/* Of one entry's strings; a group may have many members. */
#define ENTRY_BYTES (64 * KIB)

static bool find_user(const char *name, struct rights *rights)
{
	CLEANUP(cleanup_free) char *strings = alloc_zeroed(ENTRY_BYTES);
	struct passwd entry, *found = NULL;

	if (getpwnam_r(name, &entry, strings, ENTRY_BYTES, &found) != 0 || !found)
		return false;
	rights->uid = entry.pw_uid;
	rights->gid = entry.pw_gid;
	return true;
}

/* The group of the same number for an id without an account. */
static gid_t group_of_user(uid_t uid)
{
	CLEANUP(cleanup_free) char *strings = alloc_zeroed(ENTRY_BYTES);
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, strings, ENTRY_BYTES, &found) != 0 || !found)
		return uid;
	return entry.pw_gid;
}

static bool parse_id(const char *text, uint32_t *id)
{
	int64_t number;

	/* The last number means "no id" to the kernel. */
	if (number_parse_int(text, 0, UINT32_MAX - 1, "id", &number, NULL) < 0)
		return false;
	*id = (uint32_t)number;
	return true;
}

static bool take_user(const char *text, struct rights *rights)
{
	if (find_user(text, rights))
		return true;
	if (!parse_id(text, &rights->uid))
		return false;
	rights->gid = group_of_user(rights->uid);
	return true;
}

static bool take_group(const char *text, struct rights *rights)
{
	CLEANUP(cleanup_free) char *strings = alloc_zeroed(ENTRY_BYTES);
	struct group entry, *found = NULL;

	if (getgrnam_r(text, &entry, strings, ENTRY_BYTES, &found) != 0 || !found)
		return parse_id(text, &rights->gid);
	rights->gid = entry.gr_gid;
	return true;
}

static int take_asked_for(struct rights *rights, const char *text, const struct options *options,
			  struct error *err)
{
	enum error_kind kind = option_error_kind(options, OPTION_RUN_AS);
	const char *group = strchr(text, ':');
	char user[256];

	(void)snprintf(user, sizeof(user), "%.*s", group ? (int)(group - text) : -1, text);
	if (!take_user(user, rights))
		return error_set(err, kind,
				 "--run-as: there is no user %s here. It takes USER[:GROUP], each "
				 "a name or a number.",
				 user);
	if (group && !take_group(group + 1, rights))
		return error_set(err, kind,
				 "--run-as: there is no group %s here. It takes USER[:GROUP], each "
				 "a name or a number.",
				 group + 1);
	return 0;
}

/* Whoever became root by sudo, for one command. What does not look like it is not trusted. */
static bool take_sudo_user(struct rights *rights)
{
	/* NOLINTBEGIN(concurrency-mt-unsafe) */
	const char *uid = getenv("SUDO_UID");
	const char *gid = getenv("SUDO_GID");
	/* NOLINTEND(concurrency-mt-unsafe) */

	return uid && gid && parse_id(uid, &rights->uid) && parse_id(gid, &rights->gid) &&
	       rights->uid != 0 && rights->gid != 0;
}

int rights_choose(struct rights *rights, const struct options *options, struct error *err)
{
	const char *asked = option_text(options, OPTION_RUN_AS);
	struct rights found = { .is_asked_for = asked, .uid = geteuid(), .gid = getegid() };

	if (asked && found.uid != 0)
		return error_set(err, option_error_kind(options, OPTION_RUN_AS),
				 "--run-as is only valid as root: an ordinary user cannot become "
				 "somebody else.");
	if (asked && take_asked_for(&found, asked, options, err) < 0)
		return -1;
	if (!asked && found.uid == 0 && !take_sudo_user(&found) && !find_user("nobody", &found)) {
		found.uid = NOBODY;
		found.gid = NOBODY;
	}
	*rights = found;
	return 0;
}

/* --- the way there ------------------------------------------------------------------- */

/* Capabilities, Landlock and no_new_privs belong to a thread: another one would keep them, and one
 * that was just joined may take the kernel a moment to be gone. */
static int await_single_thread(struct error *err)
{
	const struct timespec moment = { 0, 50 * 1000 };
	uint64_t deadline_ms = clock_now_ms() + LIMIT_SHUTDOWN_MS;
	struct stat tasks;

	for (;;) {
		if (stat("/proc/self/task", &tasks) < 0)
			return error_set_errno(err, "looking for other threads");
		if (tasks.st_nlink == 3)
			return 0;
		if (clock_now_ms() >= deadline_ms)
			return error_set(err, ERROR_INTERNAL,
					 "rights cannot be given up while other threads run");
		(void)nanosleep(&moment, NULL);
	}
}

static int allow_folder(int ruleset, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *folder = alloc_string(path);
	char *slash = strrchr(folder, '/');

	/* Of what is in the root directory, the file alone: its folder would be everything. */
	if (!slash || slash == folder)
		return landlock_allow(ruleset, path, LANDLOCK_REACH_READ, err);
	*slash = '\0';
	return landlock_allow(ruleset, folder, LANDLOCK_REACH_READ, err);
}

/* The folder, because a file is changed by putting another in its place; and where links lead to
 * now, because that is how some keep their secrets. */
static int allow_file(int ruleset, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *target = realpath(path, NULL);

	if (allow_folder(ruleset, path, err) < 0)
		return -1;
	return target ? allow_folder(ruleset, target, err) : 0;
}

/* Made while every path can still be opened. */
static int make_wall(const char *const *kept_paths, const struct rights_file *files, int *ruleset,
		     struct error *err)
{
	/* Where the C library looks up whether an id is somebody's, so that no sandbox gets it. */
	static const char *const of_names[] = { "/etc/nsswitch.conf", "/etc/passwd",
						"/run/systemd/userdb", "/var/lib/sss" };

	if (landlock_make(ruleset, err) < 0 ||
	    landlock_allow(*ruleset, "/dev/null", LANDLOCK_REACH_ALL, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LENGTH(of_names); i++) {
		if (landlock_allow(*ruleset, of_names[i], LANDLOCK_REACH_READ, err) < 0)
			return -1;
	}
	for (; *kept_paths; kept_paths++) {
		if (landlock_allow(*ruleset, *kept_paths, LANDLOCK_REACH_ALL, err) < 0)
			return -1;
	}
	for (; files && files->path; files++) {
		if (allow_file(*ruleset, files->path, err) < 0)
			return -1;
	}
	return 0;
}

/* Threads of an ordinary user are counted by user, and nobody may be many. Root of a container may
 * be unable to lift its hard limit; then that must do. */
static void lift_thread_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_NPROC, &limit) == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NPROC, &limit);
}

/* Whoever has root's session keyring has root's keys, under any id. */
static int leave_keyring(struct error *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_set_errno(err, "joining a fresh session keyring");
	return 0;
}

/* Nothing that is ever executed can have a capability again. */
static int empty_bounding_set(struct error *err)
{
	for (unsigned long number = 0; number < 64; number++) {
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0)
			continue;
		/* A kernel may know more of them than its headers, and here they end. */
		if (errno == EINVAL)
			break;
		return error_set_errno(err, "dropping capability %lu", number);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set_errno(err, "clearing the ambient capabilities");
	return 0;
}

static int become(uid_t uid, gid_t gid, struct error *err)
{
	/* Else the change of user takes every capability. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, "keeping capabilities");
	/* The user last: it takes the right to change groups. */
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
		return error_set_errno(err, "changing to group %u", (unsigned)gid);
	if (setresuid(uid, uid, uid) < 0)
		return error_set_errno(err, "changing to user %u", (unsigned)uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return error_set_errno(err, "keeping capabilities no more");
	return 0;
}

static int keep_kill_alone(struct error *err)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct kill = { .effective = 1u << CAP_KILL,
						     .permitted = 1u << CAP_KILL };
	struct __user_cap_data_struct data[2] = { kill, { 0, 0, 0 } };

	static_assert(CAP_KILL < 32, "the first word of two");
	if (syscall(SYS_capset, &header, data) < 0)
		return error_set_errno(err, "keeping the capability to kill sandboxes alone");
	return 0;
}

/*
 * The order matters: what needs root comes first, what would be undone by a later step after
 * it, and the wall that even these steps could not work behind last.
 */
int rights_drop(uid_t uid, gid_t gid, const char *const *kept_paths,
		const struct rights_file *files, struct error *err)
{
	CLEANUP(cleanup_fd) int ruleset = -1;

	if (await_single_thread(err) < 0)
		return -1;
	/* With root's rights: rules for paths that only root can open; a limit is raised; the
	 * bounding set takes SETPCAP. */
	lift_thread_limit();
	if (make_wall(kept_paths, files, &ruleset, err) < 0 || leave_keyring(err) < 0 ||
	    empty_bounding_set(err) < 0)
		return -1;
	/* A directory that we stand in can be opened from inside, whoever we are. */
	if (chdir("/") < 0)
		return error_set_errno(err, "leaving the working directory");
	if (become(uid, gid, err) < 0 || keep_kill_alone(err) < 0)
		return -1;
	/* Set-user-id programs give nothing back; and the wall needs it of those without rights. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, "setting no_new_privs");
	/* After the change of user, which sets it as the administrator likes. Processes of that
	 * user could read our memory, and it holds what root's environment held. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set_errno(err, "closing the process to others");
	return landlock_enter(ruleset, err);
}

static int refuse_to_keep(const struct rights *rights, const struct backend *backend,
			  struct error *err)
{
	if (rights->is_asked_for)
		return error_set(err, ERROR_CONFIG,
				 "The %s backend needs the rights that it was started with here: "
				 "leave --run-as out.",
				 backend->type->name);
	log_event(LOG_INFO, "rights_kept", LOG_STRING("reason", "the backend needs them"));
	return 0;
}

/* By trying: modes, access lists, folders above and the wall all have a say. */
static int check_files(const struct rights *rights, const struct rights_file *files,
		       struct error *err)
{
	for (; files && files->path; files++) {
		int fd = open(files->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return error_set(
				err, ERROR_CONFIG,
				"--%s: SIGHUP reads %s again, and user %u, whom the server "
				"became, cannot (%s). Let that user read it (chown %u %s) "
				"and search the folders above, or choose another by "
				"--run-as.",
				files->option, files->path, (unsigned)rights->uid,
				error_errno_text(errno), (unsigned)rights->uid, files->path);
		(void)close(fd);
	}
	return 0;
}

int rights_settle(const struct rights *rights, struct backend *backend,
		  const struct rights_file *files, struct error *err)
{
	const char *const *kept_paths;

	if (geteuid() != 0)
		return 0;
	if (rights->uid == 0) {
		log_event(LOG_WARNING, "rights_kept", LOG_STRING("reason", "--run-as"));
		return 0;
	}
	kept_paths = backend_kept_paths(backend);
	if (!kept_paths)
		return refuse_to_keep(rights, backend, err);
	if (rights_drop(rights->uid, rights->gid, kept_paths, files, err) < 0)
		return error_wrap(err, "giving up root's rights (--run-as root keeps them)");
	log_event(LOG_INFO, "rights_dropped", LOG_NUMBER("uid", rights->uid),
		  LOG_NUMBER("gid", rights->gid));
	return check_files(rights, files, err);
}
