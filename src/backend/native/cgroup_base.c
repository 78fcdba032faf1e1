/* SPDX-License-Identifier: MIT */
#include "backend/native/cgroup_base.h"

#include "backend/native/cgroup_file.h"
#include "backend/native/cgroup_remove.h"
#include "backend/native/cgroup_scope.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int write_file(const char *directory, const char *name, const char *text, struct error *err)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s/%s", directory, name);
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "writing \"%s\" to %s", text, path);
	return 0;
}

/* NUL-terminated; "" if it cannot be read. */
static char *read_text(const char *directory, const char *name)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s/%s", directory, name);
	struct buf text = BUF_INIT(LIMIT_MOUNTS_BYTES);
	char *string;

	(void)fd_read_file(path, &text, NULL);
	string = buf_take_string(&text);
	return string ? string : alloc_string("");
}

static bool is_writable(const char *directory, const char *name)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s%s", directory, name);

	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static bool exists(const char *directory, const char *name)
{
	CLEANUP(cleanup_free) char *path = alloc_printf("%s/%s", directory, name);

	return access(path, F_OK) == 0;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (text = strstr(text, word); text; text = strstr(text + 1, word)) {
		char after = text[length];

		if (after == ' ' || after == '\n' || after == '\0')
			return true;
	}
	return false;
}

static void note_controllers(struct cgroup_base *base, const char *directory)
{
	CLEANUP(cleanup_free) char *text = read_text(directory, "cgroup.controllers");

	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		base->holds[i] = has_word(text, cgroup_controller_names[i]);
}

static bool holds_limits(const struct cgroup_base *base)
{
	return base->holds[CGROUP_MEMORY] && base->holds[CGROUP_PIDS];
}

/* --- version 2 -------------------------------------------------------------- */

/* systemd marks what it has handed over (since version 251; before, for root only). */
static bool is_delegated(const char *directory)
{
	char value[2];

	return getxattr(directory, "user.delegate", value, sizeof(value)) == 1 ||
	       getxattr(directory, "trusted.delegate", value, sizeof(value)) == 1;
}

static bool may_divide(const char *directory)
{
	return is_writable(directory, "") && is_writable(directory, "/cgroup.procs") &&
	       is_writable(directory, "/cgroup.subtree_control");
}

/* Only the hierarchy's root may have both processes and divided groups. */
static bool is_true_root(const char *directory)
{
	return !exists(directory, "cgroup.type");
}

static int make_directory(const struct cgroup_base_request *request, const char *path,
			  struct error *err)
{
	request->on_directory(request->context, path);
	if (mkdir(path, 0755) < 0)
		return error_set_errno(err, "making %s", path);
	return 0;
}

/* -1 at the end. */
static long next_pid(char **list)
{
	long pid = strtol(*list, list, 10);

	*list += strspn(*list, "\n");
	return pid > 0 ? pid : -1;
}

/* Moves this process and the zygote aside, as far as they are in the group; anybody else there
 * keeps it from being divided. */
static int clear_group(const struct cgroup_base_request *request, struct cgroup_base *base,
		       const char *directory, struct error *err)
{
	CLEANUP(cleanup_free) char *inside = read_text(directory, "cgroup.procs");
	char *at = inside;
	long pid;

	if (inside[0] == '\0')
		return 0;
	while ((pid = next_pid(&at)) > 0) {
		if (pid != getpid() && pid != request->zygote)
			return error_set(err, ERROR_UNAVAILABLE,
					 "other processes are in the control group %s", directory);
	}
	base->aside = alloc_printf("%s/%s-server", directory, request->name);
	if (make_directory(request, base->aside, err) < 0) {
		cleanup_free(&base->aside);
		return -1;
	}
	at = inside;
	while ((pid = next_pid(&at)) > 0) {
		char number[24];

		(void)snprintf(number, sizeof(number), "%ld", pid);
		if (write_file(base->aside, "cgroup.procs", number, err) < 0)
			return -1;
		if (pid == getpid())
			base->has_moved_self = true;
		else
			base->moved_zygote = request->zygote;
	}
	return 0;
}

static int divide(const struct cgroup_base *base, const char *directory, struct error *err)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "+%s", cgroup_controller_names[i]);
		if (base->holds[i] &&
		    write_file(directory, "cgroup.subtree_control", text, err) < 0)
			return -1;
	}
	return 0;
}

static void take_controllers_back(const char *directory)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "-%s", cgroup_controller_names[i]);
		(void)write_file(directory, "cgroup.subtree_control", text, NULL);
	}
}

/* Puts back what clear_group did. */
static void move_back(struct cgroup_base *base, const char *directory)
{
	char number[24];

	if (!base->aside)
		return;
	/* A group with divided ones below it takes no process. */
	take_controllers_back(directory);
	(void)snprintf(number, sizeof(number), "%ld", (long)base->moved_zygote);
	if (base->has_moved_self)
		(void)write_file(directory, "cgroup.procs", "0", NULL);
	if (base->moved_zygote > 0)
		(void)write_file(directory, "cgroup.procs", number, NULL);
	base->has_moved_self = false;
	base->moved_zygote = 0;
	(void)rmdir(base->aside);
	cleanup_free(&base->aside);
}

