/* SPDX-License-Identifier: MIT */

/*
 * Sandboxes out of the kernel's own means, without a daemon: namespaces, a
 * size-limited overlay root, system call filters (docs/backends/native.md).
 *
 * The server's side only: it prepares the image and the zygote once, asks the
 * zygote for a process per sandbox, and talks to the guest in it. Every sandbox
 * is a process that dies as a whole, so destroying is one SIGKILL by pidfd.
 */

#include "backend/backend.h"
#include "backend/native/cleanup.h"
#include "backend/native/diagnose.h"
#include "backend/native/end.h"
#include "backend/native/explain.h"
#include "backend/native/id_map.h"
#include "backend/native/image.h"
#include "backend/native/keeper.h"
#include "backend/native/layering.h"
#include "backend/native/limits.h"
#include "backend/native/starter.h"
#include "backend/native/usage.h"
#include "backend/owner.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "guest_link/guest_link.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Directories of control groups, and settings that explain a failure. */
#define NATIVE_MAX_KEPT_PATHS 16

struct native_backend {
	struct backend backend;
	struct starter *starter;
	struct id_ranges ranges;

	/* Preparing waits for the first who needs it, so that starting up does not. */
	pthread_mutex_t lock;
	struct image_reading *reading; /* begun at open; NULL: not yet, or done */
	bool is_instructed;	       /* the zygote; its answers may still be to come */
	bool is_prepared;
	bool has_failed; /* for good, since the zygote is asked once: the reason is `failure` */
	struct error failure;
	struct starter_facts facts;
	struct image image;
	enum zygote_layering layering;
	uint32_t first_ids; /* as root: of the range that the image was tried with */
	bool shares_ids;    /* all sandboxes have that one; else each its own */

	struct limits limits;
	struct owner *owner;
	int janitor_fd;		 /* -1: there is none, nor a need */
	struct cgroups *cgroups; /* NULL: there are none */
	struct cgroups_facts cgroups_facts;
	struct keeper *keeper;
	struct usage *usage; /* NULL: control groups hold the sums */
	const char *kept_paths[NATIVE_MAX_KEPT_PATHS + 1];
};

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
#define COMMAND_DIRECTORY "/workspace"
/* A death is noticed at once. */
#define KILL_EXPLAINS_MS 2000

static struct native_backend *native_of(struct backend *backend)
{
	return CONTAINER_OF(backend, struct native_backend, backend);
}

/* --- the backend ------------------------------------------------------------------ */

static void native_close(struct backend *backend)
{
	struct native_backend *native = native_of(backend);

	keeper_destroy(native->keeper);
	usage_destroy(native->usage);
	starter_destroy(native->starter);
	/* Now that nobody is left in them. */
	cgroups_destroy(native->cgroups);
	starter_clean(&native->janitor_fd);
	owner_destroy(native->owner);
	image_abandon(native->reading);
	id_ranges_finish(&native->ranges);
	(void)pthread_mutex_destroy(&native->lock);
	free(native);
}

static int prepare_zygote(struct native_backend *native, struct error *err)
{
	if (native->facts.id_count != 0)
		return 0;
	native->first_ids = id_ranges_take(&native->ranges);
	native->has_failed = starter_prepare(native->starter, native->first_ids,
					     !image_is_host(native->backend.config->image),
					     &native->facts, err) < 0;
	return native->has_failed ? -1 : 0;
}

static void note_directory(void *context, const char *path)
{
	struct native_backend *native = context;
	struct error err = ERROR_INIT;

	if (owner_record(native->owner, OWNER_CGROUP, path, &err) < 0)
		log_event(LOG_WARNING, "not_recorded", LOG_STRING("error", err.message));
}

/* What root makes now, somebody without its rights could not remove at the end. */
static int keep_clean(struct native_backend *native, struct error *err)
{
	struct cgroup_directories bases;

	cgroups_open_bases(native->cgroups, &bases);
	native->janitor_fd = starter_keep_clean(native->starter, bases.fds, bases.count,
						owner_name(native->owner), err);
	cgroup_directories_close(&bases);
	return native->janitor_fd < 0 ? -1 : 0;
}

