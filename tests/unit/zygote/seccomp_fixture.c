/* SPDX-License-Identifier: MIT */
#include "tests/unit/zygote/seccomp_fixture.h"

#include "base/cleanup.h"
#include "tests/unit/zygote/bpf.h"

#include <errno.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ORACLE "/usr/share/containers/seccomp.json"
#define MAX_FILE_BYTES (1u << 20)

struct architecture architectures[] = {
#define ARCHITECTURE(name, oracle, audit) { name, oracle, NUMBERS_PREFIX name ".txt", audit }
	ARCHITECTURE("aarch64", "arm64", AUDIT_ARCH_AARCH64),
	ARCHITECTURE("x86_64", "amd64", AUDIT_ARCH_X86_64),
#undef ARCHITECTURE
};
size_t architecture_count;

/* --- the oracle, and where we differ ------------------------------------- */

/* Where the policy answers otherwise than Debian's list for podman does, and why. The list leans
 * on capabilities: what only a process with SYS_ADMIN can do it lets through to the kernel. */
static const struct difference {
	uint32_t verdict;
	const char *reason;
	const char *calls[16];
} differences[] = {
	{ ANSWER(EPERM),
	  "mount and namespace code is the largest target in the kernel; a container engine nests "
	  "containers, a sandbox does not",
	  { "mount", "umount2", "pivot_root", "setns", "unshare", "open_tree", "move_mount",
	    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr" } },
	{ ANSWER(EPERM),
	  "no use without capabilities that no sandbox has",
	  { "syslog", "reboot" } },
	{ ANSWER(EPERM), "of no use without fanotify_init, which both deny", { "fanotify_mark" } },
	{ ANSWER(EPERM), "keys belong to a user, on both sides of the wall", { "keyctl" } },
	{ ANSWER(EPERM), "much attacked, for 16-bit programs only", { "modify_ldt" } },
	{ ANSWER(EPERM), "memory that no limit of ours can see into", { "memfd_secret" } },
	{ ANSWER(EPERM),
	  "page placement: a side channel, and Docker denies it too",
	  { "get_mempolicy", "set_mempolicy", "mbind" } },
	{ ANSWER(0),
	  "all files are in memory; a flush would stall the machine",
	  { "sync", "syncfs" } },
	{ ANSWER(ENOSYS),
	  "flags in memory, where a filter cannot see them; libraries fall back to clone",
	  { "clone3" } },
	{ ANSWER(ENOSYS),
	  "no kernel has them: the answer is the same without asking it",
	  { "epoll_ctl_old", "epoll_wait_old", "nfsservctl", "query_module" } },
	{ ANSWER(ENOSYS),
	  "one number rations them for the whole machine; kernels may be built without them",
	  { "io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents" } },
	{ ANSWER(EAFNOSUPPORT),
	  "decided by arguments; here with family 0",
	  { "socket", "socketpair" } },
	{ ANSWER(EPERM),
	  "there in every kernel: EPERM is the truth, where the list says ENOSYS",
	  { "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key",
	    "set_mempolicy_home_node", "quotactl_fd" } },
	{ ALLOW, "a futex with several words; newer than the list", { "futex_waitv" } },
	{ ALLOW,
	  "newer than the list, and no more than older calls can do",
	  { "fchmodat2=452", "map_shadow_stack=453", "mseal=462" } },
	{ ANSWER(EPERM), "newer than the list: a page cache side channel", { "cachestat=451" } },
};

const char *oracle_path(void)
{
	CLEANUP(cleanup_file) FILE *file = fopen(ORACLE, "re");

	return file ? ORACLE : NULL;
}

static bool array_has(const json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i,
			   item) if (strcmp(json_string_value(item), text) == 0) return true;
	return false;
}

/* Of the capabilities that the list knows, a sandbox has this one. */
static bool has_capability(const json_t *capabilities)
{
	return array_has(capabilities, "CAP_SYS_CHROOT");
}

static bool rule_counts(const json_t *rule, const struct architecture *architecture)
{
	const json_t *includes = json_object_get(rule, "includes");
	const json_t *excludes = json_object_get(rule, "excludes");
	const json_t *wanted = json_object_get(includes, "caps");
	const json_t *arches = json_object_get(includes, "arches");

	if (wanted && !has_capability(wanted))
		return false;
	if (arches && !array_has(arches, architecture->oracle_name))
		return false;
	return !has_capability(json_object_get(excludes, "caps"));
}

/* With every argument 0. */
static bool arguments_match(const json_t *rule)
{
	const json_t *argument;
	size_t i;

	json_array_foreach(json_object_get(rule, "args"), i, argument)
	{
		bool is_zero = json_integer_value(json_object_get(argument, "value")) == 0;
		const char *operation = json_string_value(json_object_get(argument, "op"));

		if (is_zero != (strcmp(operation, "SCMP_CMP_EQ") == 0))
			return false;
	}
	return true;
}

static uint32_t ask_oracle(const json_t *oracle, const struct architecture *architecture,
			   const char *call)
{
	uint32_t verdict =
		ANSWER((uint32_t)json_integer_value(json_object_get(oracle, "defaultErrnoRet")));
	const json_t *rule;
	size_t i;

	json_array_foreach(json_object_get(oracle, "syscalls"), i, rule)
	{
		const char *action = json_string_value(json_object_get(rule, "action"));

		if (!array_has(json_object_get(rule, "names"), call) ||
		    !rule_counts(rule, architecture) || !arguments_match(rule))
			continue;
		if (strcmp(action, "SCMP_ACT_ALLOW") == 0)
			return ALLOW;
		verdict = ANSWER((uint32_t)json_integer_value(json_object_get(rule, "errnoRet")));
	}
	return verdict;
}

static int find_number(const struct architecture *architecture, const char *call)
{
	const char *equals = strchr(call, '=');

	if (equals)
		return (int)strtol(equals + 1, NULL, 10);
	return seccomp_numbers_find(&architecture->numbers, call, strlen(call));
}

/* Puts a difference in; how many things are wrong with it. */
static unsigned apply_difference(const struct difference *difference, const char *call)
{
	bool is_known = false;
	bool differs = false;

	for (size_t i = 0; i < architecture_count; i++) {
		int number = find_number(&architectures[i], call);

		if (number < 0)
			continue;
		is_known = true;
		differs = differs || architectures[i].expected[number] != difference->verdict;
		architectures[i].expected[number] = difference->verdict;
	}
	if (is_known && differs)
		return 0;
	printf("# %s: listed as a difference (%s), but %s\n", call, difference->reason,
	       is_known ? "it is none" : "no architecture has such a call");
	return 1;
}

unsigned expectations_read(void)
{
	json_t *oracle = json_load_file(ORACLE, 0, NULL);
	unsigned wrong = 0;

	for (size_t a = 0; a < architecture_count; a++) {
		struct architecture *architecture = &architectures[a];

		for (size_t i = 0; i <= SECCOMP_MAX_NUMBER; i++)
			architecture->expected[i] = ANSWER(ENOSYS);
		for (size_t i = 0; i < architecture->numbers.count; i++) {
			const struct seccomp_call *call = &architecture->numbers.calls[i];

			architecture->expected[call->number] =
				ask_oracle(oracle, architecture, call->name);
		}
	}
	for (size_t i = 0; i < ARRAY_LENGTH(differences); i++)
		for (size_t c = 0; differences[i].calls[c]; c++)
			wrong += apply_difference(&differences[i], differences[i].calls[c]);
	json_decref(oracle);
	return wrong;
}

/* --- argument rules ------------------------------------------------------ */

#define ANY 0xa5a5a5a5u /* an argument that no rule looks at, or no kernel knows */

/* A call with its arguments' low words, and what becomes of it. Every row is tried with the words
 * not given, and all high words, at 0 and at 0xffffffff. */
static const struct call_row {
	const char *call;
	uint32_t command;
	uint32_t guest;
	uint8_t count; /* of the arguments given */
	uint32_t arguments[4];
	/* Where the high words of those given count, they are these, and are not varied. */
	bool has_high;
	uint32_t high[4];
} call_rows[] = {
#define BOTH(verdict) verdict, verdict
	{ "clone", BOTH(ALLOW), 1, { 0 } },
	{ "clone", BOTH(ALLOW), 1, { 17 } },
	{ "clone", BOTH(ALLOW), 1, { 0x3d0f00 } }, /* a thread, as libraries make them */
	{ "clone", BOTH(ALLOW), 1, { CLONE_VM | CLONE_VFORK | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWNS | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWCGROUP | 17 } },
	{ "clone", ANSWER(EPERM), ALLOW, 1, { CLONE_NEWUTS | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWIPC | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUSER | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWPID | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWNET | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUTS | CLONE_NEWUSER | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUTS | CLONE_NEWNS | 17 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { 0x7a020000 } },
	{ "clone", BOTH(ANSWER(EPERM)), 1, { 0xffffffff } },
	{ "unshare", ANSWER(EPERM), ALLOW, 1, { CLONE_NEWUTS } },
	{ "unshare", BOTH(ANSWER(EPERM)), 1, { 0 } },
	{ "unshare", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUSER } },
	{ "unshare", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUTS | CLONE_NEWUSER } },
	{ "unshare", BOTH(ANSWER(EPERM)), 1, { CLONE_NEWUTS | CLONE_FILES } },
	{ "unshare", BOTH(ANSWER(EPERM)), 1, { 0xffffffff } },
	{ "clone3", BOTH(ANSWER(ENOSYS)), 0, { 0 } },
	{ "setns", BOTH(ANSWER(EPERM)), 0, { 0 } },

	{ "socket", BOTH(ALLOW), 3, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "socket", BOTH(ALLOW), 3, { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0 } },
	{ "socket", BOTH(ALLOW), 1, { AF_UNIX } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET, SOCK_STREAM, 0 } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 6 } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET, SOCK_DGRAM, 0 } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 17 } },
	{ "socket", BOTH(ALLOW), 3, { AF_INET6, SOCK_STREAM, 6 } },
	{ "socket", BOTH(ANSWER(EPERM)), 3, { AF_INET, SOCK_RAW, 1 } },
	{ "socket", BOTH(ANSWER(EPERM)), 3, { AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 255 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_DGRAM, 1 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_DGRAM, 6 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_DGRAM, 136 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET6, SOCK_STREAM, 132 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_STREAM, 256 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_STREAM, 17 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, SOCK_SEQPACKET, 0 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, 6 /* DCCP */, 0 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET, 10 /* SOCK_PACKET */, 0x300 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_INET6, SOCK_RDM, 0 } },
	{ "socket", BOTH(ALLOW), 3, { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 } },
	{ "socket", BOTH(ALLOW), 3, { AF_NETLINK, SOCK_DGRAM, 0 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_NETLINK, SOCK_RAW, 4 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_NETLINK, SOCK_RAW, 9 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_NETLINK, SOCK_RAW, 12 } },
	{ "socket", BOTH(ANSWER(EPROTONOSUPPORT)), 3, { AF_NETLINK, SOCK_RAW, 15 } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { 0 } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_PACKET } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_ALG } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_VSOCK } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_XDP } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_TIPC } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_BLUETOOTH } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_RDS } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_CAN } },
	{ "socket", BOTH(ANSWER(EAFNOSUPPORT)), 1, { 0xffffffff } },
	{ "socketpair", BOTH(ALLOW), 3, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "socketpair", BOTH(ANSWER(EAFNOSUPPORT)), 3, { AF_INET, SOCK_SEQPACKET, 0 } },
	{ "socketpair", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_TIPC } },
	{ "socketpair", BOTH(ANSWER(EAFNOSUPPORT)), 1, { AF_VSOCK } },

	{ "sendto", BOTH(ALLOW), 4, { ANY, ANY, ANY, 0 } },
	{ "sendto", BOTH(ALLOW), 4, { 1, 1, 1, MSG_NOSIGNAL | MSG_DONTWAIT } },
	{ "sendto", BOTH(ANSWER(EOPNOTSUPP)), 4, { ANY, ANY, ANY, MSG_OOB } },
	{ "sendto", BOTH(ANSWER(EOPNOTSUPP)), 4, { 0, 0, 0, MSG_OOB | MSG_NOSIGNAL } },
	{ "recvfrom", BOTH(ALLOW), 4, { 1, 1, 1, MSG_PEEK } },
	{ "recvfrom", BOTH(ANSWER(EOPNOTSUPP)), 4, { 0, 0, 0, MSG_OOB | MSG_PEEK } },
	{ "sendmsg", BOTH(ALLOW), 3, { 1, 1, MSG_NOSIGNAL } },
	{ "sendmsg", BOTH(ANSWER(EOPNOTSUPP)), 3, { 0, 0, MSG_OOB | MSG_NOSIGNAL } },
	{ "recvmsg", BOTH(ALLOW), 3, { 1, 1, MSG_CMSG_CLOEXEC } },
	{ "recvmsg", BOTH(ANSWER(EOPNOTSUPP)), 3, { 0, 0, MSG_OOB } },
	{ "sendmmsg", BOTH(ALLOW), 4, { 1, 1, 1, 0 } },
	{ "sendmmsg", BOTH(ANSWER(EOPNOTSUPP)), 4, { 0, 0, 0, MSG_OOB } },
	{ "recvmmsg", BOTH(ALLOW), 4, { 1, 1, 1, MSG_WAITFORONE } },
	{ "recvmmsg", BOTH(ANSWER(EOPNOTSUPP)), 4, { 0, 0, 0, MSG_OOB } },

	{ "setsockopt", BOTH(ANSWER(ENOPROTOOPT)), 3, { ANY, 6, 31 } },
	{ "setsockopt", BOTH(ALLOW), 3, { 6, 6, 1 } },
	{ "setsockopt", BOTH(ALLOW), 3, { 31, SOL_SOCKET, 31 } },
	{ "getsockopt", BOTH(ALLOW), 3, { ANY, 6, 31 } },

	{ "ioctl", BOTH(ANSWER(EPERM)), 2, { 0, 0x5412 } },
	{ "ioctl", BOTH(ANSWER(EPERM)), 2, { 0, 0x541c } },
	{ "ioctl", BOTH(ALLOW), 2, { 0x5412, 0x5401 } },
	{ "ioctl", BOTH(ALLOW), 2, { 0, 0x5413 } },

	{ "personality", BOTH(ALLOW), 1, { 0 } },
	{ "personality", BOTH(ALLOW), 1, { 8 } },
	{ "personality", BOTH(ALLOW), 1, { 0x20000 } },
	{ "personality", BOTH(ALLOW), 1, { 0x20008 } },
	{ "personality", BOTH(ALLOW), 1, { 0x40000 } },
	{ "personality", BOTH(ALLOW), 1, { 0xffffffff } },
	{ "personality", BOTH(ANSWER(EPERM)), 1, { 0x400000 } }, /* executable data */
	{ "personality", BOTH(ANSWER(EPERM)), 1, { 0x100000 } }, /* page 0 */
	{ "personality", BOTH(ANSWER(EPERM)), 1, { 0x440000 } },
	{ "personality", BOTH(ANSWER(EPERM)), 1, { 1 } },

	{ "prlimit64", BOTH(ALLOW), 2, { 0, 7 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 2, { 1, 7 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 2, { 0x80000000, 7 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 2, { 0xffffffff, 7 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 2, { 1, RLIMIT_CORE } },
	/* To read the limit of core files. */
	{ "prlimit64", BOTH(ALLOW), 4, { 0, RLIMIT_CORE, 0, ANY }, true, { 0 } },
	{ "prlimit64", BOTH(ALLOW), 4, { 0, RLIMIT_CORE, 0, ANY }, true, { 1, 1, 0, 1 } },
	{ "prlimit64", BOTH(ALLOW), 4, { 0, RLIMIT_CORE, 0, 0 }, true, { 0 } },
	/* To set it: not done, whatever half of a pointer is 0. */
	{ "prlimit64", BOTH(ANSWER(0)), 4, { 0, RLIMIT_CORE, ANY, 0 }, true, { 0 } },
	{ "prlimit64", BOTH(ANSWER(0)), 4, { 0, RLIMIT_CORE, 0, 0 }, true, { 0, 0, 1, 0 } },
	{ "prlimit64", BOTH(ANSWER(0)), 4, { 0, RLIMIT_CORE, ANY, 0 }, true, { 1, 1, 1, 0 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 4, { 0, RLIMIT_CORE, ANY, ANY }, true, { 0 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 4, { 0, RLIMIT_CORE, 0, ANY }, true, { 0, 0, 1, 0 } },
	{ "prlimit64", BOTH(ANSWER(EPERM)), 4, { 0, RLIMIT_CORE, ANY, 0 }, true, { 0, 0, 0, 1 } },
	{ "setrlimit", BOTH(ANSWER(0)), 1, { RLIMIT_CORE } },
	{ "setrlimit", BOTH(ALLOW), 1, { RLIMIT_NOFILE } },
	{ "setrlimit", BOTH(ALLOW), 1, { 0xffffffff } },
	{ "getrlimit", BOTH(ALLOW), 1, { RLIMIT_CORE } },
#undef BOTH
};

/* --- running ------------------------------------------------------------- */

struct failures {
	unsigned count;
	unsigned report; /* print no more than this many */
};

static void expect(struct failures *failures, const char *filter, const char *call, int number,
		   uint32_t found, uint32_t expected)
{
	if (found == expected)
		return;
	if (failures->count++ < failures->report)
		printf("# %s: %s (%d) answers 0x%08x, expected 0x%08x\n", filter, call, number,
		       found, expected);
}

static uint32_t run_row(const struct seccomp_program *program, struct seccomp_data data,
			const struct call_row *row, uint64_t unused, uint64_t high)
{
	for (size_t i = 0; i < 6; i++) {
		uint64_t own =
			row->has_high && i < row->count ? (uint64_t)row->high[i] << 32 : high;

		data.args[i] = own | (i < row->count ? row->arguments[i] : unused);
	}
	return bpf_run(program->code, program->count, &data);
}

static void check_row(const struct architecture *architecture,
		      const struct seccomp_program *program, enum seccomp_audience audience,
		      const struct call_row *row, struct failures *failures)
{
	struct seccomp_data data = { .arch = architecture->audit };
	bool is_guest = audience == SECCOMP_FOR_GUEST;
	uint32_t expected = is_guest ? row->guest : row->command;
	int number = seccomp_numbers_find(&architecture->numbers, row->call, strlen(row->call));

	data.nr = number;
	for (unsigned variant = 0; variant < 4; variant++)
		expect(failures, is_guest ? "guest" : "command", row->call, number,
		       run_row(program, data, row, variant & 1 ? 0xffffffff : 0,
			       variant & 2 ? 0xffffffff00000000 : 0),
		       expected);
}

static void check_numbers(const struct architecture *architecture,
			  const struct seccomp_program *program, struct failures *failures)
{
	for (int number = 0; number <= SECCOMP_MAX_NUMBER; number++) {
		struct seccomp_data data = { .nr = number, .arch = architecture->audit };

		expect(failures, architecture->name, "call", number,
		       bpf_run(program->code, program->count, &data),
		       architecture->expected[number]);
	}
}

static void check_architecture(const struct architecture *architecture,
			       const struct seccomp_policy *policy, bool has_oracle,
			       struct failures *failures)
{
	for (enum seccomp_audience audience = SECCOMP_FOR_GUEST; audience <= SECCOMP_FOR_COMMAND;
	     audience++) {
		struct seccomp_program program;

		if (seccomp_compile(policy, architecture->audit, audience, &program, NULL) < 0) {
			failures->count++;
			continue;
		}
		for (size_t i = 0; i < ARRAY_LENGTH(call_rows); i++)
			check_row(architecture, &program, audience, &call_rows[i], failures);
		if (has_oracle)
			check_numbers(architecture, &program, failures);
	}
}

unsigned expectations_failed(const char *policy, size_t bytes, bool has_oracle, unsigned report)
{
	struct failures failures = { 0, report };

	for (size_t i = 0; i < architecture_count; i++) {
		static struct seccomp_policy parsed;
		struct error err = ERROR_INIT;

		if (seccomp_policy_parse(policy, bytes, &architectures[i].numbers, &parsed, &err) <
		    0) {
			if (failures.count++ < report)
				printf("# %s\n", err.message);
			continue;
		}
		check_architecture(&architectures[i], &parsed, has_oracle, &failures);
	}
	return failures.count;
}

char *read_whole_file(const char *path, size_t *bytes)
{
	CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
	char *text = calloc(1, MAX_FILE_BYTES);

	if (!file || !text) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	*bytes = fread(text, 1, MAX_FILE_BYTES - 1, file);
	return text;
}

void fixture_load(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(architectures); i++) {
		struct architecture *architecture = &architectures[i];
		CLEANUP(cleanup_free) char *text = NULL;
		struct error err = ERROR_INIT;
		size_t bytes;

		if (access(architecture->numbers_path, R_OK) < 0)
			return;
		text = read_whole_file(architecture->numbers_path, &bytes);
		if (seccomp_numbers_parse(text, bytes, &architecture->numbers, &err) < 0) {
			printf("Bail out! %s\n", err.message);
			exit(1);
		}
		architecture_count++;
	}
}
