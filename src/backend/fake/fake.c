/* SPDX-License-Identifier: MIT */

/*
 * The fake backend: real commands under the real guest, and no isolation at all.
 * It is what tests run on where no namespaces can be had, and the template for a
 * new backend: whatever starts a guest somewhere looks like this, with another
 * create() and a real wall around it.
 *
 *   open     once, main thread: get the guest's executable, find a shell.
 *   create   a directory, a socket pair, the guest as a child with one end of it
 *            (descriptor 3); guest_link_open waits for its READY.
 *   exec     guest_link_exec, which does everything.
 *   save     guest_link_save likewise; not below /tmp, which all sandboxes share.
 *   destroy  closes the link. The guest, being no PID 1, kills what is below it
 *            and ends; its supervisors do the same if it was killed.
 *
 * Never installed: the build registers it only with -Dtest_backend=true.
 */

#include "backend/backend.h"
#include "backend/fake/directory.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "guest_link/guest_file.h"
#include "guest_link/guest_link.h"
#include "proc/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_SOCKET_FD 3
#define GUEST_LIFE_FD 4
/* For the guest to leave by itself, and for what is below it to follow. */
#define LEAVE_MS 2000
/* A directory untouched for so long is not in the middle of being made. */
#define SETTLED_S 60

struct fake_backend {
	struct backend base;
	int guest_fd; /* its executable, a sealed memory file */
	const char *shell;
};

struct fake_sandbox {
	struct sandbox base;
	char *directory; /* where commands start */
	int lock_fd;	 /* says that it is in use */
	char *home;	 /* "HOME=" and the directory */
	const char *env[4];
	struct guest_link *link;
	struct spawn_child guest;
	int guest_status; /* of waitpid, once it was reaped */
	/* End-of-file once the guest and all its supervisors are gone: each of them holds the other
	 * end, and no command does. */
	int life_fd;
};

static struct fake_backend *fake_of(struct backend *backend)
{
	return CONTAINER_OF(backend, struct fake_backend, base);
}

static struct fake_sandbox *fake_sandbox_of(struct sandbox *sandbox)
{
	return CONTAINER_OF(sandbox, struct fake_sandbox, base);
}

static const char *choose_shell(const struct backend_config *config)
{
	if (config->shell)
		return config->shell;
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

static struct backend *fake_open(const struct backend_config *config, struct error *err)
{
	struct fake_backend *fake = alloc_zeroed(sizeof(*fake));

	fake->guest_fd = guest_file_open(err);
	if (fake->guest_fd < 0) {
		free(fake);
		return NULL;
	}
	fake->shell = choose_shell(config);
	directory_sweep(time(NULL) - SETTLED_S);
	return &fake->base;
}

static void fake_close(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);

	cleanup_fd(&fake->guest_fd);
	free(fake);
}

static int fake_check(struct backend *backend, struct error *err)
{
	const char *shell = fake_of(backend)->shell;

	if (access(shell, X_OK) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "The shell %s cannot be run", shell);
	return 0;
}

static int fake_describe(struct backend *backend, struct exec_facts *facts, struct error *err)
{
	(void)err;
	*facts = (struct exec_facts){
		.system = "Linux, not isolated from the machine (a test backend)",
		.has_network = true,
		.saves_output = true,
	};
	(void)snprintf(facts->shell, sizeof(facts->shell), "%s", fake_of(backend)->shell);
	(void)snprintf(facts->user, sizeof(facts->user), "uid %u", (unsigned)getuid());
	return 0;
}

static void fake_diagnose(const struct backend_config *config, const struct diagnosis *diagnosis)
{
	(void)config;
	diagnosis->line(diagnosis->context, DIAGNOSIS_WARNING, "isolation",
			"none: commands run on this machine as this user",
			"use --backend native for anything but tests");
}

static void kill_guest(void *context)
{
	struct fake_sandbox *sandbox = context;

	/* Its supervisors notice and kill what is below them. */
	spawn_kill(&sandbox->guest, SIGKILL);
}

/* Waits for the guest's end. */
static bool has_left(struct fake_sandbox *sandbox)
{
	return sandbox->guest.is_reaped || spawn_wait(&sandbox->guest, clock_now_ms() + LEAVE_MS,
						      -1, &sandbox->guest_status) > 0;
}

/* Closes what there is of a sandbox; also of one that create() gave up half-way. */
static void dismantle(struct fake_sandbox *sandbox)
{
	struct pollfd life = { sandbox->life_fd, POLLIN, 0 };

	guest_link_close(sandbox->link);
	if (!has_left(sandbox))
		spawn_kill(&sandbox->guest, SIGKILL);
	spawn_finish(&sandbox->guest);
	if (sandbox->life_fd >= 0)
		(void)poll(&life, 1, LEAVE_MS);
	cleanup_fd(&sandbox->life_fd);
	directory_remove(sandbox->directory);
	cleanup_fd(&sandbox->lock_fd);
	free(sandbox->home);
	free(sandbox);
}

