/* SPDX-License-Identifier: MIT */

/* Files that would show or change the machine, or the guest. */

#include "tests/isolation/probe.h"

#include "base/attr.h"

#include <fcntl.h>

#define DIRECTORY (O_RDONLY | O_DIRECTORY)

const struct probe_path probe_paths[] = {
	/* The guest. */
	{ "open-init-mem", "/proc/1/mem", O_RDONLY },
	{ "open-init-mem-write", "/proc/1/mem", O_RDWR },
	{ "open-init-task-mem", "/proc/1/task/1/mem", O_RDWR },
	{ "open-init-environ", "/proc/1/environ", O_RDONLY },
	{ "open-init-maps", "/proc/1/maps", O_RDONLY },
	{ "open-init-auxv", "/proc/1/auxv", O_RDONLY },
	{ "open-init-syscall", "/proc/1/syscall", O_RDONLY },
	{ "open-init-stack", "/proc/1/stack", O_RDONLY },
	{ "open-init-exe", "/proc/1/exe", O_RDONLY },
	{ "open-init-exe-write", "/proc/1/exe", O_WRONLY },
	{ "open-init-root", "/proc/1/root", DIRECTORY },
	{ "open-init-root-etc", "/proc/1/root/etc", DIRECTORY },
	{ "open-init-cwd", "/proc/1/cwd", DIRECTORY },
	{ "open-init-fds", "/proc/1/fd", DIRECTORY },
	{ "open-init-fd-0", "/proc/1/fd/0", O_RDWR },
	{ "open-init-map-files", "/proc/1/map_files", DIRECTORY },
	{ "open-init-ns-mnt", "/proc/1/ns/mnt", O_RDONLY },
	{ "open-init-ns-user", "/proc/1/ns/user", O_RDONLY },
	{ "open-init-ns-uts", "/proc/1/ns/uts", O_RDONLY },
	{ "open-init-timers", "/proc/1/timers", O_RDONLY },
	{ "open-init-clear-refs", "/proc/1/clear_refs", O_WRONLY },
	{ "open-init-oom-score", "/proc/1/oom_score_adj", O_WRONLY },
	{ "open-init-uid-map", "/proc/1/uid_map", O_WRONLY },

	/* The kernel, to read. */
	{ "read-kcore", "/proc/kcore", O_RDONLY },
	{ "read-kmsg", "/proc/kmsg", O_RDONLY },
	{ "read-kallsyms", "/proc/kallsyms", O_RDONLY },
	{ "read-keys", "/proc/keys", O_RDONLY },
	{ "read-key-users", "/proc/key-users", O_RDONLY },
	{ "read-kpagecount", "/proc/kpagecount", O_RDONLY },
	{ "read-kpageflags", "/proc/kpageflags", O_RDONLY },
	{ "read-vmallocinfo", "/proc/vmallocinfo", O_RDONLY },
	{ "read-slabinfo", "/proc/slabinfo", O_RDONLY },
	{ "read-interrupts", "/proc/interrupts", O_RDONLY },
	{ "read-timer-list", "/proc/timer_list", O_RDONLY },
	{ "read-sched-debug", "/proc/sched_debug", O_RDONLY },
	{ "read-latency-stats", "/proc/latency_stats", O_RDONLY },
	{ "read-config", "/proc/config.gz", O_RDONLY },
	{ "read-acpi", "/proc/acpi/wakeup", O_RDONLY },
	{ "read-scsi", "/proc/scsi/scsi", O_RDONLY },
	{ "read-asound", "/proc/asound/cards", O_RDONLY },
	{ "read-powercap", "/sys/devices/virtual/powercap/intel-rapl", DIRECTORY },
	{ "read-firmware", "/sys/firmware/acpi", DIRECTORY },
	{ "read-sys-kernel", "/sys/kernel", DIRECTORY },
	{ "read-debugfs", "/sys/kernel/debug/tracing", DIRECTORY },

	/* The kernel, to change. */
	{ "write-sysrq", "/proc/sysrq-trigger", O_WRONLY },
	{ "write-core-pattern", "/proc/sys/kernel/core_pattern", O_WRONLY },
	{ "write-modprobe", "/proc/sys/kernel/modprobe", O_WRONLY },
	{ "write-hostname", "/proc/sys/kernel/hostname", O_WRONLY },
	{ "write-shmall", "/proc/sys/kernel/shmall", O_WRONLY },
	{ "write-ns-last-pid", "/proc/sys/kernel/ns_last_pid", O_WRONLY },
	{ "write-randomize", "/proc/sys/kernel/randomize_va_space", O_WRONLY },
	{ "write-drop-caches", "/proc/sys/vm/drop_caches", O_WRONLY },
	{ "write-ip-forward", "/proc/sys/net/ipv4/ip_forward", O_WRONLY },
	{ "write-port-start", "/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY },
	{ "write-max-user-ns", "/proc/sys/user/max_user_namespaces", O_WRONLY },
	{ "write-binfmt", "/proc/sys/fs/binfmt_misc/register", O_WRONLY },
	{ "write-irq", "/proc/irq/default_smp_affinity", O_WRONLY },
	{ "write-uevent-helper", "/sys/kernel/uevent_helper", O_WRONLY },
	{ "write-release-agent", "/sys/fs/cgroup/memory/release_agent", O_WRONLY },

	/* Devices. */
	{ "device-kmsg", "/dev/kmsg", O_RDONLY },
	{ "device-mem", "/dev/mem", O_RDONLY },
	{ "device-port", "/dev/port", O_RDONLY },
	{ "device-vda", "/dev/vda", O_RDONLY },
	{ "device-sda", "/dev/sda", O_RDONLY },
	{ "device-kvm", "/dev/kvm", O_RDWR },
	{ "device-fuse", "/dev/fuse", O_RDWR },
	{ "device-tun", "/dev/net/tun", O_RDWR },
	{ "device-userfaultfd", "/dev/userfaultfd", O_RDWR },
	{ "device-vsock", "/dev/vsock", O_RDWR },
	{ "device-loop-control", "/dev/loop-control", O_RDWR },
	{ "device-console", "/dev/console", O_RDWR },
	{ "device-tty", "/dev/tty", O_RDWR },
	{ "device-null", "/dev/null", O_RDWR },
	{ "device-urandom", "/dev/urandom", O_RDONLY },
	{ "device-ptmx", "/dev/ptmx", O_RDWR },

	/* The host's own files. */
	{ "host-ssh", "/etc/ssh", DIRECTORY },
	{ "host-docker-socket", "/run/docker.sock", O_RDWR },
	{ "host-old-root", "/.old_root", DIRECTORY },
	{ "host-boot", "/boot", DIRECTORY },
	{ "host-modules", "/usr/lib/modules/", DIRECTORY },
};

const size_t probe_path_count = ARRAY_LENGTH(probe_paths);