/* As root: while we are. As a user: before the zygote takes its ids, because systemd moves only
 * processes of the user who asks. */
static int make_groups(struct native_backend *native, struct error *err)
{
	const struct backend_config *config = native->backend.config;
	struct cgroups_request request = {
		.zygote = starter_pid(native->starter),
		.each = native->limits.each,
		.sum = native->limits.sum,
		.user = config->server_uid,
		.group = config->server_gid,
		.on_directory = note_directory,
		.context = native,
	};

	if (native->owner)
		return limits_check(config, &native->cgroups_facts, err);
	native->owner = owner_create();
	request.name = owner_name(native->owner);
	native->cgroups = cgroups_create(&request, &native->cgroups_facts);
	limits_log(&native->limits, config, &native->cgroups_facts);
	return limits_check(config, &native->cgroups_facts, err);
}

/* Once through, nothing that the zygote does later depends on what we say: it has its image and is
 * sealed, although it may not have come so far yet. */
static int instruct_zygote(struct native_backend *native, const struct cancel *cancel,
			   const struct backend_progress *progress, struct error *err)
{
	const struct backend_config *config = native->backend.config;
	struct image_request request = { .name = config->image,
					 .shell = config->shell,
					 .excluded = config->host_excluded,
					 .included = config->host_included,
					 .cancel = cancel,
					 .progress = progress };

	native_sweep();
	request.reading = native->reading ? native->reading : image_begin(config->image);
	native->reading = NULL;
	if (make_groups(native, err) < 0 || prepare_zygote(native, err) < 0) {
		image_abandon(request.reading);
		return -1;
	}
	request.owns_mounts = native->facts.id_mode == ZYGOTE_PRIVILEGED;
	if (image_prepare(&request, &native->image, err) < 0)
		return -1;
	native->layering = layering_choose(native->facts.id_mode, config->image);
	native->has_failed =
		starter_send_image(native->starter, &native->image.plan, native->layering, err) < 0;
	/* The zygote has it now. */
	image_finish(&native->image);
	native->is_instructed = !native->has_failed;
	return native->has_failed ? -1 : 0;
}

/* Whether control groups do, which need nobody to look. */
static bool holds_sums(const struct native_backend *native)
{
	const bool *holds = native->cgroups_facts.holds;

	return holds[CGROUP_MEMORY] && holds[CGROUP_PIDS];
}

static int prepare_now(struct native_backend *native, const struct cancel *cancel,
		       const struct backend_progress *progress, struct error *err)
{
	if (!native->is_instructed && instruct_zygote(native, cancel, progress, err) < 0)
		return -1;
	native->has_failed = starter_await_image(native->starter, &native->shares_ids, err) < 0;
	if (native->has_failed)
		return -1;
	if (!native->shares_ids)
		id_ranges_release(&native->ranges, native->first_ids);
	if (!holds_sums(native))
		native->usage = usage_create(starter_pid(native->starter), &native->limits.sum);
	native->keeper = keeper_create(native->starter, native->cgroups);
	return 0;
}

/* Once for all threads; whoever comes meanwhile waits. An image that could not be read may be
 * tried again by the next. */
static int prepare(struct native_backend *native, const struct cancel *cancel,
		   const struct backend_progress *progress, struct error *err)
{
	struct error failure = ERROR_INIT;

	(void)pthread_mutex_lock(&native->lock);
	if (native->has_failed) {
		failure = native->failure;
	} else if (!native->is_prepared) {
		native->is_prepared = prepare_now(native, cancel, progress, &failure) == 0;
		native->failure = failure;
	}
	(void)pthread_mutex_unlock(&native->lock);
	if (failure.kind == ERROR_NONE)
		return 0;
	if (err)
		*err = failure;
	return -1;
}

/* --- opening ------------------------------------------------------------------------ */

static void log_progress(void *context, const char *message)
{
	(void)context;
	log_event(LOG_INFO, "creating", LOG_STRING("progress", message));
}

