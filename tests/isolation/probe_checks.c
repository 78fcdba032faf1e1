/* SPDX-License-Identifier: MIT */

/* What takes more than one call. */

#include "tests/isolation/probe.h"

#include "base/attr.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int result_of(long returned)
{
	return returned < 0 ? errno : 0;
}

static long status_number(const char *field, const char *format_path)
{
	FILE *file = fopen(format_path, "re");
	char line[512];
	long number = -1;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0)
			number = strtol(line + strlen(field) + 1, NULL, 16);
	if (file)
		(void)fclose(file);
	return number;
}

/* --- the guest ----------------------------------------------------------- */

static int attach_to_init(void)
{
	return result_of(ptrace(PTRACE_ATTACH, 1, 0, 0));
}

static int seize_init(void)
{
	return result_of(ptrace(PTRACE_SEIZE, 1, 0, 0));
}

static int read_memory_of_init(void)
{
	char byte;
	struct iovec here = { &byte, 1 };
	struct iovec there = { (void *)0x400000, 1 };

	return result_of(process_vm_readv(1, &here, 1, &there, 1, 0));
}

static int take_descriptor_of_init(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);

	if (pidfd < 0)
		return errno;
	return result_of(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static int execute_init(void)
{
	char *const nothing[] = { NULL };

	(void)execve("/proc/1/exe", nothing, nothing);
	return errno;
}

static pid_t parent_of(pid_t pid)
{
	char path[64];
	char text[512];
	pid_t parent = -1;
	const char *end;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (!fgets(text, sizeof(text), file) || !(end = strrchr(text, ')')) ||
	    sscanf(end, ") %*c %d", &parent) != 1)
		parent = -1;
	(void)fclose(file);
	return parent;
}

/* The ancestor whose parent is the guest: the supervisor of this command; or -1. */
static pid_t supervisor(void)
{
	pid_t pid = getppid();

	while (pid > 1 && parent_of(pid) != 1)
		pid = parent_of(pid);
	return pid > 1 ? pid : -1;
}

static int attach_to_supervisor(void)
{
	return result_of(ptrace(PTRACE_ATTACH, supervisor(), 0, 0));
}

static int open_memory_of_supervisor(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)supervisor());
	return result_of(open(path, O_RDWR | O_CLOEXEC));
}

static int open_descriptors_of_supervisor(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)supervisor());
	return result_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Everyone but ourselves and the commands between us and the supervisor: the guest, the spares,
 * other commands. 0 if any lets us in. */
static int attach_to_all_others(void)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	int result = EPERM;

	if (!directory)
		return PROBE_BROKEN;
	while ((entry = readdir(directory)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && getsid(pid) != getsid(0) &&
		    ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
			result = 0;
	}
	(void)closedir(directory);
	return result;
}

/* --- descriptors --------------------------------------------------------- */

/* 0 if there are only 0, 1, 2: pipes or /dev/null each; else EBADF. */
static int other_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int found = 0;

	if (!directory)
		return PROBE_BROKEN;
	while ((entry = readdir(directory)) != NULL) {
		int fd = entry->d_name[0] == '.' ? -1 : (int)strtol(entry->d_name, NULL, 10);
		struct stat about;

		if (fd < 0 || fd == dirfd(directory))
			continue;
		if (fd > 2 || fstat(fd, &about) < 0 ||
		    (!S_ISFIFO(about.st_mode) && !S_ISCHR(about.st_mode)))
			found = EBADF;
	}
	(void)closedir(directory);
	return found;
}

/* Up from a directory that chroot left behind. */
static int climb_out_of_chroot(void)
{
	struct stat before;
	struct stat after;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &before) < 0 || chroot("/tmp") < 0 || fchdir(fd) < 0)
		return PROBE_BROKEN;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return errno;
	if (stat(".", &after) < 0)
		return errno;
	/* The sandbox's own root again is no escape. */
	return after.st_dev == before.st_dev && after.st_ino == before.st_ino ? ENOENT : 0;
}

