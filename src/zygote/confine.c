/* SPDX-License-Identifier: MIT */
#include "zygote/confine.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/landlock.h"
#include "base/limits.h"
#include "guest/tree.h"
#include "zygote/policy.h"
#include "zygote/seccomp.h"
#include "zygote/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(number) (1ULL << (number))

/* SYS_ADMIN makes the UTS namespaces that tag commands, SYS_PTRACE reads the tags. */
#define GUEST_CAPABILITIES (BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE))

/* --- limits ---------------------------------------------------------------- */

static int set_limit(int resource, rlim_t value, const char *name, struct error *err)
{
	struct rlimit now;
	struct rlimit wanted;

	if (getrlimit(resource, &now) < 0)
		return error_set_errno(err, "reading the limit %s", name);
	/* Never raised: that would take a privilege that a sandbox has not. */
	wanted.rlim_max = value < now.rlim_max ? value : now.rlim_max;
	wanted.rlim_cur = wanted.rlim_max;
	if (setrlimit(resource, &wanted) < 0)
		return error_set_errno(err, "setting the limit %s", name);
	return 0;
}

/* Where no control group holds a sandbox's memory and processes. Not the address space: node,
 * java and go reserve far more of it than they use. */
static int limit_processes(const struct zygote_request *request, struct error *err)
{
	if (request->process_memory_bytes > 0 &&
	    (set_limit(RLIMIT_DATA, request->process_memory_bytes, "data", err) < 0 ||
	     set_limit(RLIMIT_FSIZE, request->process_memory_bytes, "file size", err) < 0))
		return -1;
	/* Counted by user namespace, so for each user of this sandbox alone. The guest's: commands
	 * get less. */
	if (request->process_count > 0 &&
	    set_limit(RLIMIT_NPROC, request->process_count + LIMIT_RESERVED_PIDS, "processes",
		      err) < 0)
		return -1;
	return 0;
}

int confine_limits(const struct zygote_request *request, struct error *err)
{
	for (const struct policy_limit *limit = policy_limits; limit->name; limit++) {
		if (set_limit(limit->resource, limit->value, limit->name, err) < 0)
			return -1;
	}
	if (set_limit(RLIMIT_NOFILE, request->nofile_hard, "open files", err) < 0 ||
	    limit_processes(request, err) < 0)
		return -1;
	return 0;
}

/* --- capabilities ------------------------------------------------------------ */

static unsigned long long command_capabilities(void)
{
	unsigned long long mask = 0;

	for (size_t i = 0; policy_capabilities[i].name; i++)
		mask |= BIT(policy_capabilities[i].number);
	return mask;
}

static int keep_capabilities(unsigned long long kept, struct error *err)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (unsigned)kept, .permitted = (unsigned)kept },
		{ .effective = (unsigned)(kept >> 32), .permitted = (unsigned)(kept >> 32) },
	};

	/* The bounding set first: dropping from it takes a capability that goes next. A kernel may
	 * know more of them than these headers. */
	for (unsigned long number = 0; number < 64; number++) {
		if (kept & BIT(number))
			continue;
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break;
			return error_set_errno(err, "dropping capability %lu", number);
		}
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set_errno(err, "clearing the ambient capabilities");
	if (syscall(SYS_capset, &header, data) < 0)
		return error_set_errno(err, "setting the capabilities");
	return 0;
}

/* --- Landlock ------------------------------------------------------------------ */

/* Everything is allowed below "/", so nothing changes for a command but this: no mounts, and no
 * file that is not below "/" (a leaked directory of elsewhere). Absent on older kernels: a second
 * wall. */
static int wall_off_files(struct error *err)
{
	CLEANUP(cleanup_fd) int ruleset = -1;

	/* Message queues are opened on a mount of the kernel's own, which has the same root as the
	 * one that is seen but is not below "/". */
	if (landlock_make(&ruleset, err) < 0 ||
	    landlock_allow(ruleset, "/", LANDLOCK_REACH_ALL, err) < 0 ||
	    landlock_allow(ruleset, "/dev/mqueue", LANDLOCK_REACH_ALL, err) < 0)
		return -1;
	return landlock_enter(ruleset, err);
}

