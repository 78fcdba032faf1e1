/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The zygote: the one process that makes namespaces. It is the static guest
 * executable, started by the server from a sealed memory file before the server
 * has threads, single-threaded, with an empty environment and one socket.
 *
 *   server                          zygote
 *     | ---- posix_spawn ------------> | private mount namespace
 *     | <------ HELLO ---------------- | (own user namespace unless root)
 *     | ---- MAPPED -----------------> | ids, minimal root
 *     | ---- REGISTER + plan --------> | template of the image
 *     | ---- SEAL -------------------> | host's root detached for ever
 *     | ---- JANITOR + groups -------> | as root: fork --> removes them when all is over
 *     |
 *     | ---- CRADLE + report, groups > | fork --> cradle: enters its control groups,
 *     |                                |          makes a network, and waits
 *     | ---- SPAWN + guest, on report ----------> | clone3 --> sandbox's PID 1
 *     | <--- STARTED + pidfd, on report --------- | ids, mounts > set-up, in order
 *     |                                           | exits            |
 *     | <--- FAILED on report, or its end-of-file: it is ready ----- |
 *     | <======================= guest protocol ===================> guest_run
 *
 * Each CRADLE brings the socket that all of its answers come on, so any number of
 * server threads may ask at once without a lock, and whoever gives up just closes
 * its end, which also ends a cradle that waits. SPAWN may be sent right after
 * CRADLE or much later. The zygote keeps no descriptor and no record of cradles
 * and sandboxes; both are its children, the kernel reaps them (SIGCHLD ignored),
 * and the pidfd is the server's.
 *
 * Everything ends with the server: the zygote by end-of-file on its socket (and
 * PR_SET_PDEATHSIG), every cradle and sandbox by end-of-file on its own socket and
 * by the zygote's death, the janitor when it has removed the groups. The server
 * trusts the zygote, the cradle and the child until the end-of-file on report: no
 * hostile code runs before it.
 */

#include "base/attr.h"
#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

#define ZYGOTE_MAX_IMAGES 4u
/* Of a sentence that says what failed; longer ones are cut. */
#define ZYGOTE_TEXT_BYTES 512
/* Of the name of a group. */
#define ZYGOTE_NAME_BYTES 96
/* Most descriptors with one packet: a report socket and control groups. */
#define ZYGOTE_MAX_FDS 6u
#define ZYGOTE_MAX_CGROUPS (ZYGOTE_MAX_FDS - 1)
/* An id range of one sandbox: uid_t as small systems have it. */
#define ZYGOTE_ID_RANGE 65536u

enum zygote_operation {
	ZYGOTE_MAPPED,	 /* root: an id range, to try things with. Else id_count: 1: the zygote maps
			    its own user alone; more: that many are mapped already */
	ZYGOTE_REGISTER, /* image; with it the plan (zygote/plan.h), a sealed memory file */
	ZYGOTE_SEAL,	 /* no more images; from here on only CRADLE */
	ZYGOTE_JANITOR,	 /* as root: with it a socket that the server holds open to its end, and
			    the directories in which the groups called `name` are (janitor.h) */
	ZYGOTE_CRADLE,	 /* with it the report socket's end, and directories of control groups */
	ZYGOTE_SPAWN,	 /* to a cradle: image, ids and limits; with it the guest socket's end */
};

/*
 * How a sandbox's files are laid out. An overlay notes down in extended attributes that a directory
 * was made anew in place of one that was removed: an ordinary user's overlay in attributes that
 * files in memory have from Linux 6.6, the host root's in such as they always had.
 */
enum zygote_layering {
	ZYGOTE_LAYERING_USER, /* overlays that the sandbox's own root mounts */
	/* Overlays that the host's root mounts, and hands over. Whether a command may open a file
	 * is then asked only of the overlay's own owners and modes, so nothing that is made may
	 * open up a closed directory below it (template.c). Zygote of root alone. */
	ZYGOTE_LAYERING_TRUSTED,
	/* Overlays are read-only, and the root is no overlay. Not for images with a ROOT step. */
	ZYGOTE_LAYERING_READ_ONLY,
};