static int climb_by_dots(void)
{
	struct stat root;
	struct stat above;

	if (stat("/", &root) < 0 || stat("/../../../../../../..", &above) < 0)
		return PROBE_BROKEN;
	return root.st_dev == above.st_dev && root.st_ino == above.st_ino ? ENOENT : 0;
}

static int handle_of_root(void)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[128];
	} handle = { .bytes = 128 };
	int mount_id;

	return result_of(syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &mount_id, 0));
}

/* --- signals, limits, ids ------------------------------------------------ */

/* kill(-1, 0) counts as done if there is anyone to signal; so look who there is. */
static int foreign_processes(void)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	int count = 0;

	if (!directory)
		return PROBE_BROKEN;
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			count++;
	(void)closedir(directory);
	/* Guest, supervisor, spare, shell, probe, and its child. */
	return count > 10 ? 0 : ESRCH;
}

static int kill_init(void)
{
	/* Accepted, and dropped by the kernel: an init without a handler cannot be killed. */
	return result_of(kill(1, SIGKILL));
}

static int stop_init(void)
{
	return result_of(kill(1, SIGSTOP));
}

static int capability_beyond_ours(void)
{
	/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT
	 * SETFCAP */
	const long allowed = 0x800405fb;
	static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:" };

	for (size_t i = 0; i < ARRAY_LENGTH(sets); i++) {
		long found = status_number(sets[i], "/proc/self/status");

		if (found < 0)
			return PROBE_BROKEN;
		if (found & ~allowed)
			return 0;
	}
	/* Neither inherited nor ambient (CVE-2022-27650). */
	if (status_number("CapInh:", "/proc/self/status") != 0 ||
	    status_number("CapAmb:", "/proc/self/status") != 0)
		return 0;
	return EPERM;
}

static int new_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

static int take_capability_back(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return PROBE_BROKEN;
	data[0].permitted |= 1u << CAP_SYS_ADMIN;
	data[0].effective |= 1u << CAP_SYS_ADMIN;
	return result_of(syscall(SYS_capset, &header, data));
}

/* Only the value 1 keeps a `|` core handler, a program of the host, from being started. */
static int core_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return PROBE_BROKEN;
	return limit.rlim_cur == 1 && limit.rlim_max == 1 ? EPERM : 0;
}

/* Answered as done, and not done, whatever way is taken and whatever the high words. */
static int lower_core_limit(void)
{
	const struct rlimit none = { 0, 0 };
	const long high = 1L << 32;

	(void)syscall(SYS_setrlimit, RLIMIT_CORE | high, &none);
	(void)syscall(SYS_prlimit64, high, RLIMIT_CORE | high, &none, NULL);
	(void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, &(struct rlimit){ 0, 0 });
	if (syscall(SYS_setrlimit, RLIMIT_CORE, &none) < 0)
		return errno;
	return core_limit() == EPERM ? 0 : PROBE_BROKEN;
}

static int descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return PROBE_BROKEN;
	return limit.rlim_max <= 4096 ? EPERM : 0;
}

static int signal_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_SIGPENDING, &limit) < 0)
		return PROBE_BROKEN;
	return limit.rlim_max <= 1024 ? EPERM : 0;
}

static int make_message_queue(void)
{
	mqd_t queue = mq_open("/probe", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);

	if (queue == (mqd_t)-1)
		return errno;
	if (mq_send(queue, "x", 1, 0) < 0)
		return errno;
	return result_of(mq_unlink("/probe"));
}

static int raise_a_limit(void)
{
	struct rlimit limit = { 4097, 1u << 20 };

	return result_of(setrlimit(RLIMIT_NOFILE, &limit));
}

