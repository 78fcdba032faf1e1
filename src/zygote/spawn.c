/* SPDX-License-Identifier: MIT */
#include "zygote/spawn.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "zygote/layers.h"
#include "zygote/mount_api.h"
#include "zygote/policy.h"
#include "zygote/setup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The network is the cradle's, and so is the control group that the cgroup namespace begins at. */
#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Acts as the sandbox's root towards the kernel's per-user quotas: a namespace counts on who
 * made it, and the host's root must not run out of anything for a sandbox. Capabilities stay
 * (the zygote turned their fix-up off). */
int spawn_act_as(uid_t id, struct error *err)
{
	if (setresgid((gid_t)-1, id, (gid_t)-1) < 0 || setresuid((uid_t)-1, id, (uid_t)-1) < 0)
		return error_set_errno(err, "acting as id %u", (unsigned)id);
	/* A change of the effective id clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set_errno(err, "tying the process to its parent again");
	return 0;
}

/* Device nodes of the sandbox's own: watching one must not show what others do with theirs. */
static int make_dev(struct error *err)
{
	CLEANUP(cleanup_fd) int fd = mount_new_tmpfs("64k", "32", "0755");

	if (fd < 0)
		return error_set_errno(err, "making a file system for /dev");
	for (size_t i = 0; i < POLICY_NODES; i++) {
		if (mknodat(fd, policy_nodes[i].name, S_IFCHR | 0666,
			    makedev(policy_nodes[i].major, policy_nodes[i].minor)) < 0)
			return error_set_errno(err, "making /dev/%s", policy_nodes[i].name);
	}
	if (setup_fill_dev(fd, err) < 0)
		return -1;
	if (mount_make_read_only(fd) < 0)
		return error_set_errno(err, "making /dev read-only");
	return take_fd(&fd);
}

static int write_text(const char *path, const char *text, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "writing %s", path);
	return 0;
}

static int map_ids(pid_t pid, uint32_t base, uint32_t count, struct error *err)
{
	char path[64], map[64];

	/* A user's own id and those of /etc/subuid may be two extents of the zygote's map, and the
	 * kernel wants each extent here to lie within one of those. */
	if (base == 0 && count > 1)
		(void)snprintf(map, sizeof(map), "0 0 1\n1 1 %u", count - 1);
	else
		(void)snprintf(map, sizeof(map), "0 %u %u", base, count);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	if (write_text(path, map, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	return write_text(path, map, err);
}

static int open_user_namespace(pid_t pid, struct error *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "opening the sandbox's user namespace");
	return fd;
}

/* A copy of the mount at `path` with owners shown through the child's ids. */
static int map_mount(const char *path, int user_namespace_fd, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = mount_copy(AT_FDCWD, path, MOUNT_ONE);

	if (fd < 0)
		return error_set_errno(err, "copying the mount %s", path);
	if (mount_map_ids(fd, user_namespace_fd) < 0)
		return error_set_errno(err, "mapping the owners of %s", path);
	return take_fd(&fd);
}

/* The mounts that a child is handed; each -1: it has none. */
struct handed {
	int storage_fd;
	int root_fd;
	int made_fd;
	int source_fd;
	int dev_fd; /* borrowed */
};

static void cleanup_handed(struct handed *handed)
{
	cleanup_fd(&handed->storage_fd);
	cleanup_fd(&handed->root_fd);
	cleanup_fd(&handed->made_fd);
	cleanup_fd(&handed->source_fd);
}

static int map_layers(struct handed *handed, pid_t pid, const struct setup *setup,
		      struct error *err)
{
	const struct template *template = setup->template;
	char path[TEMPLATE_PATH_BYTES];
	CLEANUP(cleanup_fd) int user_namespace_fd = -1;

	if (!template->maps_made && !template->maps_source)
		return 0;
	user_namespace_fd = open_user_namespace(pid, err);
	if (user_namespace_fd < 0)
		return -1;
	if (template->maps_made) {
		template_path(path, setup->request->image);
		handed->made_fd = map_mount(path, user_namespace_fd, err);
		if (handed->made_fd < 0)
			return -1;
	}
	if (template->maps_source) {
		template_source_path(path, setup->request->image, 0);
		handed->source_fd = map_mount(path, user_namespace_fd, err);
		if (handed->source_fd < 0)
			return -1;
	}
	return 0;
}

/* The root, mounted with the rights of the host's root, acting as the sandbox's. In a mount
 * namespace of this process's own, which goes with it: the mounts live on in the child's. */
static int mount_layers(struct handed *handed, const struct setup *setup, struct error *err)
{
	const struct layers layers = { .request = setup->request,
				       .template = setup->template,
				       .made_fd = handed->made_fd,
				       .source_fd = handed->source_fd };

	if (unshare(CLONE_NEWNS) < 0)
		return error_set_errno(err, "making a mount namespace for the sandbox's files");
	if (layers_mount_storage(&layers, err) < 0 || layers_attach(&layers, err) < 0 ||
	    layers_mount_root(&layers, err) < 0)
		return -1;
	cleanup_fd(&handed->made_fd);
	cleanup_fd(&handed->source_fd);
	return layers_copy(&handed->storage_fd, &handed->root_fd, err);
}

static int mount_trusted(struct handed *handed, const struct setup *setup, struct error *err)
{
	int result;

	if (setup->template->layering != ZYGOTE_LAYERING_TRUSTED)
		return 0;
	if (spawn_act_as(setup->request->id_base, err) < 0)
		return -1;
	result = mount_layers(handed, setup, err);
	return spawn_act_as(0, result < 0 ? NULL : err) < 0 ? -1 : result;
}

static int hand_over(int child_fd, const struct handed *handed, struct error *err)
{
	const struct setup_mapped mapped = { .has_root = handed->root_fd >= 0,
					     .has_made = handed->made_fd >= 0,
					     .has_source = handed->source_fd >= 0,
					     .has_dev = handed->dev_fd >= 0 };
	const int all[] = { handed->storage_fd, handed->root_fd, handed->made_fd, handed->source_fd,
			    handed->dev_fd };
	int fds[SETUP_MAPPED_FDS];
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
		if (all[i] < 0)
			continue;
		if (count == ARRAY_LENGTH(fds))
			return error_set(err, ERROR_INTERNAL, "a sandbox has too many mounts");
		fds[count++] = all[i];
	}
	return zygote_send(child_fd, &mapped, sizeof(mapped), fds, count, err);
}

