/* SPDX-License-Identifier: MIT */
#include "zygote/setup.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "guest/guest.h"
#include "zygote/confine.h"
#include "zygote/layers.h"
#include "zygote/mount_api.h"
#include "zygote/policy.h"
#include "zygote/setting.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_ROOT LAYERS_ROOT
#define STORAGE LAYERS_STORAGE

/* --- ids ----------------------------------------------------------------- */

static int take_ids(struct setup *setup, struct error *err)
{
	struct setup_mapped mapped;
	int fds[SETUP_MAPPED_FDS];
	unsigned next = 0;
	int got = zygote_receive(setup->cradle_fd, &mapped, sizeof(mapped), fds, SETUP_MAPPED_FDS,
				 err);

	if (got < 0)
		return -1;
	if (got == 0)
		return error_set(err, ERROR_UNAVAILABLE,
				 "the process that was making the sandbox (kiln-cradle) is gone");
	setup->storage_fd = mapped.has_root ? fds[next++] : -1;
	setup->root_fd = mapped.has_root ? fds[next++] : -1;
	setup->made_fd = mapped.has_made ? fds[next++] : -1;
	setup->source_fd = mapped.has_source ? fds[next++] : -1;
	setup->dev_fd = mapped.has_dev ? fds[next++] : -1;
	/* A single mapped id cannot change its groups: the kernel forbids it for that map. */
	if (setup->request->id_count > 1 && setgroups(0, NULL) < 0)
		return error_set_errno(err, "dropping the groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set_errno(err, "becoming root of the sandbox");
	/* After the last change of ids, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set_errno(err, "tying the sandbox to the zygote");
	/* A change of ids also makes /proc/self root's of the host; needed until it is sealed. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_set_errno(err, "opening up the process for its own set-up");
	return 0;
}

static int take_name(struct setup *setup, struct error *err)
{
	(void)setup;
	if (sethostname("sandbox", strlen("sandbox")) < 0)
		return error_set_errno(err, "setting the host name");
	return 0;
}

/* --- files --------------------------------------------------------------- */

static struct layers layers_of(const struct setup *setup)
{
	return (struct layers){ .request = setup->request,
				.template = setup->template,
				.made_fd = setup->made_fd,
				.source_fd = setup->source_fd };
}

static int mount_storage(struct setup *setup, struct error *err)
{
	const struct layers layers = layers_of(setup);

	return setup->root_fd >= 0 ? 0 : layers_mount_storage(&layers, err);
}

static int attach_layers(struct setup *setup, struct error *err)
{
	const struct layers layers = layers_of(setup);

	return layers_attach(&layers, err);
}

static int mount_root(struct setup *setup, struct error *err)
{
	const struct layers layers = layers_of(setup);

	if (setup->root_fd >= 0)
		return layers_take(setup->storage_fd, setup->root_fd, err);
	return layers_mount_root(&layers, err);
}

/* For a server that has to look itself at how much sandboxes write: the root shows it, whatever it
 * is made of. */
static int report_storage(struct setup *setup, struct error *err)
{
	const struct zygote_report report = { .kind = ZYGOTE_STORAGE };
	CLEANUP(cleanup_fd) int fd = -1;

	if (!setup->request->wants_storage)
		return 0;
	fd = open(NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "opening the new root");
	return zygote_send(setup->report_fd, &report, sizeof(report), &fd, 1, err);
}

/* --- /proc ---------------------------------------------------------------- */

static int mount_proc(struct setup *setup, struct error *err)
{
	(void)setup;
	if (mount("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_set_errno(err, "mounting /proc");
	return 0;
}

static int apply_settings(struct setup *setup, struct error *err)
{
	const char *sys = NEW_ROOT "/proc/sys";

	if (setting_apply(sys, POLICY_OF_USERS, err) < 0)
		return -1;
	return setting_limit(sys, setup->request, err);
}

static int bind_over(const char *source, const char *name, struct error *err)
{
	char target[128];

	(void)snprintf(target, sizeof(target), NEW_ROOT "/proc/%s", name);
	if (mount(source, target, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
		return error_set_errno(err, "masking /proc/%s", name);
	return 0;
}

static int mask_proc(struct setup *setup, struct error *err)
{
	(void)setup;
	for (size_t i = 0; policy_masked_files[i]; i++) {
		if (bind_over("/null", policy_masked_files[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; policy_masked_directories[i]; i++) {
		if (bind_over("/empty", policy_masked_directories[i], err) < 0)
			return -1;
	}
	return 0;
}

static int protect_proc(struct setup *setup, struct error *err)
{
	char target[128];

	(void)setup;
	for (size_t i = 0; policy_read_only_directories[i]; i++) {
		(void)snprintf(target, sizeof(target), NEW_ROOT "/proc/%s",
			       policy_read_only_directories[i]);
		if (mount(target, target, NULL, MS_BIND, NULL) < 0) {
			if (errno == ENOENT)
				continue;
			return error_set_errno(err, "protecting /proc/%s",
					       policy_read_only_directories[i]);
		}
		if (mount(NULL, target, NULL,
			  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  NULL) < 0)
			return error_set_errno(err, "making /proc/%s read-only",
					       policy_read_only_directories[i]);
	}
	return 0;
}

/* An empty directory: a real one would show the host's hardware. */
static int mount_sys(struct setup *setup, struct error *err)
{
	(void)setup;
	if (mount("/empty", NEW_ROOT "/sys", NULL, MS_BIND, NULL) < 0)
		return error_set_errno(err, "mounting an empty /sys");
	return 0;
}

/* --- /dev ----------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *target;
} dev_links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};
static const char *const dev_directories[] = { "pts", "shm", "mqueue" };

int setup_fill_dev(int dev_fd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(dev_links); i++) {
		if (symlinkat(dev_links[i].target, dev_fd, dev_links[i].name) < 0)
			return error_set_errno(err, "making /dev/%s", dev_links[i].name);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(dev_directories); i++) {
		if (mkdirat(dev_fd, dev_directories[i], 0755) < 0)
			return error_set_errno(err, "making /dev/%s", dev_directories[i]);
	}
	return 0;
}

static int mount_dev(struct setup *setup, struct error *err)
{
	if (setup->dev_fd >= 0) {
		if (mount_attach(setup->dev_fd, NEW_ROOT "/dev") < 0)
			return error_set_errno(err, "attaching /dev");
	} else if (mount("/dev", NEW_ROOT "/dev", NULL, MS_BIND | MS_REC, NULL) < 0) {
		return error_set_errno(err, "mounting /dev");
	}
	/* Without its own maximum one sandbox could take all terminals of the host. */
	if (mount("devpts", NEW_ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620,max=32") < 0)
		return error_set_errno(err, "mounting /dev/pts");
	if (mount(STORAGE "/shm", NEW_ROOT "/dev/shm", NULL, MS_BIND, NULL) < 0)
		return error_set_errno(err, "mounting /dev/shm");
	if (mount("mqueue", NEW_ROOT "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0)
		return error_set_errno(err, "mounting /dev/mqueue");
	return 0;
}

/* --- into it --------------------------------------------------------------- */

/* Changes into the new root and lets go of everything else: afterwards no path of the zygote's
 * root exists here, and the mount table names none of the host. */
static int enter_root(struct setup *setup, struct error *err)
{
	(void)setup;
	if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set_errno(err, "changing into the new root");
	/* The old root now lies on top of the new one. */
	if (umount2(".", MNT_DETACH) < 0)
		return error_set_errno(err, "letting go of the old root");
	if (chdir("/") < 0)
		return error_set_errno(err, "entering the new root");
	return 0;
}

/* --- the order -------------------------------------------------------------- */

static int limit_resources(struct setup *setup, struct error *err)
{
	return confine_limits(setup->request, err);
}

static int drop_rights(struct setup *setup, struct error *err)
{
	(void)setup;
	return confine_guest(err);
}

/* Nothing of the zygote's stays open but the null device as 0-2; the socket becomes 3. */
static int keep_one_socket(struct setup *setup, struct error *err)
{
	/* This closes report_fd as well, which tells the server that the sandbox is ready: so this
	 * comes last, and from here on a failure can only end the process. */
	if (dup3(setup->guest_fd, 3, O_CLOEXEC) < 0 && setup->guest_fd != 3)
		return error_set_errno(err, "placing the guest's socket");
	setup->guest_fd = 3;
	if (syscall(SYS_close_range, 4u, ~0u, 0u) < 0)
		return error_set_errno(err, "closing what was inherited");
	return 0;
}

static const struct {
	const char *name;
	enum zygote_area area;
	int (*run)(struct setup *setup, struct error *err);
} steps[] = {
	/* First: until its ids are mapped, the child is nobody and can mount nothing. */
	{ "taking its ids", ZYGOTE_AREA_IDS, take_ids },
	{ "taking its name", ZYGOTE_AREA_NAMESPACES, take_name },
	/* Files from the bottom up: what is written to, what is read from, both together. */
	{ "making its storage", ZYGOTE_AREA_NONE, mount_storage },
	{ "attaching the image", ZYGOTE_AREA_IMAGE, attach_layers },
	{ "mounting its root", ZYGOTE_AREA_OVERLAY, mount_root },
	{ "telling of its storage", ZYGOTE_AREA_NONE, report_storage },
	/* The kernel's views need the zygote's unmasked /proc to be in sight (the kernel refuses
	 * a new one otherwise), so before the pivot. */
	{ "mounting /proc", ZYGOTE_AREA_PROC, mount_proc },
	/* Before /proc/sys turns read-only. */
	{ "setting its limits in the kernel", ZYGOTE_AREA_NONE, apply_settings },
	{ "masking /proc", ZYGOTE_AREA_NONE, mask_proc },
	{ "protecting /proc", ZYGOTE_AREA_NONE, protect_proc },
	{ "mounting /sys", ZYGOTE_AREA_NONE, mount_sys },
	{ "mounting /dev", ZYGOTE_AREA_NONE, mount_dev },
	/* After every mount whose source is in the zygote's root. */
	{ "entering its root", ZYGOTE_AREA_NONE, enter_root },
	{ "limiting its resources", ZYGOTE_AREA_NONE, limit_resources },
	/* From here on nothing can be mounted, raised or opened any more. */
	{ "dropping its rights", ZYGOTE_AREA_FILTER, drop_rights },
	{ "closing its descriptors", ZYGOTE_AREA_NONE, keep_one_socket },
};

static int run_steps(struct setup *setup, enum zygote_area *area, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		*area = steps[i].area;
		if (steps[i].run(setup, err) < 0)
			return error_wrap(err, "%s", steps[i].name);
	}
	return 0;
}

void setup_run(struct setup *setup)
{
	struct error err = ERROR_INIT;
	enum zygote_area area = ZYGOTE_AREA_NONE;
	struct guest_config config = { .confine_spare = confine_spare,
				       .is_tagged = confine_is_tagged,
				       .nofile_soft = setup->request->nofile_soft,
				       .command_processes = setup->request->command_processes };

	/* The zygote ignores it, so that sandboxes are reaped by themselves. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)prctl(PR_SET_NAME, "kiln-guest");
	/* The scheduler shares out the processor by session: each sandbox gets its own share. */
	(void)setsid();
	(void)umask(0);
	config.context = confine_tags_create(&err);
	if (!config.context || run_steps(setup, &area, &err) < 0) {
		zygote_report_failure(setup->report_fd, area, &err);
		_exit(1);
	}
	config.oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	/* Last of all, since it closes this process's own /proc to itself: from here on no command
	 * can trace, read or stop the guest, although both are root of the sandbox. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
	(void)umask(0022);
	config.socket_fd = setup->guest_fd;
	guest_run(&config);
}