static int own_file_to_user_1000(void)
{
	int fd = open("/tmp/probe-chown", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? PROBE_BROKEN : result_of(fchown(fd, 1000, 1000));
}

static int chown_of_host_file(void)
{
	return result_of(chown("/usr/bin/env", 0, 0));
}

/* --- other namespaces ---------------------------------------------------- */

static int connect_loopback(unsigned short port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? PROBE_BROKEN
		      : result_of(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int connect_ssh_of_host(void)
{
	return connect_loopback(22);
}

static int connect_to(const char *text, int family)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(80) };
	bool is_six = family == AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    inet_pton(family, text, is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr) != 1)
		return PROBE_BROKEN;
	return result_of(is_six ? connect(fd, (struct sockaddr *)&six, sizeof(six))
				: connect(fd, (struct sockaddr *)&four, sizeof(four)));
}

static int connect_metadata_service(void)
{
	return connect_to("169.254.169.254", AF_INET);
}

static int connect_outside(void)
{
	return connect_to("192.0.2.1", AF_INET);
}

static int connect_outside_six(void)
{
	return connect_to("2001:db8::1", AF_INET6);
}

static int connect_abstract(void)
{
	static const char name[] = "\0/tmp/.X11-unix/X0";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, sizeof(name) - 1);
	return result_of(
		connect(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1)));
}

static int bind_port_80(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? PROBE_BROKEN
		      : result_of(bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int talk_over_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t bytes = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &bytes) < 0)
		return PROBE_BROKEN;
	return connect_loopback(ntohs(address.sin_port));
}

/* --- files --------------------------------------------------------------- */

static int mountinfo_has_host_paths(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	int found = EPERM;

	if (!file)
		return PROBE_BROKEN;
	while (fgets(line, sizeof(line), file)) {
		char root[1024];

		if (sscanf(line, "%*d %*d %*s %1023s", root) != 1)
			found = PROBE_BROKEN;
		else if (strstr(line, "ext4") || strstr(line, "/usr,") || strstr(line, "=/usr") ||
			 strstr(line, "/home") || strstr(line, "/var"))
			found = 0;
	}
	(void)fclose(file);
	return found;
}

/* 0 if a mount lacks `option`, EPERM if all have it. A mounted device node needs none; what is
 * read-only needs no nodev, nor do terminals. */
static int some_mount_lacks(const char *option, bool only_writable)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	int found = EPERM;

	while (file && fgets(line, sizeof(line), file)) {
		char path[1024];
		char options[1024];
		struct stat about;

		if (sscanf(line, "%*d %*d %*s %*s %1023s %1023s", path, options) != 2)
			found = PROBE_BROKEN;
		else if (!strstr(options, option) && strcmp(path, "/dev/pts") != 0 &&
			 (!only_writable || strncmp(options, "rw", 2) == 0) &&
			 (stat(path, &about) < 0 || !S_ISCHR(about.st_mode)))
			found = 0;
	}
	if (file)
		(void)fclose(file);
	return file ? found : PROBE_BROKEN;
}

static int some_mount_is_not_nosuid(void)
{
	return some_mount_lacks("nosuid", false);
}

static int some_mount_is_not_nodev(void)
{
	return some_mount_lacks("nodev", true);
}