/* The server of root gives up its rights before it reads the first byte of a client, and from then
 * on it could not prepare anything. What goes wrong cannot be tried again either: it is told by
 * every call, as if it had been found out by the first. */
static int prepare_as_root(struct native_backend *native, struct error *err)
{
	const struct backend_progress progress = { log_progress, NULL };

	if (instruct_zygote(native, NULL, &progress, err) == 0)
		return native->cgroups ? keep_clean(native, err) : 0;
	if (err && err->kind == ERROR_CONFIG)
		err->kind = ERROR_UNAVAILABLE;
	return -1;
}

static struct backend *native_open(const struct backend_config *config, struct error *err)
{
	struct native_backend *native;

	if (config->has_network) {
		(void)error_set(err, ERROR_CONFIG,
				"native sandboxes have no network: leave out --network, or use "
				"--backend docker");
		return NULL;
	}
	native = alloc_zeroed(sizeof(*native));
	native->backend.config = config;
	limits_load(&native->limits, config);
	native->janitor_fd = -1;
	(void)pthread_mutex_init(&native->lock, NULL);
	/* Before anything else, since the start of the server waits for it. */
	if (geteuid() == 0)
		native->reading = image_begin(config->image);
	id_ranges_init(&native->ranges);
	native->starter = starter_create(err);
	if (!native->starter || (geteuid() == 0 && prepare_as_root(native, err) < 0)) {
		native_close(&native->backend);
		return NULL;
	}
	return &native->backend;
}

static void keep_paths(struct native_backend *native, const char *const *paths)
{
	size_t count = 0;

	while (native->kept_paths[count])
		count++;
	for (; *paths && count + 1 < ARRAY_LENGTH(native->kept_paths); paths++)
		native->kept_paths[count++] = *paths;
	native->kept_paths[count] = NULL;
}

static const char *const *native_kept_paths(struct backend *backend)
{
	static const char *const of_processes[] = { "/proc", NULL };
	struct native_backend *native = native_of(backend);

	/* Root of a container has the rights of an ordinary user, and needs them all. */
	if (!native->is_instructed || native->facts.id_mode != ZYGOTE_PRIVILEGED)
		return NULL;
	native->kept_paths[0] = NULL;
	/* The sums are then counted from the table of processes. */
	if (!holds_sums(native))
		keep_paths(native, of_processes);
	if (native->cgroups)
		keep_paths(native, cgroups_paths(native->cgroups));
	keep_paths(native, explain_paths());
	return native->kept_paths;
}

static void add_sentence(char *text, size_t bytes, const char *sentence)
{
	size_t used = strlen(text);

	/* A sentence that does not fit is left out whole. */
	if (sentence[0] && used + 1 + strlen(sentence) < bytes)
		(void)snprintf(text + used, bytes - used, "%s%s", used ? " " : "", sentence);
}

static void describe_caveats(const struct native_backend *native, struct exec_facts *facts)
{
	facts->caveats[0] = '\0';
	if (native->facts.id_count == 1)
		add_sentence(facts->caveats, sizeof(facts->caveats),
			     "Only root exists inside: no su, no chown.");
	add_sentence(facts->caveats, sizeof(facts->caveats), layering_caveat(native->layering));
	add_sentence(facts->caveats, sizeof(facts->caveats), native->image.left_out);
}

static int native_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	struct native_backend *native = native_of(backend);
	const struct image *image = &native->image;
	struct exec_limits held;

	if (prepare(native, NULL, NULL, err) < 0)
		return -1;
	limits_held(&native->limits, &native->cgroups_facts, &held);
	*facts = (struct exec_facts){ .saves_output = true,
				      .disk_bytes = held.disk_bytes,
				      .memory_bytes = held.memory_bytes,
				      .processes = native->limits.each.pids };
	(void)snprintf(facts->system, sizeof(facts->system), "%s", image->system);
	(void)snprintf(facts->image, sizeof(facts->image), "%s",
		       backend->config->image ? backend->config->image : "");
	(void)snprintf(facts->shell, sizeof(facts->shell), "%s", image->shell);
	(void)snprintf(facts->user, sizeof(facts->user), "root");
	(void)snprintf(facts->directory, sizeof(facts->directory), COMMAND_DIRECTORY);
	(void)snprintf(facts->programs, sizeof(facts->programs), "%s", image->programs);
	describe_caveats(native, facts);
	return 0;
}

