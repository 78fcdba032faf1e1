/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup.h"

#include "backend/native/cgroup_base.h"
#include "backend/native/cgroup_file.h"
#include "backend/native/cgroup_limit.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_NAME_BYTES 16
/* A group that was emptied may still be charged for what the kernel frees later. */
#define REUSABLE_BYTES (4 * MIB)
#define REMOVE_AGAIN_MS 5
/* A huge page, and a batch per processor. */
#define CHARGED_AHEAD_BYTES (4 * MIB)

/* One directory tree: the only one of version 2, or that of one or more controllers in version 1.
 */
struct hierarchy {
	const char *base; /* where it begins; points into cgroups->base */
	char *path;	  /* of the group that holds all others */
	int fd;
	bool holds[CGROUP_CONTROLLERS];
};

struct cgroup {
	struct cgroups *cgroups;
	struct cgroup *next; /* among the idle or the dying */
	unsigned number;
	int memory_fd; /* what counts kills; -1: nothing does */
	int most_fd;   /* version 1: the most that was in use */
	int pids_fd;
	_Atomic bool has_reserve;	   /* is open; changed under the lock */
	struct guest_link_counters before; /* it was taken */
};

struct cgroups {
	struct cgroup_base base;
	struct cgroup_limits each;
	bool is_v2;
	bool is_for_others; /* the zygote's root may be another user to the kernel than we are */
	struct hierarchy hierarchies[CGROUP_CONTROLLERS];
	unsigned hierarchy_count;
	/* What tells a process that the sum refused from one that a sandbox's own limit did: the
	 * counter of the former (version 2 from Linux 6.11), or how many there are. -1: none. */
	int sum_refused_fd, sum_pids_fd;
	uint64_t sum_pids;
	const char *paths[CGROUP_CONTROLLERS + 1]; /* of them; NULL-terminated */

	pthread_mutex_t lock;
	unsigned last_number;
	struct cgroup *idle; /* empty, for the next sandbox */
	unsigned idle_count;
	struct cgroup *dying; /* to be removed as soon as the kernel lets go */
};

/* --- the group that holds all others ------------------------------------------------- */

/* Whoever enters asks as the zygote's root, which with subordinate ids is another user than we
 * are. In version 2 nobody else gains by it: to move a process one must be able to write in the
 * nearest group above both places, too. Version 1 does not ask for that: where somebody handed
 * hierarchies to an ordinary user, others can put processes of theirs under a sandbox's limits. */
#define OPEN_TO_ALL 0666
#define OPEN_TO_OWNER 0644 /* as the kernel makes it */

static void open_to_zygote(int directory_fd)
{
	(void)!fchmodat(directory_fd, "cgroup.procs", OPEN_TO_ALL, 0);
}

/* A group that was there before us stays when we go. */
static void set_base_mode(const struct cgroups *cgroups, mode_t mode)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (!cgroups->is_v2 || !cgroups->is_for_others)
		return;
	fd = open(cgroups->base.place.v2, O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)!fchmodat(fd, "cgroup.procs", mode, 0);
}

/* After the drop of rights somebody else makes and removes groups here. */
static int give_away(int fd, const struct cgroups_request *request, struct error *err)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control",
					     "cgroup.threads" };

	if (geteuid() != 0 || request->user == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		if (fchownat(fd, files[i], request->user, request->group, 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "giving a control group to user %u",
					       (unsigned)request->user);
	}
	return 0;
}

/* What it may have at a time when others want it too: others go first. */
static int lower_weight(const struct cgroups *cgroups, int fd, struct error *err)
{
	return cgroups->is_v2 ? cgroup_file_write_number(fd, "cpu.weight", LIMIT_CPU_WEIGHT, err)
			      : cgroup_file_write_number(fd, "cpu.shares",
							 LIMIT_CPU_WEIGHT * 1024 / 100, err);
}

