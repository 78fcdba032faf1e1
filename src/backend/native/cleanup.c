/* SPDX-License-Identifier: MIT */
#include "backend/native/cleanup.h"

#include "backend/native/cgroup_find.h"
#include "backend/native/cgroup_remove.h"
#include "backend/native/cgroup_scope.h"
#include "backend/native/image_cache.h"
#include "backend/native/image_walk.h"
#include "backend/owner.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REASON_BYTES 512

struct cleaning {
	const struct owner_state *state;
	const struct cleanup_request *request; /* NULL at a start: everything is logged */
	unsigned seen_groups;
	bool is_systemd_deaf; /* it did not answer once: that is enough waiting */
};

static void tell(const struct cleaning *cleaning, enum cleanup_fate fate, const char *what,
		 const char *why)
{
	static const char *const events[] = {
		[CLEANUP_REMOVED] = "leftover_removed",
		[CLEANUP_KEPT] = "leftover_kept",
		[CLEANUP_FAILED] = "leftover_kept",
	};

	if (cleaning->request)
		cleaning->request->found(cleaning->request->context, fate, what, why);
	else
		log_event(fate == CLEANUP_REMOVED ? LOG_INFO : LOG_WARNING, events[fate],
			  LOG_STRING("what", what), LOG_STRING("reason", why));
}

static uint64_t deadline_of(const struct cleaning *cleaning)
{
	return cleaning->request ? clock_now_ms() + LIMIT_CLEANUP_WAIT_MS : 0;
}

/* --- scopes of systemd (cgroup_scope.h) --------------------------------------------- */

/* As owner_name and then the suffix. */
static bool is_scope(const char *name)
{
	return strlen(name) >= OWNER_NAME_BYTES - 1 &&
	       strcmp(name + OWNER_NAME_BYTES - 1, CGROUP_SCOPE_SUFFIX) == 0;
}

/* The group at `path` (heap), or the scope that its owner had for it. */
static char *whole_of(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	CLEANUP(cleanup_free)
	char *parent = alloc_printf("%.*s", (int)(name - path) - 1, path);
	const char *scope = strrchr(parent, '/');

	if (scope && is_scope(scope + 1) && strncmp(scope + 1, name, OWNER_NAME_BYTES - 1) == 0)
		return TAKE_PTR(parent);
	return alloc_string(path);
}

/* One that is, or may be, empty. Other groups need no stop. */
static int stop_scope(struct cleaning *cleaning, const char *name, struct error *err)
{
	if (!is_scope(name))
		return 0;
	if (cleaning->is_systemd_deaf)
		return error_set(err, ERROR_UNAVAILABLE, "systemd did not answer before");
	cleaning->is_systemd_deaf = cgroup_scope_stop(name, err) < 0;
	return cleaning->is_systemd_deaf ? -1 : 0;
}

/* --- what was written down -------------------------------------------------------- */

static int remove_directory(int parent_fd, const char *name, struct error *err)
{
	struct stat status;

	if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "looking at %s", name);
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid())
		return error_set(err, ERROR_CONFIG, "%s is not a directory of this user", name);
	return walk_remove(parent_fd, name, err);
}

static int remove_recorded_group(struct cleaning *cleaning, int parent_fd, const char *name,
				 struct error *err)
{
	/* Those that die go by themselves; to stop a scope would be to kill them. */
	if (is_scope(name) && cgroup_is_populated(parent_fd, name))
		return error_set(err, ERROR_BUSY, "processes are in the control group %s", name);
	if (stop_scope(cleaning, name, err) < 0)
		return -1;
	return cgroup_remove(parent_fd, name, deadline_of(cleaning), err);
}

