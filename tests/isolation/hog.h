/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the hog takes: one entry for each thing that the kernel rations. `take`
 * takes a little more and keeps it until the process ends; -1 with errno when
 * there is no more. A storm never returns.
 */

struct hog_quota {
	const char *name;
	int (*take)(void);
	/* Stops there: more proves nothing, and takes long. */
	unsigned most;
};

struct hog_storm {
	const char *name;
	void (*run)(void);
};

/* Both end with a NULL name. */
extern const struct hog_quota hog_quotas[];
extern const struct hog_storm hog_storms[];