static int set_up_top(struct cgroups *cgroups, const struct hierarchy *hierarchy,
		      const struct cgroups_request *request, struct error *err)
{
	struct cgroup_limits sum = request->sum;
	int fd = hierarchy->fd;

	sum.cpu_milli = 0;
	/* Where limits do not reach down by themselves (version 1 before Linux 5.11). */
	if (!cgroups->is_v2 && hierarchy->holds[CGROUP_MEMORY])
		(void)cgroup_file_write_number(fd, "memory.use_hierarchy", 1, NULL);
	if (cgroup_limit(cgroups->is_v2, hierarchy->holds, fd, &sum, err) < 0)
		return -1;
	if (hierarchy->holds[CGROUP_CPU] && lower_weight(cgroups, fd, err) < 0)
		return -1;
	for (size_t i = 0; cgroups->is_v2 && i < CGROUP_CONTROLLERS; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "+%s", cgroup_controller_names[i]);
		if (hierarchy->holds[i] &&
		    cgroup_file_write(fd, "cgroup.subtree_control", text, err) < 0)
			return -1;
	}
	if (hierarchy->holds[CGROUP_PIDS]) {
		cgroups->sum_pids_fd = openat(fd, "pids.current", O_RDONLY | O_CLOEXEC);
		cgroups->sum_refused_fd = openat(fd, "pids.events.local", O_RDONLY | O_CLOEXEC);
		cgroups->sum_pids = sum.pids;
	}
	return give_away(fd, request, err);
}

static int make_top(struct cgroups *cgroups, struct hierarchy *hierarchy,
		    const struct cgroups_request *request, struct error *err)
{
	hierarchy->path = alloc_printf("%s/%s", hierarchy->base, request->name);
	request->on_directory(request->context, hierarchy->path);
	if (mkdir(hierarchy->path, 0755) < 0)
		return error_set_errno(err, "making %s", hierarchy->path);
	hierarchy->fd = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hierarchy->fd < 0)
		return error_set_errno(err, "opening %s", hierarchy->path);
	return set_up_top(cgroups, hierarchy, request, err);
}

/* Controllers that are mounted together share a hierarchy. */
static void add_controller(struct cgroups *cgroups, enum cgroup_controller controller,
			   const char *base)
{
	unsigned i = 0;

	while (i < cgroups->hierarchy_count && strcmp(cgroups->hierarchies[i].base, base) != 0)
		i++;
	if (i == cgroups->hierarchy_count)
		cgroups->hierarchies[cgroups->hierarchy_count++] =
			(struct hierarchy){ .base = base, .fd = -1 };
	cgroups->hierarchies[i].holds[controller] = true;
}

static int make_tops(struct cgroups *cgroups, const struct cgroups_request *request,
		     struct error *err)
{
	const struct cgroup_place *place = &cgroups->base.place;

	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (cgroups->base.holds[i])
			add_controller(cgroups, (enum cgroup_controller)i,
				       cgroups->is_v2 ? place->v2 : place->v1[i]);
	}
	set_base_mode(cgroups, OPEN_TO_ALL);
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		if (make_top(cgroups, &cgroups->hierarchies[i], request, err) < 0)
			return -1;
		cgroups->paths[i] = cgroups->hierarchies[i].path;
	}
	return 0;
}

struct cgroups *cgroups_create(const struct cgroups_request *request, struct cgroups_facts *facts)
{
	const struct cgroup_base_request base = {
		.zygote = request->zygote,
		.name = request->name,
		.on_directory = request->on_directory,
		.context = request->context,
	};
	struct cgroups *cgroups = alloc_zeroed(sizeof(*cgroups));
	struct error err = ERROR_INIT;

