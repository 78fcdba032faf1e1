/* SPDX-License-Identifier: MIT */

/*
 * Every system call that the filter policy answers itself, as a real call. The
 * arguments are chosen so that a kernel that gets to see the call says something
 * else than the filter does, wherever there is such an argument; and so that it
 * does nothing where it is let through by mistake.
 */

#include "tests/isolation/probe.h"

#include "base/attr.h"

#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define HIGH (1L << 32)
#define BAD_FD (-1L)

const struct probe_call probe_calls[] = {
	{ "mount", SYS_mount, { 0 } },
	{ "mount-remount-root", SYS_mount, { 0, (long)"/", 0, 0x21 } },
	{ "umount2", SYS_umount2, { 0, 0xff } },
	{ "pivot_root", SYS_pivot_root, { 0 } },
	{ "setns", SYS_setns, { BAD_FD, 0 } },
	{ "open_tree", SYS_open_tree, { BAD_FD, 0, 0 } },
	{ "open_tree-clone", SYS_open_tree, { BAD_FD, (long)"/", 1 } },
	{ "move_mount", SYS_move_mount, { BAD_FD, 0, BAD_FD, 0, 0 } },
	{ "fsopen", SYS_fsopen, { 0, 0 } },
	{ "fsopen-tmpfs", SYS_fsopen, { (long)"tmpfs", 0 } },
	{ "fsconfig", SYS_fsconfig, { BAD_FD, 0, 0, 0, 0 } },
	{ "fsmount", SYS_fsmount, { BAD_FD, 0, 0 } },
	{ "fspick", SYS_fspick, { BAD_FD, 0, 0 } },
	{ "mount_setattr", SYS_mount_setattr, { BAD_FD, 0, 0, 0, 0 } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { BAD_FD, 0, 0 } },
	{ "reboot", SYS_reboot, { 0, 0, 0, 0 } },
	{ "kexec_load", SYS_kexec_load, { 0, 1000, 0, 0 } },
	{ "kexec_file_load", SYS_kexec_file_load, { BAD_FD, BAD_FD, 0, 0, 0xff } },
	{ "init_module", SYS_init_module, { 0, 0, 0 } },
	{ "finit_module", SYS_finit_module, { BAD_FD, 0, 0 } },
	{ "delete_module", SYS_delete_module, { 0, 0 } },
	{ "settimeofday", SYS_settimeofday, { 8, 8 } },
	{ "clock_settime", SYS_clock_settime, { 99, 0 } },
	{ "sethostname", SYS_sethostname, { 0, 0 } },
	{ "setdomainname", SYS_setdomainname, { 0, 0 } },
	{ "acct", SYS_acct, { 8 } },
	{ "swapon", SYS_swapon, { 0, 0 } },
	{ "swapoff", SYS_swapoff, { 0 } },
	{ "quotactl", SYS_quotactl, { 0, 0, 0, 0 } },
	{ "quotactl_fd", SYS_quotactl_fd, { BAD_FD, 0, 0, 0 } },
	{ "vhangup", SYS_vhangup, { 0 } },
	{ "syslog-read-all", SYS_syslog, { 3, 0, 0 } },
	{ "syslog-size", SYS_syslog, { 10, 0, 0 } },
	{ "lookup_dcookie", SYS_lookup_dcookie, { 0, 0, 0 } },
	{ "keyctl", SYS_keyctl, { 9999, 0, 0, 0, 0 } },
	{ "keyctl-join", SYS_keyctl, { 1, 8, 0, 0, 0 } },
	{ "add_key", SYS_add_key, { 0, 0, 0, 0, 0 } },
	{ "request_key", SYS_request_key, { 0, 0, 0, 0 } },
	{ "bpf", SYS_bpf, { 9999, 0, 0 } },
	{ "perf_event_open", SYS_perf_event_open, { 0, 0, 0, BAD_FD, 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0xffff } },
	{ "io_setup", SYS_io_setup, { 1, 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 0, 0 } },
	{ "io_uring_enter", SYS_io_uring_enter, { BAD_FD, 0, 0, 0, 0, 0 } },
	{ "io_uring_register", SYS_io_uring_register, { BAD_FD, 0, 0, 0 } },
	{ "fanotify_init", SYS_fanotify_init, { 0xffffff, 0 } },
	{ "fanotify_mark", SYS_fanotify_mark, { BAD_FD, 1, 1, BAD_FD, 0 } },
	{ "vmsplice", SYS_vmsplice, { BAD_FD, 0, 0, 0 } },
	{ "io_pgetevents", SYS_io_pgetevents, { 0, 0, 0, 0, 0, 0 } },
	{ "memfd_secret", 447, { 0xff } },
	{ "cachestat", 451, { BAD_FD, 0, 0, 0 } },
	{ "kcmp", SYS_kcmp, { 0, 0, 99, 0, 0 } },
	{ "process_madvise", SYS_process_madvise, { BAD_FD, 0, 0, 0, 0 } },
	{ "migrate_pages", SYS_migrate_pages, { 0, 0, 0, 0 } },
	{ "move_pages", SYS_move_pages, { 0, 0, 0, 0, 0, 0 } },
	{ "mbind", SYS_mbind, { 1, 1, 99, 0, 0, 0 } },
	{ "set_mempolicy", SYS_set_mempolicy, { 99, 0, 0 } },
	{ "get_mempolicy", SYS_get_mempolicy, { 0, 0, 0, 0, 0 } },
	{ "set_mempolicy_home_node", 450, { 1, 1, 0, 0 } },

	/* Done, without being done. */
	{ "sync", SYS_sync, { 0 } },
	{ "syncfs-of-nothing", SYS_syncfs, { BAD_FD } },

	/* Unknown to us: as if the kernel lacked them. */
	{ "clone3", SYS_clone3, { 0, 0 } },
	{ "statmount", 457, { 0, 0, 0, 0 } },
	{ "listmount", 458, { 0, 0, 0, 0 } },
	{ "number-600", 600, { 0 } },
	{ "number-100000", 100000, { 0 } },

	/* By argument, each also with rubbish in the high word, which the kernel does not look at.
	 */
	{ "unshare-nothing", SYS_unshare, { 0 } },
	{ "unshare-user", SYS_unshare, { CLONE_NEWUSER } },
	{ "unshare-mount", SYS_unshare, { CLONE_NEWNS } },
	{ "unshare-net", SYS_unshare, { CLONE_NEWNET } },
	{ "unshare-uts", SYS_unshare, { CLONE_NEWUTS } },
	{ "unshare-user-high", SYS_unshare, { CLONE_NEWUSER | HIGH } },
	{ "clone-user", SYS_clone, { CLONE_NEWUSER | 17 } },
	{ "clone-user-high", SYS_clone, { CLONE_NEWUSER | 17 | HIGH } },
	{ "clone-uts", SYS_clone, { CLONE_NEWUTS | 17 } },
	/* The kernel would say EINVAL, and the guest's own filter lets it get there. */
	{ "clone-uts-and-handlers", SYS_clone, { CLONE_NEWUTS | CLONE_SIGHAND | 17 } },
	{ "clone-pid", SYS_clone, { CLONE_NEWPID | 17 } },
	{ "ioctl-TIOCSTI", SYS_ioctl, { BAD_FD, TIOCSTI, 0 } },
	{ "ioctl-TIOCSTI-high", SYS_ioctl, { BAD_FD, TIOCSTI | HIGH, 0 } },
	{ "ioctl-TIOCLINUX", SYS_ioctl, { BAD_FD, TIOCLINUX, 0 } },
	{ "ioctl-TIOCLINUX-high", SYS_ioctl, { BAD_FD, TIOCLINUX | HIGH, 0 } },
	{ "personality-exec-data", SYS_personality, { 0x400000 } },
	{ "personality-exec-data-high", SYS_personality, { 0x400000 | HIGH } },
	{ "personality-high", SYS_personality, { HIGH } },
	{ "personality-page-0", SYS_personality, { 0x100000 } },
	{ "personality-no-random", SYS_personality, { 0x40000 } },
	{ "prlimit64-init", SYS_prlimit64, { 1, 7, 0, 0 } },
	{ "prlimit64-init-high", SYS_prlimit64, { 1 | HIGH, 7, 0, 0 } },
	{ "prlimit64-own-high", SYS_prlimit64, { HIGH, 7, 0, 0 } },
	/* The limit of core files: said to be set, which the kernel cannot do with these pointers.
	 */
	{ "setrlimit-core", SYS_setrlimit, { RLIMIT_CORE, 0 } },
	{ "prlimit64-core", SYS_prlimit64, { 0, RLIMIT_CORE, 1, 0 } },
	{ "prlimit64-core-high", SYS_prlimit64, { 0, RLIMIT_CORE, HIGH, 0 } },
	{ "prlimit64-core-both", SYS_prlimit64, { 0, RLIMIT_CORE, 1, 1 } },
	{ "prlimit64-core-read", SYS_prlimit64, { 0, RLIMIT_CORE, 0, 0 } },
	{ "setsockopt-ULP", SYS_setsockopt, { BAD_FD, 6, 31, 0, 0 } },
	{ "setsockopt-ULP-high", SYS_setsockopt, { BAD_FD, 6 | HIGH, 31 | HIGH, 0, 0 } },
	{ "sendto-OOB", SYS_sendto, { BAD_FD, 0, 0, MSG_OOB, 0, 0 } },
	{ "sendto-OOB-high", SYS_sendto, { BAD_FD, 0, 0, MSG_OOB | HIGH, 0, 0 } },
	{ "recvfrom-OOB", SYS_recvfrom, { BAD_FD, 0, 0, MSG_OOB, 0, 0 } },
	{ "recvfrom-OOB-high", SYS_recvfrom, { BAD_FD, 0, 0, MSG_OOB | HIGH, 0, 0 } },
	{ "sendmsg-OOB", SYS_sendmsg, { BAD_FD, 0, MSG_OOB } },
	{ "sendmsg-OOB-high", SYS_sendmsg, { BAD_FD, 0, MSG_OOB | HIGH } },
	{ "recvmsg-OOB", SYS_recvmsg, { BAD_FD, 0, MSG_OOB } },
	{ "recvmsg-OOB-high", SYS_recvmsg, { BAD_FD, 0, MSG_OOB | HIGH } },
	{ "sendmmsg-OOB", SYS_sendmmsg, { BAD_FD, 0, 0, MSG_OOB } },
	{ "sendmmsg-OOB-high", SYS_sendmmsg, { BAD_FD, 0, 0, MSG_OOB | HIGH } },
	{ "recvmmsg-OOB", SYS_recvmmsg, { BAD_FD, 0, 0, MSG_OOB, 0 } },
	{ "recvmmsg-OOB-high", SYS_recvmmsg, { BAD_FD, 0, 0, MSG_OOB | HIGH, 0 } },
	{ "socket-unspecified", SYS_socket, { 0, SOCK_STREAM, 0 } },
	{ "socket-packet", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "socket-packet-high", SYS_socket, { AF_PACKET | HIGH, SOCK_RAW, 0 } },
	{ "socket-alg", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 } },
	{ "socket-vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
	{ "socket-xdp", SYS_socket, { AF_XDP, SOCK_RAW, 0 } },
	{ "socket-tipc", SYS_socket, { AF_TIPC, SOCK_STREAM, 0 } },
	{ "socket-bluetooth", SYS_socket, { AF_BLUETOOTH, SOCK_RAW, 0 } },
	{ "socket-can", SYS_socket, { AF_CAN, SOCK_RAW, 0 } },
	{ "socket-key", SYS_socket, { AF_KEY, SOCK_RAW, 2 } },
	{ "socket-raw-icmp", SYS_socket, { AF_INET, SOCK_RAW, 1 } },
	{ "socket-raw-icmp-high", SYS_socket, { AF_INET | HIGH, SOCK_RAW | HIGH, 1 | HIGH } },
	{ "socket-inet-packet", SYS_socket, { AF_INET, 10, 0x300 } },
	{ "socket-inet-ping", SYS_socket, { AF_INET, SOCK_DGRAM, 1 } },
	{ "socket-inet-sctp", SYS_socket, { AF_INET, SOCK_STREAM, 132 } },
	{ "socket-inet-seqpacket", SYS_socket, { AF_INET, SOCK_SEQPACKET, 0 } },
	{ "socket-inet-dccp", SYS_socket, { AF_INET, 6, 0 } },
	{ "socket-inet-smc", SYS_socket, { AF_INET, SOCK_STREAM, 256 } },
	{ "socket-netlink-audit", SYS_socket, { AF_NETLINK, SOCK_RAW, 9 } },
	{ "socket-netlink-diag", SYS_socket, { AF_NETLINK, SOCK_RAW, 4 } },
	{ "socket-netlink-netfilter", SYS_socket, { AF_NETLINK, SOCK_RAW, 12 } },
	{ "socket-netlink-netfilter-high", SYS_socket, { AF_NETLINK | HIGH, SOCK_RAW, 12 | HIGH } },
	{ "socketpair-inet", SYS_socketpair, { AF_INET, SOCK_STREAM, 0, 0 } },
	{ "socketpair-tipc", SYS_socketpair, { AF_TIPC, SOCK_STREAM, 0, 0 } },

	/* And these are to work. */
	{ "socket-tcp", SYS_socket, { AF_INET, SOCK_STREAM, 6 } },
	{ "socket-udp6", SYS_socket, { AF_INET6, SOCK_DGRAM, 0 } },
	{ "socket-netlink-route", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 } },
	{ "socket-unix", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "memfd_create", SYS_memfd_create, { (long)"probe", 0 } },
	{ "chroot", SYS_chroot, { (long)"/tmp" } },
	{ "ptrace-traceme", SYS_ptrace, { 0, 0, 0, 0 } },
	{ "prlimit64-own", SYS_prlimit64, { 0, 7, 0, 0 } },

	/* The kernel says no to these: the filter lets them through. */
	{ "mknod-char", SYS_mknodat, { -100, (long)"/tmp/probe-char", 0020600, 0x103 } },
	{ "mknod-block", SYS_mknodat, { -100, (long)"/tmp/probe-block", 0060600, 0x800 } },
	{ "adjtimex-set", SYS_clock_adjtime, { 0, (long)(const int[64]){ 1 } } },
	{ "nice-minus-5", SYS_setpriority, { 0, 0, -5 } },
	{ "scheduler-fifo", SYS_sched_setscheduler, { 0, 1, (long)(const int[1]){ 1 } } },
	{ "setuid-1000", SYS_setuid, { 1000 } },
	{ "setgroups", SYS_setgroups, { 0, 0 } },
	{ "set-mm", SYS_prctl, { 35, 1, 0, 0, 0 } },
	{ "keep-securebits", SYS_prctl, { 28, 0x1f, 0, 0, 0 } },
	{ "landlock-abi", SYS_landlock_create_ruleset, { 0, 0, 1 } },
};

const size_t probe_call_count = ARRAY_LENGTH(probe_calls);
