/* SPDX-License-Identifier: MIT */
#include "backend/native/prepare.h"

#include "backend/native/cleanup.h"
#include "backend/native/layering.h"
#include "base/log.h"

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
	struct starter_leftovers leftovers;
	char file_name[OWNER_LOCK_BYTES];
	struct cgroup_directories bases;

	cgroups_open_bases(native->cgroups, &bases);
	leftovers = (struct starter_leftovers){ .name = owner_name(native->owner),
						.fds = bases.fds,
						.count = bases.count,
						.file_name = file_name,
						.file_directory_fd =
							owner_lock_file(native->owner, file_name) };
	native->janitor_fd = starter_keep_clean(native->starter, &leftovers, err);
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
	/* At once: a server may be killed while it starts. */
	if (native->cgroups && geteuid() == 0 && keep_clean(native, err) < 0)
		return -1;
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
	if (!limits_hold_sums(&native->cgroups_facts))
		native->usage = usage_create(starter_pid(native->starter), &native->limits.sum);
	native->keeper = keeper_create(native->starter, native->cgroups);
	return 0;
}

int prepare_backend(struct native_backend *native, const struct cancel *cancel,
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

static void log_progress(void *context, const char *message)
{
	(void)context;
	log_event(LOG_INFO, "creating", LOG_STRING("progress", message));
}

int prepare_as_root(struct native_backend *native, struct error *err)
{
	const struct backend_progress progress = { log_progress, NULL };

	if (instruct_zygote(native, NULL, &progress, err) == 0)
		return 0;
	if (err && err->kind == ERROR_CONFIG)
		err->kind = ERROR_UNAVAILABLE;
	return -1;
}