static int remove_recorded(void *context, enum owner_kind kind, const char *recorded,
			   struct error *err)
{
	struct cleaning *cleaning = context;
	CLEANUP(cleanup_free)
	char *path = kind == OWNER_CGROUP ? whole_of(recorded) : alloc_string(recorded);
	const char *name = strrchr(path, '/') + 1;
	CLEANUP(cleanup_free)
	char *parent = alloc_printf("%.*s", (int)(name - path), path);
	CLEANUP(cleanup_fd) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_fd)
	int parent_fd =
		path_open_beneath(root_fd, parent[1] ? parent + 1 : ".", O_RDONLY | O_DIRECTORY, 0);
	int result;

	if (parent_fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "opening %s", parent);
	if (faccessat(parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (kind == OWNER_CGROUP)
		result = remove_recorded_group(cleaning, parent_fd, name, err);
	else
		result = remove_directory(parent_fd, name, err);
	if (result == 0)
		tell(cleaning, CLEANUP_REMOVED, path, "its server is dead");
	return result;
}

static void tell_kept(void *context, const char *id, const char *reason)
{
	char what[OWNER_ID_BYTES + sizeof("server ")];

	(void)snprintf(what, sizeof(what), "server %s", id);
	tell(context, CLEANUP_FAILED, what, reason);
}

static void sweep(struct cleaning *cleaning)
{
	const struct owner_remover remover = { remove_recorded, tell_kept, cleaning };

	owner_sweep(cleaning->state, &remover);
}

void native_sweep(void)
{
	struct owner_state state;
	struct cleaning cleaning = { .state = &state };

	/* What is wrong with the directory is told when it is used. */
	if (owner_state_find(&state, NULL) <= 0)
		return;
	sweep(&cleaning);
	owner_state_finish(&state);
}

/* --- control groups that nobody wrote down ------------------------------------------- */

static char *path_of(int parent_fd, const char *name)
{
	char parent[LIMIT_PATH_BYTES];
	char link[64];
	ssize_t length;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", parent_fd);
	length = readlink(link, parent, sizeof(parent));
	return length < 0 ? alloc_string(name) : alloc_printf("%.*s/%s", (int)length, parent, name);
}

/* A directory of the kernel may look younger than it is, never older. */
static bool is_old_enough(const struct cleaning *cleaning, int parent_fd, const char *name,
			  char reason[REASON_BYTES])
{
	int64_t older_than_s = cleaning->request->older_than_s;
	struct stat status;
	int64_t age_s;

	if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	age_s = time(NULL) -
		(status.st_mtime > status.st_ctime ? status.st_mtime : status.st_ctime);
	if (older_than_s >= 0 && age_s >= older_than_s)
		return true;
	(void)snprintf(reason + strlen(reason), REASON_BYTES - strlen(reason),
		       "; --older-than removes it (age: %lld s)", (long long)age_s);
	return false;
}

/* Whether it goes, and why or why not. */
static bool judge(const struct cleaning *cleaning, int parent_fd, const char *name,
		  char reason[REASON_BYTES])
{
	char id[OWNER_ID_BYTES] = "";
	enum owner_claim claim = owner_parse_name(cleaning->state, name, id);
	enum owner_life life = owner_look(cleaning->state, id);

	/* Whoever made the label: a lock that is held is a server that lives. */
	if (life == OWNER_LIVES) {
		(void)snprintf(reason, REASON_BYTES, "its server lives");
		return false;
	}
	if (claim == OWNER_CLAIM_OURS && life == OWNER_DEAD) {
		(void)snprintf(reason, REASON_BYTES, "its server is dead");
		if (!cgroup_is_populated(parent_fd, name))
			return true;
		(void)snprintf(reason, REASON_BYTES, "its server is dead, but processes are in it");
		return is_old_enough(cleaning, parent_fd, name, reason);
	}
	(void)snprintf(reason, REASON_BYTES, "%s",
		       claim == OWNER_CLAIM_OURS ? "the lock file of its server is not here"
						 : "it was not made by this user's servers here");
	return is_old_enough(cleaning, parent_fd, name, reason);
}

static int remove_found(struct cleaning *cleaning, int parent_fd, const char *name,
			struct error *err)
{
	char id[OWNER_ID_BYTES];
	uint64_t deadline_ms = deadline_of(cleaning);

	/* Another user's servers had it from another manager. */
	if (owner_parse_name(cleaning->state, name, id) == OWNER_CLAIM_OURS &&
	    stop_scope(cleaning, name, err) < 0)
		return -1;
	return cleaning->request->older_than_s >= 0
		       ? cgroup_kill_and_remove(parent_fd, name, deadline_ms, err)
		       : cgroup_remove(parent_fd, name, deadline_ms, err);
}

static void examine(struct cleaning *cleaning, int parent_fd, const char *name)
{
	CLEANUP(cleanup_free) char *path = path_of(parent_fd, name);
	char reason[REASON_BYTES] = "";
	struct error err = ERROR_INIT;

	if (!judge(cleaning, parent_fd, name, reason)) {
		tell(cleaning, CLEANUP_KEPT, path, reason);
		return;
	}
	if (cleaning->request->is_dry_run || remove_found(cleaning, parent_fd, name, &err) == 0)
		tell(cleaning, CLEANUP_REMOVED, path, reason);
	else
		tell(cleaning, CLEANUP_FAILED, path, err.message);
}

static void visit(struct cleaning *cleaning, struct walk *walk, const struct walk_entry *entry)
{
	char id[OWNER_ID_BYTES];

	if (owner_parse_name(cleaning->state, entry->name, id) != OWNER_CLAIM_NONE)
		examine(cleaning, entry->parent_fd, entry->name);
	else if (++cleaning->seen_groups < LIMIT_CLEANUP_GROUPS)
		(void)walk_enter(walk, entry, NULL);
}

static void search(struct cleaning *cleaning, const char *directory)
{
	struct walk_entry entry = { .parent_fd = -1 };
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk *walk = fd < 0 ? NULL : walk_create(fd, NULL);
	int event;

	cleaning->seen_groups = 0;
	while (walk && (event = walk_next(walk, &entry, NULL)) >= 0 && event != WALK_FINISH) {
		if (event == WALK_ENTRY && entry.is_directory)
			visit(cleaning, walk, &entry);
	}
	walk_destroy(walk);
	if (cleaning->seen_groups >= LIMIT_CLEANUP_GROUPS)
		tell(cleaning, CLEANUP_FAILED, directory,
		     "it has too many control groups to look at all of them");
}

/* The whole hierarchy, as far as it can be seen, or what is below our own group. */
static const char *widest(const char *top, const char *own)
{
	return top ? top : own;
}

static void search_groups(struct cleaning *cleaning)
{
	static const char roots[] = "0::/\n1:memory:/\n2:pids:/\n3:cpu:/\n";
	CLEANUP(buf_finish) struct buf mounts = BUF_INIT(LIMIT_MOUNTS_BYTES);
	CLEANUP(cgroup_place_finish) struct cgroup_place own = { .v2 = NULL };
	CLEANUP(cgroup_place_finish) struct cgroup_place top = { .v2 = NULL };
	const char *searched[CGROUP_CONTROLLERS + 1] = { NULL };

	if (cgroup_find(0, &own, NULL) < 0 ||
	    fd_read_file("/proc/self/mountinfo", &mounts, NULL) < 0 ||
	    buf_append_byte(&mounts, '\0') < 0)
		return;
	cgroup_find_parse(roots, mounts.data, &top);
	searched[CGROUP_CONTROLLERS] = widest(top.v2, own.v2);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		searched[i] = widest(top.v1[i], own.v1[i]);
	for (size_t i = 0; i <= CGROUP_CONTROLLERS; i++) {
		size_t same = 0;

		/* Controllers that are mounted together. */
		while (searched[i] && same < i &&
		       (!searched[same] || strcmp(searched[same], searched[i]) != 0))
			same++;
		if (searched[i] && same == i)
			search(cleaning, searched[i]);
	}
}

/* --- images ---------------------------------------------------------------------------- */

static bool found_partial(void *context, const char *path, bool is_in_use)
{
	const struct cleaning *cleaning = context;

	if (is_in_use)
		tell(cleaning, CLEANUP_KEPT, path, "a server is unpacking it");
	return !cleaning->request->is_dry_run;
}

static void partial_removed(void *context, const char *path, const struct error *err)
{
	if (err->kind == ERROR_NONE)
		tell(context, CLEANUP_REMOVED, path, "whoever unpacked it is dead");
	else
		tell(context, CLEANUP_FAILED, path, err->message);
}

static void search_images(struct cleaning *cleaning)
{
	const struct image_cache_visitor visitor = { found_partial, partial_removed, cleaning };
	struct image_cache *cache = image_cache_find();

	if (cache)
		image_cache_sweep(cache, &visitor);
	image_cache_destroy(cache);
}

void native_cleanup(const struct backend_config *config, const struct cleanup_request *request)
{
	struct error err = ERROR_INIT;
	struct owner_state state;
	struct cleaning cleaning = { .state = &state, .request = request };
	int is_kept = owner_state_find(&state, &err);

	(void)config;
	if (is_kept < 0)
		tell(&cleaning, CLEANUP_FAILED, "the state directory", err.message);
	if (is_kept <= 0)
		owner_state_pretend(&state);
	/* Before the lock files go, which say that their servers are dead. */
	search_groups(&cleaning);
	search_images(&cleaning);
	if (is_kept > 0 && !request->is_dry_run)
		sweep(&cleaning);
	owner_state_finish(&state);
}
