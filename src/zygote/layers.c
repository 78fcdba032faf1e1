/* SPDX-License-Identifier: MIT */
#include "zygote/layers.h"

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "zygote/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define STORAGE LAYERS_STORAGE

static bool is_read_only(const struct layers *layers)
{
	return layers->template->layering == ZYGOTE_LAYERING_READ_ONLY;
}

/* --- storage --------------------------------------------------------------- */

static int make_directory(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, mode) < 0)
		return error_set_errno(err, "making %s", path);
	return 0;
}

static int make_upper_directories(unsigned index, struct error *err)
{
	static const char *const names[] = { "", "/upper", "/work" };
	char path[64];

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		(void)snprintf(path, sizeof(path), STORAGE "/%u%s", index, names[i]);
		if (make_directory(path, 0755, err) < 0)
			return -1;
	}
	return 0;
}

/* One size-limited file system holds everything that the sandbox writes: the upper layers (or the
 * root itself) and /dev/shm, so that one number bounds them all. */
int layers_mount_storage(const struct layers *layers, struct error *err)
{
	const struct template *template = layers->template;
	uint64_t bytes = layers->request->disk_bytes;
	uint64_t inodes = layers->request->disk_inodes;
	char options[128];

	/* What the image brings is not taken from what the sandbox may write. */
	if (is_read_only(layers)) {
		bytes += template->made_bytes;
		inodes += template->made_inodes;
	}
	(void)snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0755",
		       (unsigned long long)bytes, (unsigned long long)inodes);
	if (mount("sandbox", STORAGE, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return error_set_errno(err, "mounting the sandbox's storage (%s)", options);
	if (make_directory(STORAGE "/shm", 01777, err) < 0)
		return -1;
	if (is_read_only(layers))
		return make_directory(STORAGE "/root", 0755, err);
	for (unsigned i = 0; i < template->overlay_count; i++) {
		if (make_upper_directories(i, err) < 0)
			return -1;
	}
	return 0;
}

/* --- layers ---------------------------------------------------------------- */

/* An overlay takes a layer with mapped owners only from its own mount namespace: attach them
 * over the plain ones. */
int layers_attach(const struct layers *layers, struct error *err)
{
	char path[TEMPLATE_PATH_BYTES];

	if (layers->made_fd >= 0) {
		template_path(path, layers->request->image);
		if (mount_attach(layers->made_fd, path) < 0)
			return error_set_errno(err, "attaching the image's layers");
	}
	if (layers->source_fd >= 0) {
		template_source_path(path, layers->request->image, 0);
		if (mount_attach(layers->source_fd, path) < 0)
			return error_set_errno(err, "attaching the image");
	}
	return 0;
}

/* Where overlay `index` is mounted: opened without following any link that the image holds. */
static int open_mount_point(const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int root = open(LAYERS_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (root < 0)
		return error_set_errno(err, "opening the new root");
	fd = open_beneath(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return error_set_errno(err, "opening the mount point /%s in the image", path);
	return fd;
}

#define OPTIONS_BYTES (6 * TEMPLATE_PATH_BYTES + 128)

/* The kernel's names for where an overlay notes down what it needs. The sandbox can reach neither
 * kind; but the trusted one follows notes to other places of a layer unless it is told not to. */
static const char *note_options(const struct template *template)
{
	if (template->layering == ZYGOTE_LAYERING_TRUSTED)
		return "redirect_dir=nofollow,metacopy=off,index=off,xino=off";
	return "userxattr";
}

static void overlay_options(const struct layers *layers, unsigned index,
			    char options[OPTIONS_BYTES])
{
	const struct template_overlay *overlay = &layers->template->overlays[index];
	unsigned id = layers->request->image;
	char made[TEMPLATE_PATH_BYTES], hidden[TEMPLATE_PATH_BYTES], source[TEMPLATE_PATH_BYTES];
	char upper[TEMPLATE_PATH_BYTES + 64] = "";
	/* Without an upper layer the kernel wants two lower ones. */
	bool has_hidden = overlay->has_hidden || (is_read_only(layers) && !overlay->has_source);

	template_layer_path(made, id, index, "made");
	template_layer_path(hidden, id, index, "hidden");
	template_source_path(source, id, index);
	if (!is_read_only(layers))
		(void)snprintf(upper, sizeof(upper),
			       "upperdir=" STORAGE "/%u/upper,workdir=" STORAGE "/%u/work,", index,
			       index);
	(void)snprintf(options, OPTIONS_BYTES, "lowerdir=%s%s%s%s%s,%s%s", made,
		       has_hidden ? ":" : "", has_hidden ? hidden : "",
		       overlay->has_source ? ":" : "", overlay->has_source ? source : "", upper,
		       note_options(layers->template));
}

static int mount_overlay(const struct layers *layers, unsigned index, struct error *err)
{
	const struct template_overlay *overlay = &layers->template->overlays[index];
	unsigned long flags = MS_NOSUID | MS_NODEV;
	char options[OPTIONS_BYTES];
	char target[64] = LAYERS_ROOT;
	CLEANUP(cleanup_fd) int target_fd = -1;

	overlay_options(layers, index, options);
	if (is_read_only(layers))
		flags |= MS_RDONLY;
	if (index > 0) {
		target_fd = open_mount_point(overlay->path, err);
		if (target_fd < 0)
			return -1;
		(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", target_fd);
	}
	if (mount("overlay", target, "overlay", flags, options) < 0)
		return error_set_errno(err, "mounting the overlay for /%s (%s)", overlay->path,
				       options);
	return 0;
}

/* The root that is no overlay: what the image makes, made anew on the sandbox's storage. */
static int make_root(const struct layers *layers, struct error *err)
{
	CLEANUP(cleanup_fd) int root_fd = -1;

	if (mount(STORAGE "/root", LAYERS_ROOT, NULL, MS_BIND, NULL) < 0)
		return error_set_errno(err, "mounting the new root");
	root_fd = open(LAYERS_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return error_set_errno(err, "opening the new root");
	return template_make_root(layers->template, root_fd, err);
}

int layers_mount_root(const struct layers *layers, struct error *err)
{
	unsigned first = 0;

	if (is_read_only(layers)) {
		if (make_root(layers, err) < 0)
			return -1;
		first = 1;
	}
	for (unsigned i = first; i < layers->template->overlay_count; i++) {
		if (mount_overlay(layers, i, err) < 0)
			return -1;
	}
	return 0;
}

/* --- handing over ------------------------------------------------------------ */

int layers_copy(int *storage_fd, int *root_fd, struct error *err)
{
	CLEANUP(cleanup_fd) int storage = mount_copy(AT_FDCWD, STORAGE, MOUNT_ONE);
	CLEANUP(cleanup_fd) int root = mount_copy(AT_FDCWD, LAYERS_ROOT, MOUNT_TREE);

	if (storage < 0 || root < 0)
		return error_set_errno(err, "copying the sandbox's mounts");
	*storage_fd = take_fd(&storage);
	*root_fd = take_fd(&root);
	return 0;
}

int layers_take(int storage_fd, int root_fd, struct error *err)
{
	if (mount_attach(storage_fd, STORAGE) < 0 || mount_attach(root_fd, LAYERS_ROOT) < 0)
		return error_set_errno(err, "attaching the sandbox's mounts");
	return 0;
}
