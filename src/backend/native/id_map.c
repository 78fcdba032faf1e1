/* SPDX-License-Identifier: MIT */
#include "backend/native/id_map.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "proc/spawn.h"
#include "zygote/zygote.h"

#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

/* --- the files ------------------------------------------------------------------ */

struct id_range {
	uint64_t first;
	uint64_t count;
};

/* Calls back for each line "NAME:FIRST:COUNT"; others are passed over, as by the tools that own
 * these files. */
static void each_range(const char *path,
		       void (*on_range)(void *context, const char *name, struct id_range range),
		       void *context)
{
	CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		char name[256];
		unsigned long long first, count;

		if (sscanf(line, "%255[^:]:%llu:%llu", name, &first, &count) == 3 &&
		    first <= UINT32_MAX && count <= UINT32_MAX)
			on_range(context, name, (struct id_range){ first, count });
	}
}

/* --- ordinary user --------------------------------------------------------------- */

struct owner {
	char name[256];
	char number[16];
	struct id_range largest;
};

static void keep_largest(void *context, const char *name, struct id_range range)
{
	struct owner *owner = context;

	if (strcmp(name, owner->name) != 0 && strcmp(name, owner->number) != 0)
		return;
	if (range.count > owner->largest.count)
		owner->largest = range;
}

static struct id_range range_of_user(const char *path)
{
	struct owner owner = { .largest = { 0, 0 } };
	struct passwd entry, *found = NULL;
	char strings[4096];

	(void)snprintf(owner.number, sizeof(owner.number), "%u", (unsigned)geteuid());
	if (getpwuid_r(geteuid(), &entry, strings, sizeof(strings), &found) == 0 && found)
		(void)snprintf(owner.name, sizeof(owner.name), "%s", entry.pw_name);
	each_range(path, keep_largest, &owner);
	return owner.largest;
}

