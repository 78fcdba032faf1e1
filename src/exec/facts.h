/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox of this server is like, as probed by its backend: the material
 * of the tool description that the model reads. Plain data, no ownership.
 */

#include <stdbool.h>
#include <stdint.h>

struct exec_facts {
	char system[96];     /* "Debian 12 userland"; empty if unknown */
	char image[256];     /* as the user named it; empty for the default */
	char shell[256];     /* what runs `command`: "/bin/bash"; empty: no command mode */
	char user[64];	     /* "root", "uid 1000"; empty if unknown */
	char directory[256]; /* where commands start: "/workspace"; empty if unknown */
	char programs[256];  /* worth naming: "python3, git, node"; empty if none */
	char caveats[256];   /* further sentences, e.g. what a single-uid map cannot do */
	bool has_network;
	bool saves_output; /* of commands that get none of it back: a notice names the files */
	/* 0: not limited by us. */
	uint64_t disk_bytes;
	uint64_t memory_bytes;
	uint64_t processes;
};
