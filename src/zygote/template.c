/* SPDX-License-Identifier: MIT */
#include "zygote/template.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "zygote/mount_api.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The zygote's own places at the top of every sandbox, made here once for all of them. */
static const struct {
	const char *path;
	mode_t mode;
} own_directories[] = { { "proc", 0555 }, { "dev", 0755 }, { "sys", 0555 } };

void template_layer_path(char path[TEMPLATE_PATH_BYTES], unsigned id, unsigned index,
			 const char *what)
{
	(void)snprintf(path, TEMPLATE_PATH_BYTES, "/images/%u/%u/%s", id, index, what);
}

void template_path(char path[TEMPLATE_PATH_BYTES], unsigned id)
{
	(void)snprintf(path, TEMPLATE_PATH_BYTES, "/images/%u", id);
}

void template_source_path(char path[TEMPLATE_PATH_BYTES], unsigned id, unsigned index)
{
	(void)snprintf(path, TEMPLATE_PATH_BYTES, "/sources/%u/%u", id, index);
}

static int make_directory(const char *path, struct error *err)
{
	if (mkdir(path, 0755) < 0)
		return error_set_errno(err, "making the image's layer %s", path);
	return 0;
}

/* A template that is being filled, or a root that is being made of it. */
struct filling {
	const struct template *template;
	unsigned id;
	int host_root; /* borrowed */
	/* The made layer and the directory in it that the last step went into: most follow each
	 * other in one, and nothing that was made is removed again. */
	int layer_fd;
	int parent_fd;
	unsigned parent_index;
	const char *parent; /* points into the plan */
	size_t parent_length;
};

/* The deepest overlay above `path`, and what is left of the path below it. */
static unsigned overlay_of(const struct template *template, const char *path, const char **rest)
{
	unsigned found = 0;
	size_t deepest = 0;

	*rest = path;
	for (unsigned i = 1; i < template->overlay_count; i++) {
		size_t length = strlen(template->overlays[i].path);

		if (length <= deepest || strncmp(path, template->overlays[i].path, length) != 0 ||
		    path[length] != '/')
			continue;
		deepest = length;
		found = i;
		*rest = path + length + 1;
	}
	return found;
}

static int open_layer(struct filling *filling, unsigned index, struct error *err)
{
	char layer[TEMPLATE_PATH_BYTES];

	if (filling->layer_fd >= 0 && filling->parent_index == index)
		return 0;
	cleanup_fd(&filling->layer_fd);
	template_layer_path(layer, filling->id, index, "made");
	filling->layer_fd = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (filling->layer_fd < 0)
		return error_set_errno(err, "opening the image's layer %s", layer);
	return 0;
}

/* Opens the directory `path` (its first `length` bytes) in a layer. Links are never followed: a
 * plan that makes `a` -> `/etc` and then `a/b` fails instead of leaving its layer. */
