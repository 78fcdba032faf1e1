/* SPDX-License-Identifier: MIT */
#include "zygote/zygote.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "zygote/cradle.h"
#include "zygote/janitor.h"
#include "zygote/mount_api.h"
#include "zygote/policy.h"
#include "zygote/setup.h"
#include "zygote/spawn.h"
#include "zygote/template.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One process, one zygote: there is no other to mix it up with. */
static struct {
	int socket_fd;
	enum zygote_id_mode id_mode;
	uid_t outer_uid;
	gid_t outer_gid;
	int host_root; /* the host's "/", until SEAL */
	int range_fd;  /* as root, until SEAL: a user namespace with ids from range_base */
	uint32_t range_base;
	bool has_failed; /* to come up: it serves nothing more */
	struct template templates[ZYGOTE_MAX_IMAGES];
} zygote = { .socket_fd = -1, .host_root = -1, .range_fd = -1 };

/* --- the zygote itself --------------------------------------------------------- */

static int die_with_parent(struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set_errno(err, "tying the zygote to the server");
	return 0;
}

static int prepare_process(struct error *err)
{
	struct rlimit no_core = { 1, 1 };
	unsigned long ignored;

	if (die_with_parent(err) < 0)
		return -1;
	(void)prctl(PR_SET_NAME, "kiln-zygote");
	(void)umask(0);
	/* Sandboxes are reaped by the kernel: the server alone asks how they ended. */
	(void)signal(SIGCHLD, SIG_IGN);
	/* Descriptors in flight count by user: leave room above the server's own. */
	(void)fd_raise_limit(&ignored);
	/* 1, since a core_pattern that starts a program of the host ignores 0. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	/* Once, here, for all sandboxes: one each would use up the user's quota of keys. A kernel
	 * without keyrings has nothing to keep apart. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_set_errno(err, "joining a fresh session keyring");
	return 0;
}

/* Root with every id of the host mapped; root of some container is a user like any other. */
static bool is_privileged(void)
{
	CLEANUP(cleanup_fd) int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	unsigned inside = 1, outside = 1, count = 0;
	char text[256];
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (geteuid() != 0 || got <= 0)
		return false;
	text[got] = '\0';
	return sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count == UINT32_MAX;
}

/* What the kernel counts by user, and for each user namespace remembers as the most of whoever made
 * it. */
static const int counted_by_user[] = { RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE,
				       RLIMIT_MEMLOCK };

/* The user's own programs keep a quarter: to the kernel sandboxes are that user's processes. */
static int make_user_namespace(struct error *err)
{
	struct rlimit usual[ARRAY_LENGTH(counted_by_user)];
	int result;

	for (size_t i = 0; i < ARRAY_LENGTH(counted_by_user); i++) {
		struct rlimit less;

		if (getrlimit(counted_by_user[i], &usual[i]) < 0)
			return error_set_errno(err, "reading a limit of the user");
		less = usual[i];
		if (less.rlim_cur != RLIM_INFINITY)
			less.rlim_cur -= less.rlim_cur / 4;
		(void)setrlimit(counted_by_user[i], &less);
	}
	result = unshare(CLONE_NEWUSER | CLONE_NEWNS);
	if (result < 0)
		(void)error_set_kind_errno(err, ERROR_UNAVAILABLE, "making a user namespace");
	for (size_t i = 0; i < ARRAY_LENGTH(counted_by_user); i++)
		(void)setrlimit(counted_by_user[i], &usual[i]);
	return result;
}

static int leave_host(struct error *err)
{
	zygote.outer_uid = geteuid();
	zygote.outer_gid = getegid();
	zygote.id_mode = is_privileged() ? ZYGOTE_PRIVILEGED : ZYGOTE_ROOTLESS;
	if (zygote.id_mode == ZYGOTE_ROOTLESS)
		return make_user_namespace(err);
	if (unshare(CLONE_NEWNS) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "making a mount namespace");
	/* Changes of the effective id then leave the capabilities alone. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "setting the secure bits");
	return 0;
}

static int write_self(const char *name, const char *text, struct error *err)
{
	char path[64];
	CLEANUP(cleanup_fd) int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "writing %s", path);
	return 0;
}

/* An ordinary user may map itself and nobody else, and must give up setgroups for it. */
static int map_self_alone(struct error *err)
{
	char map[64];

	if (write_self("setgroups", "deny", err) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)zygote.outer_uid);
	if (write_self("uid_map", map, err) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)zygote.outer_gid);
	return write_self("gid_map", map, err);
}

