/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox is denied and what is hidden from it, as data: applied by
 * setup.c and confine.c in the static executable, printed by `doctor
 * --show-policy` in the server. The system calls have a file of their own
 * (seccomp.policy). Lists end with a NULL name.
 */

#include <stdbool.h>
#include <stddef.h>

/* /proc: shows of the host's kernel what a sandbox has no business with. Files become empty (the
 * zygote's own null device), directories an empty one. What a kernel lacks is passed over. */
extern const char *const policy_masked_files[];
extern const char *const policy_masked_directories[];
extern const char *const policy_read_only_directories[];

/* All that is in /dev beside terminals, shared memory and message queues of the sandbox's own. */
struct policy_node {
	const char *name;
	unsigned major;
	unsigned minor;
};
#define POLICY_NODES 6
extern const struct policy_node policy_nodes[POLICY_NODES];

/* Kernel settings of the sandbox's own namespaces, below /proc/sys. */
enum policy_scope {
	POLICY_OF_USERS,   /* of its user namespace */
	POLICY_OF_NETWORK, /* of its network, which is made before it (zygote/cradle.h) */
};
struct policy_setting {
	const char *path;
	const char *value;
	bool is_optional; /* older kernels do not know it */
	enum policy_scope scope;
};
extern const struct policy_setting policy_settings[];

/* What root of a sandbox may do, all of it only within the sandbox's own namespaces. */
struct policy_capability {
	const char *name;
	unsigned number;
};
extern const struct policy_capability policy_capabilities[];

/* Soft and hard. Open files are beside these: they depend on what the server itself has. */
struct policy_limit {
	const char *name;
	int resource; /* RLIMIT_ */
	unsigned long value;
};
extern const struct policy_limit policy_limits[];
