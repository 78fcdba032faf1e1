/* SPDX-License-Identifier: MIT */
#include "zygote/cradle.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "zygote/setting.h"
#include "zygote/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct cradle {
	const struct cradle_origin *origin;
	unsigned group_count;
	unsigned groups_entered; /* by its birth: the first ones */
	uint32_t optional_groups;
	int report_fd;
	int groups[ZYGOTE_MAX_CGROUPS];
};

static int tie_to_zygote(const struct cradle *cradle, pid_t zygote, struct error *err)
{
	(void)prctl(PR_SET_NAME, "kiln-cradle");
	/* Else the server could not tell that the zygote is gone. */
	(void)close(cradle->origin->zygote_socket_fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set_errno(err, "tying a cradle to the zygote");
	if (getppid() != zygote)
		_exit(1);
	return 0;
}

/* --- ahead of time ----------------------------------------------------------------- */

/* Sandboxes go first when the machine runs out of memory: this much before their server, as far as
 * there is room for commands to go before their guest. As root nobody in the sandbox can get below
 * what is set here, because somebody with the right to lower it set it; as an ordinary user a
 * command can get back to what the server has, and nothing forbids that. */
#define OOM_SCORE_OF_SANDBOXES 500
#define OOM_SCORE_MOST 900

static int volunteer_for_oom(struct cradle *cradle, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[16] = "";
	int ours, score;

	(void)cradle;
	if (fd < 0)
		return error_set_errno(err, "opening oom_score_adj");
	if (read(fd, text, sizeof(text) - 1) < 0)
		return error_set_errno(err, "reading oom_score_adj");
	ours = (int)strtol(text, NULL, 10);
	score = ours + OOM_SCORE_OF_SANDBOXES;
	if (score > OOM_SCORE_MOST)
		score = ours > OOM_SCORE_MOST ? ours : OOM_SCORE_MOST;
	(void)snprintf(text, sizeof(text), "%d", score);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		return error_set_errno(err, "raising oom_score_adj to %d", score);
	return 0;
}

static int enter_group(int directory_fd, struct error *err)
{
	CLEANUP(cleanup_fd)
	int fd = openat(directory_fd, "cgroup.procs", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	char link[32], name[128];
	ssize_t length;

	/* "0" is whoever writes it. */
	if (fd >= 0 && write(fd, "0", 1) == 1)
		return 0;
	(void)error_set_errno(err, "entering it");
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", directory_fd);
	length = readlink(link, name, sizeof(name));
	return error_wrap(err, "control group %.*s", length < 0 ? 0 : (int)length, name);
}

static int enter_groups(struct cradle *cradle, struct error *err)
{
	for (unsigned i = cradle->groups_entered; i < cradle->group_count; i++) {
		struct error failure = ERROR_INIT;
		bool is_optional = (cradle->optional_groups & (1u << i)) != 0;

		if (enter_group(cradle->groups[i], &failure) == 0)
			continue;
		/* A kernel with RT_GROUP_SCHED so refuses a real-time process in a group of the cpu
		 * controller: whoever runs the server like that wants no shares of time. */
		if (is_optional && failure.errno_value == EINVAL)
			continue;
		*err = failure;
		return -1;
	}
	for (unsigned i = 0; i < cradle->group_count; i++)
		cleanup_fd(&cradle->groups[i]);
	return 0;
}

static int raise_loopback(struct error *err)
{
	CLEANUP(cleanup_fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_set_errno(err, "raising the loopback interface");
	return 0;
}

/* A network of the sandbox's own, which belongs to the zygote's user namespace: no capability of
 * the sandbox is one over it. The kernel counts it on the zygote's user, as root on the host's,
 * since the sandbox's ids are not known yet; there are never more than sandboxes and cradles. */
static int make_network(struct cradle *cradle, struct error *err)
{
	(void)cradle;
	if (unshare(CLONE_NEWNET) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "making a network namespace");
	if (raise_loopback(err) < 0)
		return -1;
	/* The zygote's own /proc will do: what is below net/ there is the reader's network. */
	return setting_apply("/proc/sys", POLICY_OF_NETWORK, err);
}

static const struct {
	enum zygote_area area;
	int (*run)(struct cradle *cradle, struct error *err);
} steps[] = {
	/* First, so that the sandbox is charged for its network too. */
	{ ZYGOTE_AREA_CGROUP, enter_groups },
	{ ZYGOTE_AREA_NAMESPACES, make_network },
	{ ZYGOTE_AREA_NONE, volunteer_for_oom },
};

static int prepare(struct cradle *cradle, enum zygote_area *area, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		*area = steps[i].area;
		if (steps[i].run(cradle, err) < 0)
			return -1;
	}
	return 0;
}

/* --- when it is wanted --------------------------------------------------------------- */

static int check_spawn(const struct cradle *cradle, const struct zygote_request *request,
		       struct error *err)
{
	if (request->operation != ZYGOTE_SPAWN)
		return error_set(err, ERROR_PROTOCOL, "operation %u is not a cradle's",
				 request->operation);
	if (request->image >= ZYGOTE_MAX_IMAGES ||
	    !cradle->origin->templates[request->image].is_registered || request->id_count == 0)
		return error_set(err, ERROR_INTERNAL, "image %u is not registered", request->image);
	if (cradle->origin->id_mode == ZYGOTE_PRIVILEGED && request->id_base == 0)
		return error_set(err, ERROR_INTERNAL,
				 "the host's root is never mapped into a sandbox");
	return 0;
}

/* Waits to be wanted; not at all if the server has closed its end. */
static int await_spawn(struct cradle *cradle, enum zygote_area *area, struct error *err)
{
	struct zygote_request request;
	int guest_fd;
	int got = zygote_receive(cradle->report_fd, &request, sizeof(request), &guest_fd, 1, err);

	*area = ZYGOTE_AREA_IMAGE;
	if (got <= 0)
		return got;
	if (check_spawn(cradle, &request, err) < 0)
		return -1;
	spawn_sandbox(&request, &cradle->origin->templates[request.image], cradle->origin->id_mode,
		      cradle->report_fd, guest_fd);
	return 0;
}

ATTR_NORETURN static void run(struct cradle *cradle, pid_t zygote)
{
	struct error err = ERROR_INIT;
	enum zygote_area area = ZYGOTE_AREA_NONE;

	if (tie_to_zygote(cradle, zygote, &err) < 0 || prepare(cradle, &area, &err) < 0 ||
	    await_spawn(cradle, &area, &err) < 0)
		zygote_report_failure(cradle->report_fd, area, &err);
	_exit(0);
}

/* --- its birth ------------------------------------------------------------------------ */

static pid_t fork_into(int group_fd)
{
	struct clone_args arguments = { .flags = CLONE_INTO_CGROUP,
					.exit_signal = SIGCHLD,
					.cgroup = (uint64_t)group_fd };

	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static pid_t fork_plainly(void)
{
	/* Without the structure's newer members, which an older kernel takes amiss. */
	struct clone_args arguments = { .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &arguments, CLONE_ARGS_SIZE_VER0);
}

void cradle_start(const struct cradle_origin *origin, const struct zygote_request *request,
		  const int fds[ZYGOTE_MAX_FDS])
{
	struct cradle cradle = { .origin = origin,
				 .group_count = request->cgroup_count,
				 .optional_groups = request->optional_cgroups,
				 .report_fd = fds[0] };
	struct error err = ERROR_INIT;
	pid_t zygote = getpid();
	pid_t pid = -1;

	errno = 0;
	for (unsigned i = 0; i < request->cgroup_count; i++)
		cradle.groups[i] = fds[1 + i];
	/* To be born in a group waits for nobody; to move there, as one must with version 1, waits
	 * for the whole machine. */
	if (request->has_unified) {
		pid = fork_into(cradle.groups[0]);
		cradle.groups_entered = pid >= 0 ? 1 : 0;
	}
	/* Refused, or unknown to this kernel: moving there then works, or tells why not. */
	if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
		pid = fork_plainly();
	if (pid == 0)
		run(&cradle, zygote);
	if (pid > 0)
		return;
	(void)error_set_kind_errno(&err, ERROR_UNAVAILABLE, "forking the zygote");
	zygote_report_failure(cradle.report_fd, ZYGOTE_AREA_NAMESPACES, &err);
}
