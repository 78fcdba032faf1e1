/* SPDX-License-Identifier: MIT */
#include "zygote/policy.h"

#include <linux/capability.h>
#include <sys/resource.h>

const char *const policy_masked_files[] = {
	"cmdline",     "config.gz",	"interrupts",  "kallsyms",   "kcore",
	"keys",	       "key-users",	"kmsg",	       "kpagecount", "kpageflags",
	"kpagecgroup", "latency_stats", "sched_debug", "slabinfo",   "sysrq-trigger",
	"timer_list",  "timer_stats",	"vmallocinfo", NULL,
};
const char *const policy_masked_directories[] = { "acpi", "asound", "scsi", NULL };
const char *const policy_read_only_directories[] = { "bus", "fs", "irq", "sys", NULL };

const struct policy_node policy_nodes[POLICY_NODES] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

const struct policy_setting policy_settings[] = {
	/* No further namespaces, even if a filter were passed by; host names alone tag commands. */
	{ "user/max_user_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_mnt_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_pid_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_net_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_ipc_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_cgroup_namespaces", "0", false, POLICY_OF_USERS },
	{ "user/max_time_namespaces", "0", true, POLICY_OF_USERS },
	{ "user/max_uts_namespaces", "1024", false, POLICY_OF_USERS },
	/* Counted by host user as well: one sandbox must not use up everybody's. */
	{ "user/max_inotify_instances", "8", false, POLICY_OF_USERS },
	{ "user/max_inotify_watches", "8192", false, POLICY_OF_USERS },
	/* Any user of the sandbox may serve port 80: the network is its own. */
	{ "net/ipv4/ip_unprivileged_port_start", "0", false, POLICY_OF_NETWORK },
	{ NULL, NULL, false, POLICY_OF_USERS },
};

/* What Docker gives by default, less MKNOD, NET_RAW and AUDIT_WRITE, which nothing needs. */
const struct policy_capability policy_capabilities[] = {
	{ "CHOWN", CAP_CHOWN },
	{ "DAC_OVERRIDE", CAP_DAC_OVERRIDE },
	{ "FOWNER", CAP_FOWNER },
	{ "FSETID", CAP_FSETID },
	{ "KILL", CAP_KILL },
	{ "NET_BIND_SERVICE", CAP_NET_BIND_SERVICE },
	{ "SETFCAP", CAP_SETFCAP },
	{ "SETGID", CAP_SETGID },
	{ "SETPCAP", CAP_SETPCAP },
	{ "SETUID", CAP_SETUID },
	{ "SYS_CHROOT", CAP_SYS_CHROOT },
	{ NULL, 0 },
};

const struct policy_limit policy_limits[] = {
	/* Core dumps: 1 and not 0, because for a core_pattern that starts a program of the host
	 * ("|...") the kernel ignores 0 and only 1 stops it. */
	{ "core size", RLIMIT_CORE, 1 },
	{ "locked memory", RLIMIT_MEMLOCK, 8 << 20 },
	/* These two are counted for all sandboxes of a host user together, and that user besides:
	 * with the usual limits a single sandbox could take everything. Two queues of the usual
	 * size; signals include timers. */
	{ "message queues", RLIMIT_MSGQUEUE, 204800 },
	{ "pending signals", RLIMIT_SIGPENDING, 1024 },
	{ NULL, 0, 0 },
};