/* Opens the door for the child: its ids are mapped, and here are its mounts. */
static int release_child(int child_fd, pid_t pid, const struct setup *setup, int dev_fd,
			 enum zygote_area *area, struct error *err)
{
	CLEANUP(cleanup_handed) struct handed handed = { -1, -1, -1, -1, dev_fd };

	if (map_ids(pid, setup->request->id_base, setup->request->id_count, err) < 0 ||
	    map_layers(&handed, pid, setup, err) < 0)
		return -1;
	*area = ZYGOTE_AREA_OVERLAY;
	if (mount_trusted(&handed, setup, err) < 0)
		return -1;
	return hand_over(child_fd, &handed, err);
}

int spawn_user_namespace(uint32_t id_base, uint32_t id_count, struct error *err)
{
	struct clone_args arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t zygote = getpid();
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	int fd = -1;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Who was killed before that tells nobody. */
		if (getppid() != zygote)
			_exit(1);
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "making a user namespace");
	if (map_ids(pid, id_base, id_count, err) == 0)
		fd = open_user_namespace(pid, err);
	/* The namespace lives on in its descriptor. */
	(void)kill(pid, SIGKILL);
	return fd;
}

bool spawn_can_map(const char *path, int user_namespace_fd)
{
	CLEANUP(cleanup_fd) int fd = map_mount(path, user_namespace_fd, NULL);

	return fd >= 0;
}

/* Clones; the child does not return. It is the zygote's child and not the cradle's, so it dies with
 * the zygote. It may then name no signal to tell its end by: that is the cradle's. */
static pid_t clone_child(struct setup *setup, int our_end, int *pidfd, struct error *err)
{
	struct clone_args arguments = { .flags = NAMESPACES | CLONE_PARENT | CLONE_PIDFD,
					.pidfd = (uint64_t)(uintptr_t)pidfd };
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (pid == 0) {
		/* Else it would never see that the cradle is gone. */
		(void)close(our_end);
		setup_run(setup);
	}
	if (pid < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "cloning into new namespaces");
	return pid;
}

static int spawn_mapped(struct setup *setup, int our_end, int *pidfd, enum zygote_area *area,
			struct error *err)
{
	CLEANUP(cleanup_fd) int dev_fd = -1;
	bool is_privileged = setup->id_mode == ZYGOTE_PRIVILEGED;
	pid_t pid;

	if (is_privileged) {
		if (spawn_act_as(setup->request->id_base, err) < 0)
			return -1;
		dev_fd = make_dev(err);
		if (dev_fd < 0) {
			(void)spawn_act_as(0, NULL);
			return -1;
		}
	}
	pid = clone_child(setup, our_end, pidfd, err);
	if (is_privileged && spawn_act_as(0, pid < 0 ? NULL : err) < 0)
		return -1;
	if (pid < 0)
		return -1;
	return release_child(our_end, pid, setup, dev_fd, area, err);
}

void spawn_sandbox(const struct zygote_request *request, const struct template *template,
		   enum zygote_id_mode id_mode, int report_fd, int guest_fd)
{
	struct error err = ERROR_INIT;
	struct zygote_report report = { .kind = ZYGOTE_STARTED };
	enum zygote_area area = ZYGOTE_AREA_NAMESPACES;
	CLEANUP(cleanup_fd) int pidfd = -1;
	CLEANUP(cleanup_fd) int our_end = -1;
	CLEANUP(cleanup_fd) int child_end = -1;
	int pair[2];
	struct setup setup = { .request = request,
			       .template = template,
			       .id_mode = id_mode,
			       .report_fd = report_fd,
			       .guest_fd = guest_fd };

	if (fd_packet_pair(pair, &err) < 0) {
		zygote_report_failure(report_fd, area, &err);
		return;
	}
	our_end = pair[0];
	child_end = pair[1];
	setup.cradle_fd = child_end;
	if (spawn_mapped(&setup, our_end, &pidfd, &area, &err) < 0) {
		/* A child that never got its ids has done nothing yet. */
		if (pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		zygote_report_failure(report_fd, area, &err);
		return;
	}
	if (zygote_send(report_fd, &report, sizeof(report), &pidfd, 1, NULL) < 0)
		/* Whoever asked has gone. */
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}