struct zygote_request {
	uint32_t operation; /* enum zygote_operation */
	uint32_t image;
	uint32_t layering; /* REGISTER: enum zygote_layering */
	uint32_t id_base;  /* first id of the range, as the zygote's user namespace counts */
	uint32_t id_count;
	uint64_t disk_bytes;
	uint64_t disk_inodes;
	uint32_t nofile_soft;
	uint32_t nofile_hard;
	/* Where no control group holds it; 0: one does. */
	uint64_t process_memory_bytes; /* of each process; of System V shared memory in all */
	uint32_t process_count;	       /* processes and threads */
	/* Each user's in the sandbox, started by commands; less than the guest may start
	 * (LIMIT_RESERVED_PIDS). */
	uint32_t command_processes;
	uint32_t wants_storage; /* STORAGE is to be reported */
	/* JANITOR; NUL-terminated: of the groups, and of a file that goes when they are gone, in
	 * the directory after theirs; empty: there is none. */
	char name[ZYGOTE_NAME_BYTES];
	char file_name[ZYGOTE_NAME_BYTES];
	/* CRADLE and JANITOR: */
	uint32_t cgroup_count;	   /* <= ZYGOTE_MAX_CGROUPS */
	uint32_t has_unified;	   /* the first group is of version 2 */
	uint32_t optional_cgroups; /* bit I: group I only weighs (v1 cpu); a kernel that bars
				      real-time processes from it (EINVAL) is passed over */
};

enum zygote_kind {
	ZYGOTE_HELLO,	/* id_mode says how the zygote came up */
	ZYGOTE_DONE,	/* MAPPED, REGISTER or SEAL succeeded */
	ZYGOTE_STARTED, /* SPAWN: PID 1 exists; with it its pidfd */
	ZYGOTE_STORAGE, /* SPAWN: before or after STARTED; with it the file system that it writes to
			 */
	ZYGOTE_FAILED,	/* `text` says what failed, `error_number` why */
};

enum zygote_id_mode {
	ZYGOTE_PRIVILEGED, /* root: ranges of host ids */
	ZYGOTE_ROOTLESS,   /* a user namespace of its own: its ids are what it was mapped */
};

/* What was being set up when something failed, for the sentence that tells how to cure it. */
enum zygote_area {
	ZYGOTE_AREA_NONE,
	ZYGOTE_AREA_NAMESPACES,
	ZYGOTE_AREA_CGROUP,
	ZYGOTE_AREA_IDS,
	ZYGOTE_AREA_IMAGE,
	ZYGOTE_AREA_OVERLAY,
	ZYGOTE_AREA_PROC,
	ZYGOTE_AREA_FILTER,
};

struct zygote_report {
	uint32_t kind;	  /* enum zygote_kind */
	uint32_t id_mode; /* HELLO */
	/* DONE of REGISTER: what an image brings belongs to the id range of MAPPED, which all
	 * sandboxes must then have. */
	uint32_t shares_ids;
	uint32_t area;	     /* FAILED: enum zygote_area */
	uint32_t error_kind; /* enum error_kind */
	int32_t error_number;
	char text[ZYGOTE_TEXT_BYTES]; /* NUL-terminated */
};

/* Serves until end-of-file on `socket_fd`. Does not return. */
ATTR_NORETURN void zygote_run(int socket_fd);

/* Both ends of all sockets: one packet, with `fd_count` (<= ZYGOTE_MAX_FDS) descriptors. */
int zygote_send(int socket_fd, const void *packet, size_t bytes, const int *fds, unsigned fd_count,
		struct error *err);
/* A packet of exactly `bytes`; fds[] gets the descriptors, -1 where none came; surplus ones are
 * closed. 1, 0 at end-of-file, -1. ECONNRESET comes once, if the other end was closed with a packet
 * of ours unread; what it had sent before that comes next. */
int zygote_receive(int socket_fd, void *packet, size_t bytes, int *fds, unsigned fd_count,
		   struct error *err);
/* What went wrong and in which area, for the other side. */
void zygote_report_failure(int socket_fd, enum zygote_area area, const struct error *err);