static int take_ids(uint32_t id_count, struct error *err)
{
	if (zygote.id_mode == ZYGOTE_PRIVILEGED)
		return 0;
	if (id_count == 1 && map_self_alone(err) < 0)
		return -1;
	if (id_count > 1 && setgroups(0, NULL) < 0)
		return error_set_errno(err, "dropping the groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set_errno(err, "becoming root of the zygote's user namespace");
	/* A change of ids closes /proc/PID of this process and of its children to everybody but the
	 * host's root, and the children's ids are mapped there. To trace the zygote takes the
	 * user's own rights over its namespace, before as after. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_set_errno(err, "opening the zygote's /proc to itself");
	/* Cleared by the change of ids. */
	return die_with_parent(err);
}

/* --- its root ------------------------------------------------------------------- */

/*
 * What is taken along from the host before its root goes out of sight. The new
 * root is mounted over /proc, the one directory that every host has; so /proc
 * itself is copied first.
 */
struct luggage {
	int proc;
	int nodes[POLICY_NODES]; /* rootless: bind mounts of the host's; else -1 */
};

static int pack(struct luggage *luggage, struct error *err)
{
	char path[32];

	luggage->proc = mount_copy(AT_FDCWD, "/proc", MOUNT_TREE);
	if (luggage->proc < 0)
		return error_set_errno(err, "taking /proc along");
	for (size_t i = 0; i < POLICY_NODES; i++) {
		luggage->nodes[i] = -1;
		if (zygote.id_mode == ZYGOTE_PRIVILEGED)
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", policy_nodes[i].name);
		luggage->nodes[i] = mount_copy_node(path);
		if (luggage->nodes[i] < 0)
			return error_set_errno(err, "taking %s along", path);
	}
	return 0;
}

/* `mount_fd` (taken) at `name` below `root`. */
static int unpack(int mount_fd, int root, const char *name, mode_t type, struct error *err)
{
	CLEANUP(cleanup_fd) int mount = mount_fd;
	CLEANUP(cleanup_fd) int target = -1;
	int made = type == S_IFDIR ? mkdirat(root, name, 0755) : mknodat(root, name, S_IFREG, 0);

	if (made == 0)
		target = openat(root, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 || mount_attach_at(mount, target) < 0)
		return error_set_errno(err, "putting /%s into the zygote's root", name);
	return 0;
}

/* Rootless: one /dev for all, since only bind mounts of the host's nodes work there. It is
 * copied with all that is mounted on it into every sandbox. */
static int make_shared_dev(struct luggage *luggage, int root, struct error *err)
{
	CLEANUP(cleanup_fd) int mount_fd = mount_new_tmpfs("64k", "32", "0755");
	CLEANUP(cleanup_fd) int dev = -1;

	if (mount_fd < 0)
		return error_set_errno(err, "making a file system for /dev");
	if (unpack(take_fd(&mount_fd), root, "dev", S_IFDIR, err) < 0)
		return -1;
	dev = openat(root, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dev < 0)
		return error_set_errno(err, "opening the zygote's /dev");
	for (size_t i = 0; i < POLICY_NODES; i++) {
		if (unpack(luggage->nodes[i], dev, policy_nodes[i].name, S_IFREG, err) < 0)
			return -1;
	}
	if (setup_fill_dev(dev, err) < 0)
		return -1;
	if (mount(NULL, "/proc/dev", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC,
		  NULL) < 0)
		return error_set_errno(err, "making /dev read-only");
	return 0;
}

/* The null device that masks files of /proc. Never one that a sandbox can reach by name. */
static int make_mask(int root, struct error *err)
{
	CLEANUP(cleanup_fd) int copy = -1;

	if (zygote.id_mode == ZYGOTE_PRIVILEGED) {
		if (mknodat(root, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
			return error_set_errno(err, "making the null device");
		return 0;
	}
	copy = mount_copy_node("/dev/null");
	if (copy < 0)
		return error_set_errno(err, "taking /dev/null along");
	return unpack(take_fd(&copy), root, "null", S_IFREG, err);
}

static int make_places(int root, struct error *err)
{
	static const char *const places[] = { "images", "sources", "sandbox", "root" };

	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		if (mkdirat(root, places[i], 0755) < 0)
			return error_set_errno(err, "making /%s in the zygote's root", places[i]);
	}
	if (mkdirat(root, "empty", 0555) < 0)
		return error_set_errno(err, "making /empty in the zygote's root");
	return 0;
}

static int build_root(struct luggage *luggage, struct error *err)
{
	CLEANUP(cleanup_fd) int root = -1;

	if (mount("zygote", "/proc", "tmpfs", MS_NOSUID, "mode=0755") < 0)
		return error_set_errno(err, "mounting the zygote's root");
	root = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set_errno(err, "opening the zygote's root");
	if (make_mask(root, err) < 0 || make_places(root, err) < 0)
		return -1;
	if (zygote.id_mode == ZYGOTE_ROOTLESS && make_shared_dev(luggage, root, err) < 0)
		return -1;
	if (unpack(luggage->proc, root, "proc", S_IFDIR, err) < 0)
		return -1;
	zygote.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (zygote.host_root < 0)
		return error_set_errno(err, "opening the host's root");
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set_errno(err, "changing into the zygote's root");
	return 0;
}

static int handle_mapped(const struct zygote_request *request, struct error *err)
{
	struct luggage luggage;

	if (take_ids(request->id_count, err) < 0)
		return -1;
	/* Here, because the kernel makes none for a process whose root is covered by a mount, as
	 * ours is from the pivot until SEAL. */
	if (zygote.id_mode == ZYGOTE_PRIVILEGED) {
		zygote.range_base = request->id_base;
		zygote.range_fd = spawn_user_namespace(request->id_base, request->id_count, err);
		if (zygote.range_fd < 0)
			return -1;
	}
	/* Nothing that is mounted here may show up on the host, nor the other way. */
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return error_set_errno(err, "making the mounts private");
	return pack(&luggage, err) < 0 ? -1 : build_root(&luggage, err);
}

/* --- requests ---------------------------------------------------------------------- */

/* Owners are shown through each sandbox's own ids; where tmpfs cannot do that (before Linux 6.3),
 * what is made belongs to the one range that all sandboxes then share. */
static int fill_for_ranges(struct template *template, const struct zygote_request *request,
			   int plan_fd, struct error *err)
{
	char path[TEMPLATE_PATH_BYTES];
	int result;

	template_path(path, request->image);
	template->maps_made = spawn_can_map(path, zygote.range_fd);
	if (!template->maps_made && spawn_act_as(zygote.range_base, err) < 0)
		return -1;
	result = template_fill(template, request->image, plan_fd, zygote.host_root, err);
	if (!template->maps_made && spawn_act_as(0, result < 0 ? NULL : err) < 0)
		return -1;
	if (result < 0 || !template->overlays[0].has_source)
		return result;
	/* An image on a file system that cannot is used as it stands: its root is nobody inside. */
	template_source_path(path, request->image, 0);
	template->maps_source = spawn_can_map(path, zygote.range_fd);
	return 0;
}

static bool is_layering(uint32_t layering)
{
	if (layering == ZYGOTE_LAYERING_TRUSTED)
		return zygote.id_mode == ZYGOTE_PRIVILEGED;
	return layering <= ZYGOTE_LAYERING_READ_ONLY;
}

static int handle_register(const struct zygote_request *request, int plan_fd, struct error *err)
{
	struct template *template;

	if (zygote.host_root < 0 || request->image >= ZYGOTE_MAX_IMAGES ||
	    zygote.templates[request->image].is_registered || !is_layering(request->layering))
		return error_set(err, ERROR_INTERNAL, "image %u cannot be registered now",
				 request->image);
	template = &zygote.templates[request->image];
	template->layering = (enum zygote_layering)request->layering;
	if (template_begin(request->image, err) < 0)
		return -1;
	if (zygote.id_mode == ZYGOTE_ROOTLESS) {
		if (template_fill(template, request->image, plan_fd, zygote.host_root, err) < 0)
			return -1;
	} else if (fill_for_ranges(template, request, plan_fd, err) < 0) {
		return -1;
	}
	template->is_registered = true;
	return 0;
}

/* From here on no path leads to the host. */
static int handle_seal(struct error *err)
{
	cleanup_fd(&zygote.host_root);
	cleanup_fd(&zygote.range_fd);
	/* The host's root lies on top of ours since the pivot. */
	if (chdir("/") < 0 || umount2(".", MNT_DETACH) < 0)
		return error_set_errno(err, "letting go of the host's root");
	if (chdir("/") < 0)
		return error_set_errno(err, "entering the zygote's root");
	/* /empty and /null are mounted from here into sandboxes, and keep this. */
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) < 0)
		return error_set_errno(err, "making the zygote's root read-only");
	return 0;
}