static bool has_program(const char *name)
{
	static const char *const directories[] = { "/usr/bin", "/bin", "/usr/local/bin",
						   "/run/wrappers/bin" };
	char path[64];

	for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint32_t id_map_available(bool is_self, const char **why)
{
	struct id_range uids = range_of_user("/etc/subuid");
	struct id_range gids = range_of_user("/etc/subgid");

	if (!has_program("newuidmap") || !has_program("newgidmap")) {
		*why = "newuidmap and newgidmap are not installed (package uidmap)";
		return 1;
	}
	/* A single one of somebody else's would make it a sandbox without any other user. */
	if (uids.count < 2 || gids.count < 2) {
		*why = "this user has no range in /etc/subuid and /etc/subgid";
		return 1;
	}
	*why = "";
	return (uint32_t)least(least(uids.count, gids.count) + is_self, ZYGOTE_ID_RANGE);
}

/* `own`: the id that becomes 0, before those of the range; NULL: the range's first does. */
static int run_mapper(const char *program, pid_t pid, const uint32_t *own,
		      const struct id_range *range, uint32_t count, struct error *err)
{
	char pid_text[16], own_text[16], first_text[24], count_text[16];
	const char *const with_own[] = { program, pid_text,   "0",	  own_text, "1",
					 "1",	  first_text, count_text, NULL };
	const char *const range_alone[] = { program, pid_text, "0", first_text, count_text, NULL };
	const char *const environment[] = { "PATH=/usr/bin:/bin:/usr/local/bin:/run/wrappers/bin",
					    NULL };
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct spawn_child child = SPAWN_CHILD_INIT;
	int status = 0;
	int ended;

	(void)snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	(void)snprintf(own_text, sizeof(own_text), "%u", own ? (unsigned)*own : 0);
	(void)snprintf(first_text, sizeof(first_text), "%llu", (unsigned long long)range->first);
	(void)snprintf(count_text, sizeof(count_text), "%u", own ? count - 1 : count);
	request.path = program;
	request.args = own ? with_own : range_alone;
	request.env = environment;
	if (spawn_start(&child, &request, err) < 0)
		return -1;
	ended = spawn_wait(&child, clock_now_ms() + LIMIT_CREATE_MS, -1, &status);
	spawn_finish(&child);
	if (ended != 1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(
			err, ERROR_UNAVAILABLE,
			"%s could not map this user's ids: see whether it is set-user-id "
			"root (or has its file capability) and whether no_new_privs is off "
			"here",
			program);
	return 0;
}

int id_map_user(pid_t pid, bool is_self, uint32_t *count, struct error *err)
{
	const uint32_t own_uid = geteuid();
	const uint32_t own_gid = getegid();
	struct id_range uids = range_of_user("/etc/subuid");
	struct id_range gids = range_of_user("/etc/subgid");
	const char *why;

	*count = id_map_available(is_self, &why);
	if (*count == 1)
		return 0;
	if (run_mapper("newuidmap", pid, is_self ? &own_uid : NULL, &uids, *count, err) < 0)
		return -1;
	return run_mapper("newgidmap", pid, is_self ? &own_gid : NULL, &gids, *count, err);
}

/* --- root ------------------------------------------------------------------------- */

#define FIRST_RANGE 524288u

enum range_state { RANGE_FREE, RANGE_USED, RANGE_TAKEN_ELSEWHERE };

static void leave_out(void *context, const char *name, struct id_range range)
{
	struct id_ranges *ranges = context;
	uint64_t first = range.first;
	uint64_t end = range.first + range.count;

	(void)name;
	if (first < FIRST_RANGE)
		first = FIRST_RANGE;
	for (uint64_t id = first; id < end;
	     id = (id / ZYGOTE_ID_RANGE + 1) * (uint64_t)ZYGOTE_ID_RANGE) {
		uint64_t index = (id - FIRST_RANGE) / ZYGOTE_ID_RANGE;

		if (index >= ID_RANGES)
			break;
		ranges->state[index] = RANGE_TAKEN_ELSEWHERE;
	}
}

static void leave_out_users(struct id_ranges *ranges)
{
	CLEANUP(cleanup_file) FILE *file = fopen("/etc/passwd", "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned uid;

		if (sscanf(line, "%*[^:]:%*[^:]:%u:", &uid) == 1)
			leave_out(ranges, "", (struct id_range){ uid, 1 });
	}
}

void id_ranges_init(struct id_ranges *ranges)
{
	*ranges = (struct id_ranges){ .lock = PTHREAD_MUTEX_INITIALIZER };
	each_range("/etc/subuid", leave_out, ranges);
	each_range("/etc/subgid", leave_out, ranges);
	leave_out_users(ranges);
}

void id_ranges_finish(struct id_ranges *ranges)
{
	(void)pthread_mutex_destroy(&ranges->lock);
}

/* Users may come from elsewhere than /etc/passwd (LDAP): asked once per range and process. */
static bool is_somebody(uint32_t base)
{
	struct passwd entry, *found = NULL;
	char strings[4096];

	return getpwuid_r(base, &entry, strings, sizeof(strings), &found) == 0 && found;
}

uint32_t id_ranges_take(struct id_ranges *ranges)
{
	uint32_t base = 0;

	(void)pthread_mutex_lock(&ranges->lock);
	for (size_t tried = 0; tried < ID_RANGES && base == 0; tried++) {
		size_t index = (ranges->next + tried) % ID_RANGES;

		if (ranges->state[index] != RANGE_FREE)
			continue;
		base = FIRST_RANGE + (uint32_t)index * ZYGOTE_ID_RANGE;
		ranges->state[index] = RANGE_USED;
		ranges->next = index + 1;
		if (is_somebody(base)) {
			ranges->state[index] = RANGE_TAKEN_ELSEWHERE;
			base = 0;
		}
	}
	(void)pthread_mutex_unlock(&ranges->lock);
	return base;
}

void id_ranges_release(struct id_ranges *ranges, uint32_t base)
{
	(void)pthread_mutex_lock(&ranges->lock);
	ranges->state[(base - FIRST_RANGE) / ZYGOTE_ID_RANGE] = RANGE_FREE;
	(void)pthread_mutex_unlock(&ranges->lock);
}