static int write_in_dev(void)
{
	return result_of(open("/dev/probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int write_in_proc_mask(void)
{
	return result_of(open("/proc/kallsyms", O_WRONLY | O_CLOEXEC));
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? errno : result_of(write(fd, text, strlen(text)));
}

static int map_ids_again(void)
{
	return write_file("/proc/self/uid_map", "0 0 1");
}

static int raise_oom_protection(void)
{
	return write_file("/proc/self/oom_score_adj", "-1000");
}

static int lower_oom_score(void)
{
	return write_file("/proc/self/oom_score_adj", "0");
}

/* What an overlay keeps in its own attributes, set from outside of the overlay, would make it show
 * another directory of the layers. */
static int redirect_overlay(void)
{
	(void)mkdir("/workspace/probe-redirect", 0700);
	return result_of(setxattr("/workspace/probe-redirect", "user.overlay.redirect", "/", 1, 0));
}

static int set_trusted_attribute(void)
{
	return result_of(setxattr("/workspace", "trusted.overlay.opaque", "y", 1, 0));
}

static int rename_between_directories(void)
{
	int fd = open("/tmp/probe-a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)close(fd);
	(void)mkdir("/tmp/probe-d", 0700);
	return result_of(rename("/tmp/probe-a", "/tmp/probe-d/a"));
}

static int write_and_execute(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : 0;
}

/* Landlock cannot be seen, but a process has room for 16 layers: whoever can add that many had
 * none. Then 0, else E2BIG. */
static int stack_landlock_layers(void)
{
	const unsigned long long every_access = 1; /* execute: the oldest kernels know it */

	for (int layer = 0; layer < 16; layer++) {
		int fd = (int)syscall(SYS_landlock_create_ruleset, &every_access,
				      sizeof(every_access), 0);

		if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
			return errno;
		(void)close(fd);
	}
	return 0;
}

/* --- debugging one's own child ------------------------------------------- */

static int trace_own_child(void)
{
	pid_t pid = fork();
	int status;
	int result;

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	result = result_of(ptrace(PTRACE_ATTACH, pid, 0, 0));
	if (result == 0 && (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)))
		result = PROBE_BROKEN;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return result;
}

const struct probe_check probe_checks[] = {
	{ "init-ptrace-attach", attach_to_init },
	{ "init-ptrace-seize", seize_init },
	{ "init-process-vm-readv", read_memory_of_init },
	{ "init-pidfd-getfd", take_descriptor_of_init },
	{ "init-exe-execute", execute_init },
	{ "init-kill-9", kill_init },
	{ "init-kill-stop", stop_init },
	{ "supervisor-ptrace-attach", attach_to_supervisor },
	{ "supervisor-mem", open_memory_of_supervisor },
	{ "supervisor-fds", open_descriptors_of_supervisor },
	{ "others-ptrace-seize", attach_to_all_others },
	{ "only-stdio-descriptors", other_descriptors },
	{ "climb-out-of-chroot", climb_out_of_chroot },
	{ "climb-by-dots", climb_by_dots },
	{ "name_to_handle_at", handle_of_root },
	{ "foreign-processes", foreign_processes },
	{ "capability-beyond-ours", capability_beyond_ours },
	{ "capability-back", take_capability_back },
	{ "new-privileges", new_privileges },
	{ "core-limit-not-1", core_limit },
	{ "setrlimit-no-core", lower_core_limit },
	{ "descriptor-limit-over-4096", descriptor_limit },
	{ "pending-signals-over-1024", signal_limit },
	{ "message-queue", make_message_queue },
	{ "raise-a-hard-limit", raise_a_limit },
	{ "chown-1000", own_file_to_user_1000 },
	{ "chown-host-file", chown_of_host_file },
	{ "connect-loopback-ssh", connect_ssh_of_host },
	{ "connect-metadata", connect_metadata_service },
	{ "connect-outside", connect_outside },
	{ "connect-outside-6", connect_outside_six },
	{ "connect-abstract-x11", connect_abstract },
	{ "bind-port-80", bind_port_80 },
	{ "talk-over-loopback", talk_over_loopback },
	{ "mountinfo-host-paths", mountinfo_has_host_paths },
	{ "mounts-without-nosuid", some_mount_is_not_nosuid },
	{ "mounts-without-nodev", some_mount_is_not_nodev },
	{ "create-in-dev", write_in_dev },
	{ "write-masked-file", write_in_proc_mask },
	{ "write-own-uid-map", map_ids_again },
	{ "protect-from-oom", raise_oom_protection },
	{ "oom-score-of-the-server", lower_oom_score },
	{ "overlay-redirect", redirect_overlay },
	{ "overlay-trusted", set_trusted_attribute },
	{ "rename-between-directories", rename_between_directories },
	{ "landlock-layers", stack_landlock_layers },
	{ "map-write-execute", write_and_execute },
	{ "trace-own-child", trace_own_child },
};

const size_t probe_check_count = ARRAY_LENGTH(probe_checks);