static int check_cradle(const struct zygote_request *request, const int fds[ZYGOTE_MAX_FDS],
			struct error *err)
{
	if (zygote.host_root >= 0 || zygote.has_failed)
		return error_set(err, ERROR_INTERNAL, "the zygote is not ready for sandboxes");
	if (request->cgroup_count > ZYGOTE_MAX_CGROUPS ||
	    (request->has_unified && request->cgroup_count == 0))
		return error_set(err, ERROR_PROTOCOL, "%u control groups were named",
				 request->cgroup_count);
	for (unsigned i = 0; i <= request->cgroup_count; i++) {
		if (fds[i] < 0)
			return error_set(err, ERROR_PROTOCOL, "descriptor %u is missing", i);
	}
	return 0;
}

static void handle_cradle(const struct zygote_request *request, const int fds[ZYGOTE_MAX_FDS])
{
	struct cradle_origin origin = { .templates = zygote.templates,
					.id_mode = zygote.id_mode,
					.zygote_socket_fd = zygote.socket_fd };
	struct error err = ERROR_INIT;

	if (check_cradle(request, fds, &err) < 0)
		zygote_report_failure(fds[0], ZYGOTE_AREA_NONE, &err);
	else
		cradle_start(&origin, request, fds);
}

static void answer(int result, enum zygote_area area, const struct error *err)
{
	struct zygote_report report = { .kind = ZYGOTE_DONE, .id_mode = zygote.id_mode };

	for (size_t i = 0; i < ZYGOTE_MAX_IMAGES; i++) {
		if (zygote.templates[i].is_registered && zygote.id_mode == ZYGOTE_PRIVILEGED &&
		    !zygote.templates[i].maps_made)
			report.shares_ids = 1;
	}

	zygote.has_failed |= result < 0;
	if (result < 0)
		zygote_report_failure(zygote.socket_fd, area, err);
	else
		(void)zygote_send(zygote.socket_fd, &report, sizeof(report), NULL, 0, NULL);
}