static int take_group(const struct cgroup_base_request *request, struct cgroup_base *base,
		      const char *directory, struct error *err)
{
	note_controllers(base, directory);
	if (!holds_limits(base))
		return error_set(err, ERROR_UNAVAILABLE,
				 "the control group %s has no memory and pids controllers",
				 directory);
	if (!may_divide(directory))
		return error_set(err, ERROR_UNAVAILABLE,
				 "the control group %s is not this user's to divide", directory);
	if ((!is_true_root(directory) && clear_group(request, base, directory, err) < 0) ||
	    divide(base, directory, err) < 0) {
		move_back(base, directory);
		return -1;
	}
	base->place.v2 = alloc_string(directory);
	return 0;
}

static int take_scope(const struct cgroup_base_request *request, struct cgroup_base *base,
		      struct error *err)
{
	struct cgroup_place place;
	int result = -1;

	if (cgroup_scope_create(request->zygote, request->name, err) < 0 ||
	    cgroup_find(request->zygote, &place, err) < 0)
		return -1;
	if (place.v2)
		result = take_group(request, base, place.v2, err);
	cgroup_place_finish(&place);
	base->is_scope = result == 0;
	if (base->is_scope)
		(void)snprintf(base->layer, sizeof(base->layer), "cgroup v2 (systemd scope)");
	return result;
}

static int take_own(const struct cgroup_base_request *request, struct cgroup_base *base,
		    const char *directory, struct error *err)
{
	if (take_group(request, base, directory, err) < 0)
		return -1;
	(void)snprintf(base->layer, sizeof(base->layer), "cgroup v2");
	return 0;
}

static int find_v2(const struct cgroup_base_request *request, struct cgroup_base *base,
		   const char *own, struct error *err)
{
	struct error scope = ERROR_INIT;
	bool is_managed = cgroup_scope_is_possible();

	if ((!is_managed || is_delegated(own)) && take_own(request, base, own, err) == 0)
		return 0;
	if (!is_managed)
		return -1;
	if (take_scope(request, base, &scope) == 0)
		return 0;
	/* Where systemd cannot be reached, as in a container that it started. */
	if (!is_delegated(own) && take_own(request, base, own, err) == 0)
		return 0;
	*err = scope;
	return -1;
}

/* --- version 1 ----------------------------------------------------------------- */

static void find_v1(struct cgroup_base *base, struct cgroup_place *own)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		base->holds[i] = own->v1[i] && is_writable(own->v1[i], "");
		if (base->holds[i])
			base->place.v1[i] = TAKE_PTR(own->v1[i]);
	}
	if (base->holds[CGROUP_MEMORY] || base->holds[CGROUP_PIDS] || base->holds[CGROUP_CPU])
		(void)snprintf(base->layer, sizeof(base->layer), "cgroup v1");
}

/* --- which ---------------------------------------------------------------------- */

static void explain(struct cgroup_base *base, const char *why)
{
	if (holds_limits(base) && base->holds[CGROUP_CPU])
		return;
	(void)snprintf(base->reason, sizeof(base->reason), "%s", why);
}

void cgroup_base_find(const struct cgroup_base_request *request, struct cgroup_base *base)
{
	struct error err = ERROR_INIT;
	struct cgroup_place own;

	memset(base, 0, sizeof(*base));
	if (cgroup_find(0, &own, &err) < 0) {
		explain(base, err.message);
		return;
	}
	if (!own.v2)
		(void)error_set(&err, ERROR_UNAVAILABLE, "no control groups are mounted");
	else if (find_v2(request, base, own.v2, &err) < 0)
		memset(base->holds, 0, sizeof(base->holds));
	if (!base->place.v2)
		find_v1(base, &own);
	cgroup_place_finish(&own);
	explain(base, base->place.v2   ? "this control group has no cpu controller"
		      : base->layer[0] ? "not every hierarchy of control groups is ours to divide"
				       : err.message);
}

/* Where the zygote was killed by somebody, systemd has looked already, and may have failed since
 * our groups were still there. */
static void end_empty_scope(const char *directory)
{
	const char *name = strrchr(directory, '/') + 1;
	CLEANUP(cleanup_free)
	char *parent = alloc_printf("%.*s", (int)(name - directory), directory);
	CLEANUP(cleanup_free) char *events = alloc_printf("%s/cgroup.events", directory);
	CLEANUP(cleanup_fd) int events_fd = open(events, O_RDONLY | O_CLOEXEC);
	CLEANUP(cleanup_fd) int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (events_fd >= 0 && parent_fd >= 0 && cgroup_file_count(events_fd, "populated") == 0 &&
	    cgroup_scope_stop(name, NULL) == 0)
		(void)cgroup_remove(parent_fd, name, clock_now_ms() + LIMIT_GROUPS_END_MS, NULL);
}

void cgroup_base_finish(struct cgroup_base *base)
{
	/* Its number may be somebody else's by now. */
	if (!base->is_scope)
		base->moved_zygote = 0;
	move_back(base, base->place.v2);
	if (base->is_scope)
		end_empty_scope(base->place.v2);
	cgroup_place_finish(&base->place);
}
