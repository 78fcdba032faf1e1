/* SPDX-License-Identifier: MIT */

/*
 * Sandboxes out of the kernel's own means, without a daemon: namespaces, a
 * size-limited overlay root, system call filters (docs/backends/native.md).
 *
 * The server's side only: it makes control groups and prepares the image and the
 * zygote once (prepare.c), asks the zygote for a process per sandbox, and talks to
 * the guest in it (native_sandbox.c). Every sandbox is a process that dies as a
 * whole, so destroying is one SIGKILL by pidfd.
 */

#include "backend/native/native.h"
#include "backend/native/cleanup.h"
#include "backend/native/diagnose.h"
#include "backend/native/explain.h"
#include "backend/native/layering.h"
#include "backend/native/native_sandbox.h"
#include "backend/native/prepare.h"
#include "base/alloc.h"
#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void native_close(struct backend *backend)
{
	struct native_backend *native = native_of(backend);

	keeper_destroy(native->keeper);
	usage_destroy(native->usage);
	/* A scope is emptied while somebody holds it. */
	if (cgroups_end_with_zygote(native->cgroups))
		cgroups_destroy(TAKE_PTR(native->cgroups));
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
	if (!limits_hold_sums(&native->cgroups_facts))
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

	if (prepare_backend(native, NULL, NULL, err) < 0)
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
	(void)snprintf(facts->directory, sizeof(facts->directory), NATIVE_COMMAND_DIRECTORY);
	(void)snprintf(facts->programs, sizeof(facts->programs), "%s", image->programs);
	describe_caveats(native, facts);
	return 0;
}

/* What is missing here fails with its reason, now or in the first sandbox; nothing is left out to
 * make it work. A sandbox made only to try it would cost the first call as much as its own. */
static int native_check(struct backend *backend, struct error *err)
{
	return prepare_backend(native_of(backend), NULL, NULL, err);
}

/* Unpacking an archive writes files and takes long: that waits until somebody asks. */
static void native_prepare_early(struct backend *backend)
{
	const char *image = backend->config->image;

	if (!image || !image_is_archive(image))
		(void)prepare_backend(native_of(backend), NULL, NULL, NULL);
}

/* One real sandbox says more than any list of kernel features. */
static int try_sandbox(struct backend *backend, struct error *err)
{
	struct sandbox *sandbox = native_sandbox_create(backend, "000000000000", NULL, NULL, err);

	if (!sandbox)
		return -1;
	native_sandbox_destroy(sandbox);
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
	.default_pool_of_many = 4,
	.open = native_open,
	.close = native_close,
	.kept_paths = native_kept_paths,
	.prepare_early = native_prepare_early,
	.check = native_check,
	.describe = native_describe,
	.diagnose = native_diagnose,
	.cleanup = native_cleanup,
	.create = native_sandbox_create,
	.exec = native_sandbox_exec,
	.save = native_sandbox_save,
	.destroy = native_sandbox_destroy,
	.death_fd = native_sandbox_death_fd,
	.death_cause = native_sandbox_death_cause,
};