static int open_in_layer(int layer_fd, const char *path, size_t length, struct error *err)
{
	char parent[4096] = ".";
	int parent_fd;

	if (length >= sizeof(parent))
		return error_set(err, ERROR_PROTOCOL, "the image plan has an overlong path");
	if (length > 0) {
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	parent_fd = open_beneath(layer_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (parent_fd < 0)
		return error_set_errno(err, "opening %s in the image's layer", parent);
	return parent_fd;
}

/* The directory that the last component of `path` goes into, borrowed until the next call. */
static int open_parent(struct filling *filling, unsigned index, const char *path, const char **name,
		       struct error *err)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	*name = slash ? slash + 1 : path;
	if (filling->parent_fd >= 0 && filling->parent_index == index &&
	    filling->parent_length == length && memcmp(filling->parent, path, length) == 0)
		return filling->parent_fd;
	cleanup_fd(&filling->parent_fd);
	if (open_layer(filling, index, err) < 0)
		return -1;
	filling->parent_fd = open_in_layer(filling->layer_fd, path, length, err);
	filling->parent_index = index;
	filling->parent = path;
	filling->parent_length = length;
	return filling->parent_fd;
}

static int make_directory_at(int parent_fd, const char *name, uint32_t mode, struct error *err)
{
	if (mkdirat(parent_fd, name, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set_errno(err, "making the image's directory %s", name);
	/* A second DIRECTORY step for one path (the mount point of an overlay, then its mode)
	 * only sets the mode. */
	if (fchmodat(parent_fd, name, mode, 0) < 0)
		return error_set_errno(err, "setting the mode of the image's directory %s", name);
	return 0;
}

static int make_file_at(int parent_fd, const char *name, const struct plan_step *step,
			struct error *err)
{
	CLEANUP(cleanup_fd)
	int fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			step->mode);

	if (fd < 0)
		return error_set_errno(err, "making the image's file %s", step->path);
	if (fd_write_all(fd, step->data, step->bytes, err) < 0)
		return error_wrap(err, "filling the image's file %s", step->path);
	return 0;
}

/* Hides what the source has at `path`: a whiteout in the layer below the made one. */
static int make_whiteout(unsigned id, unsigned index, const char *path, struct error *err)
{
	char layer[TEMPLATE_PATH_BYTES];
	char partial[4096];
	CLEANUP(cleanup_fd) int layer_fd = -1;

	template_layer_path(layer, id, index, "hidden");
	layer_fd = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (layer_fd < 0)
		return error_set_errno(err, "opening the image's layer %s", layer);
	if ((size_t)snprintf(partial, sizeof(partial), "%s", path) >= sizeof(partial))
		return error_set(err, ERROR_PROTOCOL, "the image plan has an overlong path");
	for (char *slash = strchr(partial, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* ENOTDIR: something above it is hidden already. */
		if (mkdirat(layer_fd, partial, 0755) < 0 && errno != EEXIST)
			return errno == ENOTDIR
				       ? 0
				       : error_set_errno(err, "making %s in the image's layer",
							 partial);
		*slash = '/';
	}
	if (mknodat(layer_fd, partial, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST &&
	    errno != ENOTDIR)
		return error_set_errno(err, "hiding %s of the image", path);
	return 0;
}

static int hide(struct template *template, unsigned id, unsigned index, const char *path,
		struct error *err)
{
	template->overlays[index].has_hidden = true;
	return make_whiteout(id, index, path, err);
}

/* May not everybody list and enter this directory? */
static bool is_closed(int directory_fd)
{
	const mode_t everyone = S_IROTH | S_IXOTH;
	struct stat status;

	return fstat(directory_fd, &status) == 0 && S_ISDIR(status.st_mode) &&
	       (status.st_mode & everyone) != everyone;
}

/*
 * A made directory would open up one of the host that is closed: the overlay asks only whether the
 * sandbox may enter the upper one, and looks into the lower one as who mounted it, who is the
 * host's root here. (Mounted by the sandbox's own root, that look fails.) So it hides it whole.
 */
static int shut_closed(struct template *template, unsigned id, const struct plan_step *step,
		       struct error *err)
{
	char source[TEMPLATE_PATH_BYTES];
	const char *rest;
	unsigned index = overlay_of(template, step->path, &rest);
	CLEANUP(cleanup_fd) int source_fd = -1;
	CLEANUP(cleanup_fd) int fd = -1;

	if (template->layering != ZYGOTE_LAYERING_TRUSTED || index == 0)
		return 0;
	template_source_path(source, id, index);
	source_fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (source_fd < 0)
		return error_set_errno(err, "opening the image's directory %s", source);
	fd = open_beneath(source_fd, rest, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || !is_closed(fd))
		return 0;
	return hide(template, id, index, rest, err);
}

/* One step that fills a made layer. */
static int make_entry(struct filling *filling, const struct plan_step *step, struct error *err)
{
	const char *rest, *name;
	unsigned index = overlay_of(filling->template, step->path, &rest);
	int parent_fd = open_parent(filling, index, rest, &name, err);

	if (parent_fd < 0)
		return -1;
	switch (step->op) {
	case PLAN_LINK:
		if (symlinkat(step->source, parent_fd, name) < 0)
			return error_set_errno(err, "making the image's link %s", step->path);
		return 0;
	case PLAN_FILE:
		return make_file_at(parent_fd, name, step, err);
	case PLAN_EMPTY:
	case PLAN_DIRECTORY:
		return make_directory_at(parent_fd, name, step->mode, err);
	case PLAN_ROOT:
	case PLAN_OVERLAY:
		break;
	}
	return error_set(err, ERROR_PROTOCOL, "the image plan has a step out of place");
}

/* Binds the host directory of overlay `index` to its place. Not recursively: an overlay refuses
 * a layer with mounts below it, so a plan names directories that have none, or gives each its
 * own OVERLAY step. */
static int bind_source(const struct filling *filling, const struct plan_step *step, unsigned index,
		       struct error *err)
{
	char target[TEMPLATE_PATH_BYTES];
	CLEANUP(cleanup_fd) int mount_fd = -1;

	template_source_path(target, filling->id, index);
	if (make_directory(target, err) < 0)
		return -1;
	/* The plan's paths begin with "/"; the host's root is no longer ours. */
	mount_fd =
		mount_copy(filling->host_root, step->source[1] ? step->source + 1 : ".", MOUNT_ONE);
	if (mount_fd < 0 || mount_attach(mount_fd, target) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "taking %s as part of the image",
					    step->source);
	return 0;
}

static int begin_overlay(struct template *template, unsigned id, const char *path,
			 struct error *err)
{
	unsigned index = template->overlay_count;
	char layer[TEMPLATE_PATH_BYTES];

	if (index >= ARRAY_LENGTH(template->overlays))
		return error_set(err, ERROR_PROTOCOL, "the image plan has too many overlays");
	(void)snprintf(layer, sizeof(layer), "/images/%u/%u", id, index);
	if (make_directory(layer, err) < 0)
		return -1;
	template_layer_path(layer, id, index, "made");
	if (make_directory(layer, err) < 0)
		return -1;
	template_layer_path(layer, id, index, "hidden");
	if (make_directory(layer, err) < 0)
		return -1;
	template->overlays[index] = (struct template_overlay){ .path = path };
	template->overlay_count++;
	return 0;
}

static struct plan_step mount_point_of(const struct plan_step *step)
{
	return (struct plan_step){ .op = PLAN_DIRECTORY, .mode = 0755, .path = step->path };
}

/* The top of an overlay is a made directory as well (shut_closed). */
static bool shows_source(const struct template *template, unsigned id, unsigned index)
{
	char source[TEMPLATE_PATH_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;

	if (template->layering != ZYGOTE_LAYERING_TRUSTED)
		return true;
	template_source_path(source, id, index);
	fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && !is_closed(fd);
}

static int add_overlay(struct template *template, struct filling *filling,
		       const struct plan_step *step, struct error *err)
{
	const struct plan_step mount_point = mount_point_of(step);
	unsigned index = template->overlay_count;

	if (make_entry(filling, &mount_point, err) < 0 ||
	    begin_overlay(template, filling->id, step->path, err) < 0 ||
	    bind_source(filling, step, index, err) < 0)
		return -1;
	template->overlays[index].has_source = shows_source(template, filling->id, index);
	return 0;
}

/* Links of up to 127 bytes lie in their inode. */
#define SHORT_LINK_BYTES 128
#define PAGE_BYTES 4096u

static void count_step(struct template *template, const struct plan_step *step)
{
	size_t bytes = step->op == PLAN_FILE ? step->bytes : 0;

	if (step->op == PLAN_LINK && strlen(step->source) >= SHORT_LINK_BYTES)
		bytes = PAGE_BYTES;
	template->made_bytes += (bytes + PAGE_BYTES - 1) / PAGE_BYTES *PAGE_BYTES;
	template->made_inodes++;
}

static int apply_step(struct template *template, struct filling *filling,
		      const struct plan_step *step, struct error *err)
{
	const char *rest;
	unsigned index;

	count_step(template, step);
	switch (step->op) {
	case PLAN_ROOT:
		if (template->layering == ZYGOTE_LAYERING_READ_ONLY)
			return error_set(err, ERROR_INTERNAL, "an image of its own is written to");
		if (bind_source(filling, step, 0, err) < 0)
			return -1;
		template->overlays[0].has_source = true;
		return 0;
	case PLAN_OVERLAY:
		return add_overlay(template, filling, step, err);
	case PLAN_EMPTY:
		index = overlay_of(template, step->path, &rest);
		if (hide(template, filling->id, index, rest, err) < 0)
			return -1;
		return make_entry(filling, step, err);
	case PLAN_DIRECTORY:
		if (shut_closed(template, filling->id, step, err) < 0)
			return -1;
		ATTR_FALLTHROUGH;
	case PLAN_LINK:
	case PLAN_FILE:
		return make_entry(filling, step, err);
	}
	return error_set(err, ERROR_PROTOCOL, "the image plan has an unknown step");
}

static void finish_filling(struct filling *filling)
{
	cleanup_fd(&filling->parent_fd);
	cleanup_fd(&filling->layer_fd);
}

/* Maps the plan for good: overlay paths keep pointing into it. */
static void *map_plan(int plan_fd, size_t *bytes, struct error *err)
{
	struct stat file;
	void *plan;

	if (fstat(plan_fd, &file) < 0) {
		(void)error_set_errno(err, "reading the image plan");
		return NULL;
	}
	if (file.st_size <= 0 || file.st_size > (off_t)PLAN_MAX_BYTES) {
		(void)error_set(err, ERROR_PROTOCOL, "the image plan has %lld bytes",
				(long long)file.st_size);
		return NULL;
	}
	plan = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, plan_fd, 0);
	if (plan == MAP_FAILED) {
		(void)error_set_errno(err, "mapping the image plan");
		return NULL;
	}
	*bytes = (size_t)file.st_size;
	return plan;
}

static int make_own_directories(int layer_fd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(own_directories); i++) {
		if (make_directory_at(layer_fd, own_directories[i].path, own_directories[i].mode,
				      err) < 0)
			return error_wrap(err, "preparing the root of the image");
	}
	return 0;
}

int template_begin(unsigned id, struct error *err)
{
	char path[TEMPLATE_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/sources/%u", id);
	if (make_directory(path, err) < 0)
		return -1;
	template_path(path, id);
	if (make_directory(path, err) < 0)
		return -1;
	/* A file system of its own, so that its owners can be mapped apart from all else. */
	if (mount("image", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return error_set_errno(err, "mounting the image's layers");
	return 0;
}

int template_fill(struct template *template, unsigned id, int plan_fd, int host_root,
		  struct error *err)
{
	struct filling filling = { .template = template,
				   .id = id,
				   .host_root = host_root,
				   .layer_fd = -1,
				   .parent_fd = -1 };
	struct plan_reader reader;
	struct plan_step step;
	size_t bytes = 0;
	int more;

	template->plan = map_plan(plan_fd, &bytes, err);
	if (!template->plan || plan_open(&reader, template->plan, bytes, err) < 0)
		return -1;
	template->plan_bytes = bytes;
	if (begin_overlay(template, id, "", err) < 0 || open_layer(&filling, 0, err) < 0)
		return -1;
	template->made_inodes = ARRAY_LENGTH(own_directories);
	more = make_own_directories(filling.layer_fd, err);
	while (more >= 0 && (more = plan_next(&reader, &step, err)) > 0)
		more = apply_step(template, &filling, &step, err);
	finish_filling(&filling);
	return more;
}

/* Whatever lies in another overlay is there already. */
static int make_root_entry(struct filling *filling, const struct plan_step *step, struct error *err)
{
	const struct plan_step mount_point = mount_point_of(step);
	const char *rest;

	if (step->op == PLAN_ROOT || overlay_of(filling->template, step->path, &rest) != 0)
		return 0;
	return make_entry(filling, step->op == PLAN_OVERLAY ? &mount_point : step, err);
}

int template_make_root(const struct template *template, int root_fd, struct error *err)
{
	struct filling filling = {
		.template = template, .host_root = -1, .parent_fd = -1, .layer_fd = root_fd
	};
	struct plan_reader reader;
	struct plan_step step;
	int more;

	if (plan_open(&reader, template->plan, template->plan_bytes, err) < 0)
		return -1;
	more = make_own_directories(root_fd, err);
	while (more >= 0 && (more = plan_next(&reader, &step, err)) > 0)
		more = make_root_entry(&filling, &step, err);
	/* The root is the caller's. */
	cleanup_fd(&filling.parent_fd);
	return more;
}