/* Starts the guest; its end of the socket pair goes to *socket_fd. */
static int start_guest(struct fake_sandbox *sandbox, struct backend *backend, int *socket_fd,
		       struct error *err)
{
	CLEANUP(cleanup_fd) int server_end = -1;
	CLEANUP(cleanup_fd) int guest_end = -1;
	CLEANUP(cleanup_fd) int life_end = -1;
	struct spawn_request request = SPAWN_REQUEST_INIT;
	char nofile[24];
	int pair[2];

	if (fd_packet_pair(pair, err) < 0)
		return -1;
	server_end = pair[0];
	guest_end = pair[1];
	if (fd_open_pipe(pair, err) < 0)
		return -1;
	sandbox->life_fd = pair[0];
	life_end = pair[1];
	request.path = "kilntainers-guest";
	request.executable_fd = fake_of(backend)->guest_fd;
	/* The guest sets its commands' limit itself: what is set from here may come too late. */
	(void)snprintf(nofile, sizeof(nofile), "%lu", backend->config->nofile_soft);
	request.args = (const char *const[]){ "kilntainers-guest", "guest", nofile,
					      sandbox->directory, NULL };
	request.env = (const char *const[]){ NULL };
	request.directory = sandbox->directory;
	request.fds = (const struct spawn_fd[]){ { guest_end, GUEST_SOCKET_FD },
						 { life_end, GUEST_LIFE_FD } };
	request.fd_count = 2;
	if (spawn_start(&sandbox->guest, &request, err) < 0)
		return -1;
	*socket_fd = take_fd(&server_end);
	return 0;
}

static void fill_environment(struct fake_sandbox *sandbox)
{
	sandbox->home = alloc_printf("HOME=%s", sandbox->directory);
	sandbox->env[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	sandbox->env[1] = sandbox->home;
	sandbox->env[2] = "LANG=C.UTF-8";
	sandbox->env[3] = NULL;
}

static int populate(struct fake_sandbox *sandbox, struct backend *backend,
		    const struct cancel *cancel, struct error *err)
{
	struct guest_link_config link = {
		.kill_sandbox = kill_guest,
		.context = sandbox,
		.shell = fake_of(backend)->shell,
		.env = sandbox->env,
		.ready_deadline = clock_now_ms() + LIMIT_CREATE_MS,
		.cancel = cancel,
	};

	sandbox->directory = directory_make(&sandbox->lock_fd, err);
	if (!sandbox->directory)
		return -1;
	fill_environment(sandbox);
	link.directory = sandbox->directory;
	link.save_directory = sandbox->directory;
	if (start_guest(sandbox, backend, &link.socket_fd, err) < 0)
		return -1;
	sandbox->link = guest_link_open(&link, err);
	return sandbox->link ? 0 : -1;
}

static struct sandbox *fake_create(struct backend *backend, const char *id,
				   const struct cancel *cancel,
				   const struct backend_progress *progress, struct error *err)
{
	struct fake_sandbox *sandbox = alloc_zeroed(sizeof(*sandbox));

	(void)id;
	(void)progress;
	sandbox->life_fd = -1;
	sandbox->lock_fd = -1;
	sandbox->guest = (struct spawn_child)SPAWN_CHILD_INIT;
	if (populate(sandbox, backend, cancel, err) < 0) {
		dismantle(sandbox);
		return NULL;
	}
	return &sandbox->base;
}

static int fake_exec(struct sandbox *sandbox, const struct exec_request *request,
		     struct exec_sink *sink, struct exec_result *result, struct error *err)
{
	return guest_link_exec(fake_sandbox_of(sandbox)->link, request, sink, result, err);
}

static int fake_save(struct sandbox *sandbox, const struct exec_output *output,
		     const struct cancel *cancel, struct exec_saved *saved, struct error *err)
{
	return guest_link_save(fake_sandbox_of(sandbox)->link, output, cancel, saved, err);
}

static void fake_destroy(struct sandbox *sandbox)
{
	dismantle(fake_sandbox_of(sandbox));
}

static int fake_death_fd(const struct sandbox *sandbox)
{
	const struct fake_sandbox *fake = (const struct fake_sandbox *)sandbox;

	return guest_link_death_fd(fake->link);
}

static void fake_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES])
{
	struct fake_sandbox *fake = fake_sandbox_of(sandbox);
	int status;

	if (!has_left(fake))
		return;
	status = fake->guest_status;
	if (WIFSIGNALED(status))
		(void)snprintf(cause, BACKEND_CAUSE_BYTES, "killed from outside (signal %d)",
			       WTERMSIG(status));
	else
		(void)snprintf(cause, BACKEND_CAUSE_BYTES, "its guest ended (code %d)",
			       WEXITSTATUS(status));
}

extern const struct backend_type backend_fake;

const struct backend_type backend_fake = {
	.name = "fake",
	.summary = "no isolation, for tests only",
	.open = fake_open,
	.close = fake_close,
	.check = fake_check,
	.describe = fake_describe,
	.diagnose = fake_diagnose,
	.create = fake_create,
	.exec = fake_exec,
	.save = fake_save,
	.destroy = fake_destroy,
	.death_fd = fake_death_fd,
	.death_cause = fake_death_cause,
};