	(void)pthread_mutex_init(&cgroups->lock, NULL);
	cgroups->each = request->each;
	cgroups->sum_refused_fd = cgroups->sum_pids_fd = -1;
	cgroups->is_for_others = geteuid() != 0;
	cgroup_base_find(&base, &cgroups->base);
	cgroups->is_v2 = cgroups->base.place.v2;
	memcpy(facts->holds, cgroups->base.holds, sizeof(facts->holds));
	(void)snprintf(facts->layer, sizeof(facts->layer), "%s", cgroups->base.layer);
	(void)snprintf(facts->reason, sizeof(facts->reason), "%s", cgroups->base.reason);
	if (facts->layer[0] && make_tops(cgroups, request, &err) == 0)
		return cgroups;
	if (err.kind != ERROR_NONE) {
		*facts = (struct cgroups_facts){ .layer = "" };
		(void)snprintf(facts->reason, sizeof(facts->reason), "%s", err.message);
	}
	cgroups_destroy(cgroups);
	return NULL;
}

const char *const *cgroups_paths(const struct cgroups *cgroups)
{
	return cgroups->paths;
}

void cgroups_open_bases(const struct cgroups *cgroups, struct cgroup_directories *directories)
{
	*directories = (struct cgroup_directories){ .is_v2 = cgroups->is_v2 };
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		int fd = open(cgroups->hierarchies[i].base, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			directories->fds[directories->count++] = fd;
	}
}

/* --- the groups of sandboxes -------------------------------------------------------- */

static void group_name(const struct cgroup *group, char name[GROUP_NAME_BYTES])
{
	(void)snprintf(name, GROUP_NAME_BYTES, "s%u", group->number);
}

