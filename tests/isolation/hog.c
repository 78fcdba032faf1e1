/* SPDX-License-Identifier: MIT */

/*
 * Takes what the kernel rations, inside of a sandbox and beside it. Static, so
 * that it runs in any image, and on the host as whoever the server is.
 *
 *   hog exhaust NAME   takes it until there is no more, prints how often it got it and what
 *                      then stood in the way, and holds it until it is killed
 *   hog try NAME       takes it once; prints "ok" or the error
 *   hog storm NAME     does its worst until it is killed; only in a pid namespace
 */

#include "hog.h"

#include "base/attr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct hog_quota *find_quota(const char *name)
{
	const struct hog_quota *quota = hog_quotas;

	while (quota->name && strcmp(quota->name, name) != 0)
		quota++;
	return quota->name ? quota : NULL;
}

ATTR_NORETURN static void exhaust(const struct hog_quota *quota)
{
	unsigned count = 0;

	errno = 0;
	while (count < quota->most && quota->take() == 0)
		count++;
	printf("%u %s\n", count, count < quota->most ? strerrorname_np(errno) : "enough");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}

static int try_once(const struct hog_quota *quota)
{
	printf("%s\n", quota->take() == 0 ? "ok" : strerrorname_np(errno));
	return 0;
}

/* Storms signal everyone that they can. */
static bool is_in_sandbox(void)
{
	FILE *file = fopen("/proc/1/comm", "re");
	char name[32] = "";
	bool is_guest = file && fgets(name, sizeof(name), file) && !strcmp(name, "kiln-guest\n");

	if (file)
		(void)fclose(file);
	return is_guest;
}

static int storm(const char *name)
{
	if (!is_in_sandbox()) {
		(void)fprintf(stderr, "hog: storms are for sandboxes\n");
		return 3;
	}
	for (const struct hog_storm *each = hog_storms; each->name; each++) {
		if (strcmp(each->name, name) == 0)
			each->run();
	}
	return 2;
}

static void take_all_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	const struct hog_quota *quota = argc == 3 ? find_quota(argv[2]) : NULL;

	take_all_descriptors();
	if (argc == 3 && strcmp(argv[1], "storm") == 0)
		return storm(argv[2]);
	if (quota && strcmp(argv[1], "exhaust") == 0)
		exhaust(quota);
	if (quota && strcmp(argv[1], "try") == 0)
		return try_once(quota);
	(void)fprintf(stderr, "usage: hog exhaust|try|storm NAME\n");
	return 2;
}
