/* SPDX-License-Identifier: MIT */
#include "backend/native/native_sandbox.h"

#include "backend/native/end.h"
#include "backend/native/prepare.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "guest_link/guest_link.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct native_sandbox {
	struct sandbox sandbox;
	struct guest_link *link;
	int pidfd;
	int socket_fd;	      /* to its guest, until the link has it */
	uint32_t id_base;     /* of its range; 0: it has none of its own */
	struct cgroup *group; /* NULL without control groups */
	struct usage_sandbox *usage;
	/* Kills for want of memory by the last look, and when it first saw so many. */
	_Atomic uint64_t memory_kills;
	_Atomic uint64_t last_kill_ms;
	_Atomic bool was_reset; /* killed by us, because a command could not be */
};

/* What every command finds. The rest of the start state is the set-up's (umask, ids, limits). */
static const char *const command_environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"HOSTNAME=sandbox",
	"LANG=C.UTF-8",
	NULL,
};
/* A death is noticed at once. */
#define KILL_EXPLAINS_MS 2000

static struct native_sandbox *native_sandbox_of(struct sandbox *sandbox)
{
	return CONTAINER_OF(sandbox, struct native_sandbox, sandbox);
}

static void reset_sandbox(void *context)
{
	struct native_sandbox *sandbox = context;

	atomic_store(&sandbox->was_reset, true);
	end_kill(sandbox->pidfd);
}

/* Takes back all that a half-made or finished sandbox holds. */
static void sandbox_free(struct native_sandbox *sandbox)
{
	struct native_backend *native = native_of(sandbox->sandbox.backend);
	bool is_dead = true;

	if (sandbox->pidfd >= 0) {
		end_kill(sandbox->pidfd);
		is_dead = end_wait(sandbox->pidfd);
	}
	guest_link_close(sandbox->link);
	cleanup_fd(&sandbox->socket_fd);
	cleanup_fd(&sandbox->pidfd);
	usage_remove(sandbox->usage);
	cgroup_release(sandbox->group);
	/* A range with a process left in it (stuck in the kernel) is never given out again. */
	if (sandbox->id_base != 0 && !native->shares_ids && is_dead)
		id_ranges_release(&native->ranges, sandbox->id_base);
	free(sandbox);
}