static int open_group(const struct hierarchy *hierarchy, const struct cgroup *group)
{
	char name[GROUP_NAME_BYTES];

	group_name(group, name);
	return openat(hierarchy->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* False while the kernel still counts somebody in it. */
static bool remove_directories(const struct cgroup *group)
{
	const struct cgroups *cgroups = group->cgroups;
	char name[GROUP_NAME_BYTES];
	bool is_gone = true;

	group_name(group, name);
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		if (unlinkat(cgroups->hierarchies[i].fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			is_gone = false;
	}
	return is_gone;
}

static void free_group(struct cgroup *group)
{
	cleanup_fd(&group->memory_fd);
	cleanup_fd(&group->most_fd);
	cleanup_fd(&group->pids_fd);
	free(group);
}

static void open_counters(struct cgroup *group, const struct hierarchy *hierarchy, int fd)
{
	bool is_v2 = group->cgroups->is_v2;

	if (hierarchy->holds[CGROUP_MEMORY]) {
		group->memory_fd = openat(fd, is_v2 ? "memory.events" : "memory.oom_control",
					  O_RDONLY | O_CLOEXEC);
		group->most_fd =
			is_v2 ? -1 : openat(fd, "memory.max_usage_in_bytes", O_RDWR | O_CLOEXEC);
	}
	if (hierarchy->holds[CGROUP_PIDS])
		group->pids_fd = openat(fd, "pids.events", O_RDONLY | O_CLOEXEC);
}

static int make_in(struct cgroup *group, const struct hierarchy *hierarchy, struct error *err)
{
	const struct cgroups *cgroups = group->cgroups;
	char name[GROUP_NAME_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;

	group_name(group, name);
	if (mkdirat(hierarchy->fd, name, 0755) < 0)
		return error_set_errno(err, "making the control group %s/%s", hierarchy->path,
				       name);
	fd = open_group(hierarchy, group);
	if (fd < 0)
		return error_set_errno(err, "opening the control group %s/%s", hierarchy->path,
				       name);
	if (cgroup_limit(cgroups->is_v2, hierarchy->holds, fd, &cgroups->each, err) < 0)
		return -1;
	if (cgroups->is_for_others)
		open_to_zygote(fd);
	open_counters(group, hierarchy, fd);
	return 0;
}

static struct cgroup *make_group(struct cgroups *cgroups, unsigned number, struct error *err)
{
	struct cgroup *group = alloc_zeroed(sizeof(*group));

	*group = (struct cgroup){
		.cgroups = cgroups, .number = number, .memory_fd = -1, .most_fd = -1, .pids_fd = -1
	};
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		if (make_in(group, &cgroups->hierarchies[i], err) < 0) {
			(void)remove_directories(group);
			free_group(group);
			return NULL;
		}
	}
	return group;
}

/* Version 1 counts kills, but not whose limit was the reason (its failcnt stays 0 on newer
 * kernels): it was the group's own if so much was in use, give or take what the kernel charges in
 * advance. */
static uint64_t count_own_limits(const struct cgroup *group, uint64_t kills)
{
	uint64_t limit = group->cgroups->each.memory_bytes;

	if (group->cgroups->is_v2)
		return cgroup_file_count(group->memory_fd, "oom");
	return cgroup_file_count(group->most_fd, NULL) + CHARGED_AHEAD_BYTES >= limit ? kills : 0;
}

/* The directory whose limit of processes is the sandbox's; -1: there is none. */
static int open_pids(const struct cgroup *group)
{
	for (unsigned i = 0; i < group->cgroups->hierarchy_count; i++) {
		if (group->cgroups->hierarchies[i].holds[CGROUP_PIDS])
			return open_group(&group->cgroups->hierarchies[i], group);
	}
	return -1;
}

/* Nobody forgets the most that there were, so a group that was full once may be full again. The
 * sum's last processes may have ended with the command that was refused one. */
static bool has_sum_refused(const struct cgroup *group)
{
	const struct cgroups *cgroups = group->cgroups;
	CLEANUP(cleanup_fd) int directory = open_pids(group);
	uint64_t most = cgroup_file_number(directory, "pids.peak");

	return (most > 0 && most < cgroups->each.pids) ||
	       cgroup_file_count(cgroups->sum_pids_fd, NULL) + LIMIT_RESERVED_PIDS >=
		       cgroups->sum_pids;
}

/* A group's own counter has what any limit above it refused too; not so in version 2 from Linux
 * 6.11, which tells them apart. */
static void count_refusals(const struct cgroup *group, struct guest_link_counters *counters)
{
	const struct cgroups *cgroups = group->cgroups;
	uint64_t own = cgroup_file_count(group->pids_fd, "max");

	counters->refused_processes = own;
	counters->own_process_limits = own;
	if (cgroups->sum_refused_fd >= 0)
		counters->refused_processes += cgroup_file_count(cgroups->sum_refused_fd, "max");
	else if (own > group->before.refused_processes && has_sum_refused(group))
		counters->own_process_limits = 0;
}

static void read_counters(const struct cgroup *group, struct guest_link_counters *counters)
{
	counters->memory_kills = cgroup_file_count(group->memory_fd, "oom_kill");
	counters->own_memory_limits = count_own_limits(group, counters->memory_kills);
	count_refusals(group, counters);
}

/* --- the reserve of processes --------------------------------------------------------- */

/*
 * A sandbox full of background processes would be lost: to end them takes a command, which is a
 * process itself. To keep a few back from the start is no way, since a group knows no difference
 * between who forks. So its limit is raised once a start was refused, and the resource limit of
 * commands, one above the first limit, keeps them from filling that up as well. It cannot do the
 * group's work alone: it is by user, and nothing counts what it refuses.
 */

bool cgroup_open_reserve(struct cgroup *group)
{
	struct cgroups *cgroups = group->cgroups;
	CLEANUP(cleanup_fd) int fd = open_pids(group);
	bool is_done;

	if (fd < 0)
		return false;
	(void)pthread_mutex_lock(&cgroups->lock);
	is_done = !group->has_reserve &&
		  cgroup_file_write_number(fd, "pids.max", cgroups->each.pids + LIMIT_RESERVED_PIDS,
					   NULL) == 0;
	group->has_reserve = group->has_reserve || is_done;
	(void)pthread_mutex_unlock(&cgroups->lock);
	return is_done;
}

static void close_reserve(struct cgroup *group, int fd)
{
	struct cgroups *cgroups = group->cgroups;

	(void)pthread_mutex_lock(&cgroups->lock);
	if (group->has_reserve &&
	    cgroup_file_write_number(fd, "pids.max", cgroups->each.pids, NULL) == 0)
		group->has_reserve = false;
	(void)pthread_mutex_unlock(&cgroups->lock);
}

void cgroup_close_reserve(struct cgroup *group)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (!group->has_reserve)
		return;
	fd = open_pids(group);
	if (fd >= 0 && cgroup_file_number(fd, "pids.current") + LIMIT_RESERVED_PIDS <=
			       group->cgroups->each.pids)
		close_reserve(group, fd);
}

/* --- counting ---------------------------------------------------------------------- */

/* What was counted for earlier sandboxes, or refused by the sum, is no news. */
static void begin_counting(struct cgroup *group)
{
	if (group->most_fd >= 0)
		(void)!write(group->most_fd, "0", 1);
	read_counters(group, &group->before);
}

static uint64_t beyond(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void cgroup_count(const struct cgroup *group, struct guest_link_counters *counters)
{
	read_counters(group, counters);
	counters->memory_kills = beyond(counters->memory_kills, group->before.memory_kills);
	counters->own_memory_limits =
		beyond(counters->own_memory_limits, group->before.own_memory_limits);
	counters->refused_processes =
		beyond(counters->refused_processes, group->before.refused_processes);
	counters->own_process_limits =
		beyond(counters->own_process_limits, group->before.own_process_limits);
}

static bool is_empty(const struct cgroup *group, const struct hierarchy *hierarchy)
{
	CLEANUP(cleanup_fd) int directory = open_group(hierarchy, group);
	CLEANUP(cleanup_fd)
	int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 0;
}

static bool is_reusable(const struct cgroup *group)
{
	const struct cgroups *cgroups = group->cgroups;
	const char *usage = cgroups->is_v2 ? "memory.current" : "memory.usage_in_bytes";

	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		const struct hierarchy *hierarchy = &cgroups->hierarchies[i];
		CLEANUP(cleanup_fd) int directory = open_group(hierarchy, group);
		CLEANUP(cleanup_fd)
		int fd = hierarchy->holds[CGROUP_MEMORY]
				 ? openat(directory, usage, O_RDONLY | O_CLOEXEC)
				 : -1;

		if (!is_empty(group, hierarchy) || cgroup_file_count(fd, NULL) > REUSABLE_BYTES)
			return false;
	}
	return true;
}

/* Under the lock. */
static void bury_dying(struct cgroups *cgroups)
{
	struct cgroup **link = &cgroups->dying;

	while (*link) {
		struct cgroup *group = *link;

		if (remove_directories(group)) {
			*link = group->next;
			free_group(group);
		} else {
			link = &group->next;
		}
	}
}

static struct cgroup *pop_idle(struct cgroups *cgroups)
{
	struct cgroup *group;

	(void)pthread_mutex_lock(&cgroups->lock);
	group = cgroups->idle;
	if (group) {
		cgroups->idle = group->next;
		cgroups->idle_count--;
	}
	(void)pthread_mutex_unlock(&cgroups->lock);
	return group;
}

/* Looks at one after the other without the lock: nobody else has it meanwhile. */
static struct cgroup *take_idle(struct cgroups *cgroups)
{
	struct cgroup *unfit = NULL;
	struct cgroup *group;

	while ((group = pop_idle(cgroups)) && !is_reusable(group)) {
		group->next = unfit;
		unfit = group;
	}
	while (unfit) {
		struct cgroup *next = unfit->next;

		cgroup_release(unfit);
		unfit = next;
	}
	return group;
}

struct cgroup *cgroup_take(struct cgroups *cgroups, struct error *err)
{
	struct cgroup *group = take_idle(cgroups);
	unsigned number;

	(void)pthread_mutex_lock(&cgroups->lock);
	bury_dying(cgroups);
	number = ++cgroups->last_number;
	(void)pthread_mutex_unlock(&cgroups->lock);
	if (!group)
		group = make_group(cgroups, number, err);
	if (!group)
		return NULL;
	cgroup_close_reserve(group);
	begin_counting(group);
	return group;
}

void cgroup_release(struct cgroup *group)
{
	struct cgroups *cgroups;

	if (!group)
		return;
	cgroups = group->cgroups;
	(void)pthread_mutex_lock(&cgroups->lock);
	if (cgroups->idle_count < LIMIT_IDLE_GROUPS) {
		group->next = cgroups->idle;
		cgroups->idle = group;
		cgroups->idle_count++;
	} else {
		group->next = cgroups->dying;
		cgroups->dying = group;
		bury_dying(cgroups);
	}
	(void)pthread_mutex_unlock(&cgroups->lock);
}

void cgroup_directories_close(struct cgroup_directories *directories)
{
	while (directories->count > 0)
		cleanup_fd(&directories->fds[--directories->count]);
}

int cgroup_open(const struct cgroup *group, struct cgroup_directories *directories,
		struct error *err)
{
	const struct cgroups *cgroups = group->cgroups;

	*directories = (struct cgroup_directories){ .is_v2 = cgroups->is_v2 };
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		const struct hierarchy *hierarchy = &cgroups->hierarchies[i];
		int fd = open_group(hierarchy, group);

		if (fd < 0) {
			(void)error_set_errno(err, "opening a control group below %s",
					      hierarchy->path);
			cgroup_directories_close(directories);
			return -1;
		}
		/* A weight alone is no promise. */
		if (hierarchy->holds[CGROUP_CPU] && !hierarchy->holds[CGROUP_MEMORY] &&
		    !hierarchy->holds[CGROUP_PIDS] && cgroups->each.cpu_milli == 0)
			directories->optional |= 1u << directories->count;
		directories->fds[directories->count++] = fd;
	}
	return 0;
}

/* --- the end ---------------------------------------------------------------------------- */

static bool remove_tops(struct cgroups *cgroups)
{
	bool is_gone = true;

	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		struct hierarchy *hierarchy = &cgroups->hierarchies[i];

		/* After a drop of rights that is for others to do: EACCES. */
		if (hierarchy->path && rmdir(hierarchy->path) < 0 && errno == EBUSY)
			is_gone = false;
	}
	return is_gone;
}

