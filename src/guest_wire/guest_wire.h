/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The fixed-size messages that guest and server exchange. Pure: encoding and
 * decoding touch nothing but their arguments, on both ends.
 *
 * A message is a header (type, length of the body; 32 bits each, little-endian
 * as all numbers here) and a body whose length follows from the type. It travels
 * in one of two forms (docs/protocol.md):
 *
 * Packet form, in use: one message is one SOCK_SEQPACKET packet. A sandbox has
 * one socket; every command has a socket pair of its own.
 *   server -> guest, sandbox's socket: EXEC with five descriptors by SCM_RIGHTS
 *     (the request as a sealed memory file, see guest_wire/request.h; stdin,
 *     stdout, stderr; one end of the command's socket pair), SAVE with two (a
 *     pipe to read from; one end of a socket pair of its own), SHUTDOWN.
 *   guest -> server, sandbox's socket: READY, first and once. COUNTERS has its
 *     number and is not defined yet.
 *   supervisor -> server, command's socket: STARTED and then EXITED, or FAILED
 *     alone. End-of-file follows when nothing of the command is left.
 *   server -> supervisor, command's socket: KILL, at any time until end-of-file.
 *     The supervisor kills the command with all its descendants and closes.
 *     End-of-file before EXITED means KILL; after EXITED it means that background
 *     processes live on.
 *   on the socket of a SAVE likewise: SAVED or FAILED from the sandbox, KILL from
 *     the server, end-of-file when nothing of it is left.
 *
 * Frame form, specified and not built: the same messages over one byte stream
 * where descriptors cannot pass. Each is preceded by the number of its command
 * (0: the sandbox), and stdin, stdout, stderr and the request travel as messages.
 *
 * Both ends are of one build (guest_wire/build_id.h): there are no versions, and
 * every unknown type, wrong length or value out of range is a broken peer.
 */

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

#define GUEST_WIRE_BUILD_ID_BYTES 32
#define GUEST_WIRE_HEADER_BYTES 8
#define GUEST_WIRE_MAX_BODY_BYTES 48
#define GUEST_WIRE_MAX_BYTES (GUEST_WIRE_HEADER_BYTES + GUEST_WIRE_MAX_BODY_BYTES)

enum guest_wire_type {
	GUEST_WIRE_EXEC = 1,
	GUEST_WIRE_SAVE = 2,
	GUEST_WIRE_SHUTDOWN = 3,
	GUEST_WIRE_KILL = 16,
	GUEST_WIRE_STARTED = 32,
	GUEST_WIRE_EXITED = 33,
	GUEST_WIRE_FAILED = 34,
	GUEST_WIRE_SAVED = 35,
	GUEST_WIRE_READY = 48,
	GUEST_WIRE_COUNTERS = 49, /* reserved */
};

/* The descriptors that come with EXEC, in this order. */
enum guest_wire_exec_fd {
	GUEST_WIRE_FD_REQUEST,
	GUEST_WIRE_FD_STDIN,
	GUEST_WIRE_FD_STDOUT,
	GUEST_WIRE_FD_STDERR,
	GUEST_WIRE_FD_STATUS,
	GUEST_WIRE_EXEC_FDS,
};

struct guest_wire_exec {
	uint32_t request_bytes;	    /* size of the memory file */
	uint32_t argument_count;    /* at least 1 */
	uint32_t environment_count; /* GUEST_WIRE_INHERIT: the guest's own environment */
};

#define GUEST_WIRE_INHERIT UINT32_MAX

/* The descriptors that come with SAVE, in this order. */
enum guest_wire_save_fd {
	GUEST_WIRE_SAVE_FD_DATA, /* all of stdout, then all of stderr */
	GUEST_WIRE_SAVE_FD_STATUS,
	GUEST_WIRE_SAVE_FDS,
};

/* A pair is two files, NUMBER.stdout and NUMBER.stderr, in this directory, which is made where the
 * guest was told to (/tmp). */
#define GUEST_WIRE_SAVE_DIRECTORY ".kilntainers"

struct guest_wire_save {
	uint32_t number;       /* of the pair to be written; at least 1 */
	uint32_t stdout_bytes; /* together at least 1, at most LIMIT_SAVED_BYTES */
	uint32_t stderr_bytes;
	uint32_t removed[LIMIT_SAVED_PAIRS]; /* earlier pairs to be removed first; 0: none */
};

enum guest_wire_reason {
	GUEST_WIRE_ENDED = 1,  /* the command's main process ended by itself */
	GUEST_WIRE_KILLED = 2, /* on KILL or end-of-file; nothing of it is left */
};

/* What the sandbox's disks looked like when a command had failed. */
enum guest_wire_disk {
	GUEST_WIRE_DISK_HAS_ROOM = 0, /* or nobody looked */
	GUEST_WIRE_DISK_FULL = 1,     /* not one block is left */
	GUEST_WIRE_DISK_NO_FILES = 2, /* not one file more, however small */
};

struct guest_wire_exited {
	enum guest_wire_reason reason;
	uint32_t exit_code; /* 0-255; 0 if a signal ended it */
	uint32_t signal;    /* 0: it exited */
	uint64_t user_us;   /* processor time of the main process and its waited-for children */
	uint64_t system_us;
	uint64_t max_rss_kib;
	uint64_t duration_us;	   /* wall time of the main process, from its start to its end */
	enum guest_wire_disk disk; /* never full after exit code 0: nobody looks then */
};

enum guest_wire_step {
	GUEST_WIRE_STEP_DIRECTORY = 1, /* the working directory */
	GUEST_WIRE_STEP_PROGRAM = 2,   /* execve */
	GUEST_WIRE_STEP_PROCESS = 3,   /* fork: out of processes or memory */
	/* Of a SAVE only; PROCESS may fail there too. */
	GUEST_WIRE_STEP_SAVE_DIRECTORY = 4, /* where the pairs are */
	GUEST_WIRE_STEP_SAVE_SPACE = 5,	    /* less than twice the size is free */
	GUEST_WIRE_STEP_SAVE_FILE = 6,	    /* making or writing one of the two */
};

struct guest_wire_failed {
	enum guest_wire_step step;
	uint32_t errno_value;
};

struct guest_wire_ready {
	unsigned char build_id[GUEST_WIRE_BUILD_ID_BYTES];
};

struct guest_wire_message {
	enum guest_wire_type type;
	union {
		struct guest_wire_exec exec;
		struct guest_wire_save save;
		struct guest_wire_exited exited;
		struct guest_wire_failed failed;
		struct guest_wire_ready ready;
	};
};

/* Returns the number of bytes written. The message is our own: it must be valid. */
size_t guest_wire_encode(unsigned char packet[GUEST_WIRE_MAX_BYTES],
			 const struct guest_wire_message *message);
/* 0, or -1 if these bytes are not exactly one valid message. */
int guest_wire_decode(struct guest_wire_message *message, const void *packet, size_t bytes);