static unsigned long least(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

static void fill_request(const struct native_backend *native, uint32_t id_base,
			 struct zygote_request *request)
{
	const struct backend_config *config = native->backend.config;
	const struct limits *limits = &native->limits;
	const bool *holds = native->cgroups_facts.holds;
	/* The kernel counts descriptors in flight by host user, and one sandbox must not use up
	 * what the server needs. */
	unsigned long nofile = least(LIMIT_NOFILE_HARD, config->nofile_hard / 4);

	*request = (struct zygote_request){
		.image = 0,
		.id_base = id_base,
		.id_count = native->facts.id_count,
		.disk_bytes = limits->disk_bytes,
		.disk_inodes =
			limits->disk_bytes / LIMIT_DISK_BYTES_PER_INODE + LIMIT_DISK_OWN_INODES,
		.nofile_soft = (uint32_t)least(LIMIT_NOFILE_SOFT, nofile),
		.nofile_hard = (uint32_t)nofile,
		.process_memory_bytes = holds[CGROUP_MEMORY] ? 0 : limits->each.memory_bytes,
		.process_count = holds[CGROUP_PIDS] ? 0 : (uint32_t)limits->each.pids,
		/* One more than the group, so that this refuses first, and counts it. */
		.command_processes = (uint32_t)limits->each.pids + (holds[CGROUP_PIDS] ? 1 : 0),
		.wants_storage = native->usage != NULL,
	};
}

static bool read_counters(void *context, struct guest_link_counters *counters)
{
	struct native_sandbox *sandbox = context;

	if (!sandbox->group)
		return false;
	cgroup_count(sandbox->group, counters);
	if (atomic_exchange(&sandbox->memory_kills, counters->memory_kills) <
	    counters->memory_kills)
		atomic_store(&sandbox->last_kill_ms, clock_now_ms());
	return true;
}

/* In a place that `take` gives. */
static int spawn(struct native_sandbox *sandbox, const struct zygote_request *request,
		 int (*take)(struct keeper *keeper, uint64_t deadline_ms, struct place *place,
			     struct error *err),
		 const struct cancel *cancel, uint64_t deadline_ms, bool *may_try_again,
		 struct error *err)
{
	struct native_backend *native = native_of(sandbox->sandbox.backend);
	struct starter_process process;
	struct place place = { .cradle = NULL };

	*may_try_again = false;
	if (take(native->keeper, deadline_ms, &place, err) < 0)
		return -1;
	if (cradle_spawn(place.cradle, request, cancel, deadline_ms, &process, err) < 0) {
		*may_try_again = place.was_ready && err->kind != ERROR_CANCELLED;
		cgroup_release(place.group);
		return -1;
	}
	sandbox->group = place.group;
	sandbox->pidfd = process.pidfd;
	sandbox->socket_fd = process.socket_fd;
	if (process.storage_fd >= 0)
		sandbox->usage = usage_add(native->usage, process.storage_fd);
	return 0;
}

/* A process in its namespaces, set up. */
static int start_process(struct native_sandbox *sandbox, const struct cancel *cancel,
			 uint64_t deadline_ms, struct error *err)
{
	struct error failure = ERROR_INIT;
	struct zygote_request request;
	bool may_try_again;
	int result;

	fill_request(native_of(sandbox->sandbox.backend), sandbox->id_base, &request);
	result = spawn(sandbox, &request, keeper_take, cancel, deadline_ms, &may_try_again,
		       &failure);
	/* Somebody may have killed a cradle that waited. */
	if (result < 0 && may_try_again) {
		failure = (struct error)ERROR_INIT;
		result = spawn(sandbox, &request, keeper_make, cancel, deadline_ms, &may_try_again,
			       &failure);
	}
	if (result < 0 && err)
		*err = failure;
	return result;
}

/* Then its guest. */
static int start(struct native_sandbox *sandbox, const struct cancel *cancel, struct error *err)
{
	struct native_backend *native = native_of(sandbox->sandbox.backend);
	uint64_t deadline = clock_now_ms() + LIMIT_CREATE_MS;
	struct guest_link_config link = { .kill_sandbox = reset_sandbox,
					  .context = sandbox,
					  .env = command_environment,
					  .directory = NATIVE_COMMAND_DIRECTORY,
					  .ready_deadline = deadline,
					  .cancel = cancel };

	if (native->usage && usage_check(native->usage, err) < 0)
		return -1;
	if (start_process(sandbox, cancel, deadline, err) < 0)
		return -1;
	limits_held(&native->limits, &native->cgroups_facts, &link.limits);
	link.read_counters = native->cgroups ? read_counters : NULL;
	link.socket_fd = take_fd(&sandbox->socket_fd);
	link.shell = native->image.shell[0] ? native->image.shell : NULL;
	sandbox->link = guest_link_open(&link, err);
	return sandbox->link ? 0 : -1;
}

struct sandbox *native_sandbox_create(struct backend *backend, const char *id,
				      const struct cancel *cancel,
				      const struct backend_progress *progress, struct error *err)
{
	struct native_backend *native = native_of(backend);
	struct native_sandbox *sandbox;

	if (prepare_backend(native, cancel, progress, err) < 0)
		return NULL;
	sandbox = alloc_zeroed(sizeof(*sandbox));
	sandbox->sandbox.backend = backend;
	sandbox->pidfd = -1;
	sandbox->socket_fd = -1;
	(void)snprintf(sandbox->sandbox.id, sizeof(sandbox->sandbox.id), "%s", id);
	if (native->facts.id_mode == ZYGOTE_PRIVILEGED) {
		sandbox->id_base =
			native->shares_ids ? native->first_ids : id_ranges_take(&native->ranges);
		if (sandbox->id_base == 0)
			(void)error_set(err, ERROR_QUOTA,
					"no id range is free for another sandbox: %u are in use",
					ID_RANGES);
	}
	if ((native->facts.id_mode == ZYGOTE_PRIVILEGED && sandbox->id_base == 0) ||
	    start(sandbox, cancel, err) < 0) {
		sandbox_free(sandbox);
		return NULL;
	}
	return &sandbox->sandbox;
}

int native_sandbox_exec(struct sandbox *sandbox, const struct exec_request *request,
			struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	struct native_sandbox *native = native_sandbox_of(sandbox);
	struct cgroup *group = native->group;

	if (group)
		cgroup_close_reserve(group);
	if (guest_link_exec(native->link, request, sink, result, err) < 0)
		return -1;
	if (group && result->end == EXEC_END_NOT_STARTED && (result->limits_hit & EXEC_LIMIT_PIDS))
		result->has_reserve = cgroup_open_reserve(group);
	return 0;
}

int native_sandbox_save(struct sandbox *sandbox, const struct exec_output *output,
			const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	return guest_link_save(native_sandbox_of(sandbox)->link, output, cancel, saved, err);
}

void native_sandbox_destroy(struct sandbox *sandbox)
{
	sandbox_free(native_sandbox_of(sandbox));
}

int native_sandbox_death_fd(const struct sandbox *sandbox)
{
	const struct native_sandbox *native = (const void *)sandbox;

	static_assert(offsetof(struct native_sandbox, sandbox) == 0, "cast above");
	return native->pidfd;
}

/* The guest was killed for want of memory. Nothing tells who was, so a kill that was just counted
 * explains a death: the guest's may be in what the result of a last command has looked at. */
static bool ran_out_of_memory(struct native_sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
{
	struct native_backend *native = native_of(sandbox->sandbox.backend);
	struct guest_link_counters counters;
	struct exec_limits held;
	char limit[EXEC_LIMIT_TEXT_BYTES];

	if (!read_counters(sandbox, &counters) || counters.memory_kills == 0 ||
	    clock_now_ms() - atomic_load(&sandbox->last_kill_ms) > KILL_EXPLAINS_MS)
		return false;
	limits_held(&native->limits, &native->cgroups_facts, &held);
	exec_limit_describe(limit,
			    counters.own_memory_limits > 0 ? EXEC_LIMIT_MEMORY : EXEC_LIMIT_MACHINE,
			    &held);
	(void)snprintf(cause, BACKEND_CAUSE_BYTES, "killed by %s", limit);
	return true;
}

void native_sandbox_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
{
	struct native_sandbox *native = native_sandbox_of(sandbox);
	const char *text;

	if (atomic_load(&native->was_reset))
		text = "it was reset because a command in it could not be killed";
	else if (!starter_is_alive(native_of(sandbox->backend)->starter))
		text = "the process that starts sandboxes was killed from outside";
	else if (ran_out_of_memory(native, cause))
		return;
	else
		text = end_cause(native->pidfd);
	(void)snprintf(cause, BACKEND_CAUSE_BYTES, "%s", text);
}