/* --- guest and spare ------------------------------------------------------------- */

int confine_guest(struct error *err)
{
	if (keep_capabilities(command_capabilities() | GUEST_CAPABILITIES, err) < 0)
		return -1;
	/* Set-user-id programs gain nothing, and filters need it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, "setting no_new_privs");
	if (wall_off_files(err) < 0)
		return -1;
	/* Last: the filter refuses what the steps above do. */
	return seccomp_load(SECCOMP_FILTER_GUEST, err);
}

/* By pid modulo this; a sandbox runs at most 256 commands at once. */
#define TAG_SLOTS 1024u

struct confine_tags {
	struct {
		pid_t pid;	/* of the supervisor */
		uint64_t start; /* tells it from a later process of that pid */
		dev_t device;
		ino_t inode;
	} slots[TAG_SLOTS];
};

struct confine_tags *confine_tags_create(struct error *err)
{
	void *memory = mmap(NULL, sizeof(struct confine_tags), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		(void)error_set_errno(err, "making room for the tags of commands");
		return NULL;
	}
	return memory;
}

static int read_process(struct tree_process *process, pid_t pid)
{
	CLEANUP(cleanup_fd) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return proc < 0 ? -1 : tree_read_process(process, proc, pid);
}

/* The kernel gives the number of a namespace that is gone to the next one. Whoever had this one has
 * left nothing that a kill, asked for before and carried out late, could still have to find. */
static void forget_earlier(struct confine_tags *tags, const struct stat *tag)
{
	for (size_t slot = 0; slot < TAG_SLOTS; slot++) {
		if (tags->slots[slot].device == tag->st_dev &&
		    tags->slots[slot].inode == tag->st_ino)
			tags->slots[slot].pid = 0;
	}
}

static int note_tag(struct confine_tags *tags, struct error *err)
{
	size_t slot = (size_t)getpid() % TAG_SLOTS;
	struct tree_process self;
	struct stat tag;

	if (stat("/proc/self/ns/uts", &tag) < 0 || read_process(&self, getpid()) < 0)
		return error_set_errno(err, "reading the command's tag");
	forget_earlier(tags, &tag);
	tags->slots[slot].start = self.start;
	tags->slots[slot].device = tag.st_dev;
	tags->slots[slot].inode = tag.st_ino;
	tags->slots[slot].pid = getpid();
	return 0;
}

int confine_spare(void *context, struct error *err)
{
	if (unshare(CLONE_NEWUTS) < 0)
		return error_set_errno(err, "tagging the command");
	if (note_tag(context, err) < 0 || keep_capabilities(command_capabilities(), err) < 0)
		return -1;
	return seccomp_load(SECCOMP_FILTER_COMMAND, err);
}

/*
 * A process hides its tag if it runs a program that the guest may not read, or
 * none yet: between fork and exec it still has the memory of its supervisor. Then
 * its parents decide: what descends from another living supervisor is that one's,
 * since orphans go to their own supervisor, or to the guest. For anyone else the
 * answer in doubt is yes: nothing may outlive its kill.
 */
static bool descends_from_another(const struct confine_tags *tags, pid_t supervisor, pid_t pid)
{
	struct tree_process process;

	for (size_t depth = 0; depth < TREE_MAX_PROCESSES && pid > 1; depth++) {
		size_t slot = (size_t)pid % TAG_SLOTS;

		if (read_process(&process, pid) < 0)
			return false;
		if (tags->slots[slot].pid == pid && tags->slots[slot].start == process.start)
			return pid != supervisor;
		pid = process.parent;
	}
	return false;
}

bool confine_is_tagged(void *context, pid_t supervisor, pid_t pid)
{
	const struct confine_tags *tags = context;
	size_t slot = (size_t)supervisor % TAG_SLOTS;
	char path[64];
	struct stat tag;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/uts", (int)pid);
	if (stat(path, &tag) < 0)
		return errno != ENOENT && errno != ESRCH &&
		       !descends_from_another(tags, supervisor, pid);
	return tags->slots[slot].pid == supervisor && tags->slots[slot].device == tag.st_dev &&
	       tags->slots[slot].inode == tag.st_ino;
}