static void handle(const struct zygote_request *request, const int fds[ZYGOTE_MAX_FDS])
{
	struct error err = ERROR_INIT;

	/* The server may have sent the next request before it heard of the failure. */
	if (zygote.has_failed && request->operation < ZYGOTE_JANITOR) {
		(void)error_set(&err, ERROR_INTERNAL, "the zygote did not come up");
		answer(-1, ZYGOTE_AREA_NONE, &err);
		return;
	}
	switch (request->operation) {
	case ZYGOTE_MAPPED:
		answer(handle_mapped(request, &err), ZYGOTE_AREA_IDS, &err);
		return;
	case ZYGOTE_REGISTER:
		answer(handle_register(request, fds[0], &err), ZYGOTE_AREA_IMAGE, &err);
		return;
	case ZYGOTE_SEAL:
		answer(handle_seal(&err), ZYGOTE_AREA_NONE, &err);
		return;
	case ZYGOTE_JANITOR:
		if (request->cgroup_count < ZYGOTE_MAX_CGROUPS &&
		    memchr(request->name, '\0', sizeof(request->name)) &&
		    memchr(request->file_name, '\0', sizeof(request->file_name)))
			janitor_start(request, zygote.socket_fd, fds);
		return;
	case ZYGOTE_CRADLE:
		handle_cradle(request, fds);
		return;
	default:
		(void)error_set(&err, ERROR_PROTOCOL, "unknown operation %u", request->operation);
		answer(-1, ZYGOTE_AREA_NONE, &err);
	}
}

static int start(struct error *err)
{
	struct zygote_report hello = { .kind = ZYGOTE_HELLO };

	if (prepare_process(err) < 0 || leave_host(err) < 0)
		return -1;
	hello.id_mode = zygote.id_mode;
	return zygote_send(zygote.socket_fd, &hello, sizeof(hello), NULL, 0, err);
}

void zygote_run(int socket_fd)
{
	struct error err = ERROR_INIT;
	struct zygote_request request;
	int fds[ZYGOTE_MAX_FDS];

	zygote.socket_fd = socket_fd;
	if (start(&err) < 0) {
		zygote_report_failure(socket_fd, ZYGOTE_AREA_NAMESPACES, &err);
		_exit(1);
	}
	/* End-of-file: the server is gone, and with this process go all sandboxes. */
	while (zygote_receive(socket_fd, &request, sizeof(request), fds, ZYGOTE_MAX_FDS, &err) >
	       0) {
		handle(&request, fds);
		for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
			cleanup_fd(&fds[i]);
	}
	_exit(0);
}