bool cgroups_end_with_zygote(const struct cgroups *cgroups)
{
	return cgroups && cgroups->base.is_scope;
}

void cgroups_destroy(struct cgroups *cgroups)
{
	uint64_t deadline_ms = clock_now_ms() + LIMIT_GROUPS_END_MS;
	struct cgroup **last;

	if (!cgroups)
		return;
	for (last = &cgroups->dying; *last; last = &(*last)->next)
		;
	*last = TAKE_PTR(cgroups->idle);
	bury_dying(cgroups);
	/* What is left then, the next start removes. */
	while ((cgroups->dying || !remove_tops(cgroups)) && clock_now_ms() < deadline_ms) {
		(void)poll(NULL, 0, REMOVE_AGAIN_MS);
		bury_dying(cgroups);
	}
	while (cgroups->dying) {
		struct cgroup *group = cgroups->dying;

		cgroups->dying = group->next;
		free_group(group);
	}
	for (unsigned i = 0; i < cgroups->hierarchy_count; i++) {
		cleanup_fd(&cgroups->hierarchies[i].fd);
		free(cgroups->hierarchies[i].path);
	}
	cleanup_fd(&cgroups->sum_refused_fd);
	cleanup_fd(&cgroups->sum_pids_fd);
	set_base_mode(cgroups, OPEN_TO_OWNER);
	cgroup_base_finish(&cgroups->base);
	(void)pthread_mutex_destroy(&cgroups->lock);
	free(cgroups);
}