/* --- sandboxes --------------------------------------------------------------------- */

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
					  .directory = COMMAND_DIRECTORY,
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

static struct sandbox *native_create(struct backend *backend, const char *id,
				     const struct cancel *cancel,
				     const struct backend_progress *progress, struct error *err)
{
	struct native_backend *native = native_of(backend);
	struct native_sandbox *sandbox;

	if (prepare(native, cancel, progress, err) < 0)
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

static int native_exec(struct sandbox *sandbox, const struct exec_request *request,
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

static int native_save(struct sandbox *sandbox, const struct exec_output *output,
		       const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	return guest_link_save(native_sandbox_of(sandbox)->link, output, cancel, saved, err);
}

static void native_destroy(struct sandbox *sandbox)
{
	sandbox_free(native_sandbox_of(sandbox));
}

static int native_death_fd(const struct sandbox *sandbox)
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

static void native_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
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

/* What is missing here fails with its reason, now or in the first sandbox; nothing is left out to
 * make it work. A sandbox made only to try it would cost the first call as much as its own. */
static int native_check(struct backend *backend, struct error *err)
{
	return prepare(native_of(backend), NULL, NULL, err);
}

/* Unpacking an archive writes files and takes long: that waits until somebody asks. */
static void native_prepare_early(struct backend *backend)
{
	const char *image = backend->config->image;

	if (!image || !image_is_archive(image))
		(void)prepare(native_of(backend), NULL, NULL, NULL);
}

/* One real sandbox says more than any list of kernel features. */
static int try_sandbox(struct backend *backend, struct error *err)
{
	struct sandbox *sandbox = native_create(backend, "000000000000", NULL, NULL, err);

	if (!sandbox)
		return -1;
	native_destroy(sandbox);
	return 0;
}

static void diagnose_sandbox(const struct native_backend *native, const struct diagnosis *diagnosis)
{
	if (native->image.left_out[0])
		diagnosis->line(diagnosis->context, DIAGNOSIS_WARNING, "image",
				native->image.left_out, NULL);
	limits_diagnose(&native->limits, &native->cgroups_facts, diagnosis);
}

static void native_diagnose(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	struct error err = ERROR_INIT;
	struct backend *backend;
	struct native_backend *native;

	diagnose_host(config, diagnosis);
	backend = native_open(config, &err);
	if (backend) {
		native = native_of(backend);
		if (try_sandbox(backend, &err) == 0)
			diagnose_sandbox(native, diagnosis);
		native_close(backend);
	}
	if (err.kind == ERROR_NONE)
		diagnosis->line(diagnosis->context, DIAGNOSIS_OK, "sandbox",
				"one was made and removed", NULL);
	else
		diagnosis->line(diagnosis->context, DIAGNOSIS_FAILED, "sandbox", err.message, NULL);
}

static const char *const native_options[] = {
	"image",	"shell",	"cpu",
	"memory",	"pids-limit",	"disk",
	"total-memory", "total-pids",	"allow-unlimited-memory",
	"host-exclude", "host-include", NULL
};

extern const struct backend_type backend_native;
const struct backend_type backend_native = {
	.name = "native",
	.summary = "Linux namespaces, without a daemon",
	.options = native_options,
	.default_pool = 1,
	.open = native_open,
	.close = native_close,
	.kept_paths = native_kept_paths,
	.prepare_early = native_prepare_early,
	.check = native_check,
	.describe = native_describe,
	.diagnose = native_diagnose,
	.cleanup = native_cleanup,
	.create = native_create,
	.exec = native_exec,
	.save = native_save,
	.destroy = native_destroy,
	.death_fd = native_death_fd,
	.death_cause = native_death_cause,
};
