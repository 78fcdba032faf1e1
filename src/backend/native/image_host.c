/* SPDX-License-Identifier: MIT */
#include "backend/native/image_build.h"
#include "backend/native/image_hidden.h"
#include "backend/native/image_probe.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/thread.h"
#include "zygote/plan.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The host image: the programs of this machine, a root file system made around
 * them, and nothing else of it: no homes, no /var, no accounts, no secrets.
 */

static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
	{ "etc", 0755 },       { "etc/pam.d", 0755 }, { "home", 0755 },	     { "media", 0755 },
	{ "mnt", 0755 },       { "opt", 0755 },	      { "root", 0700 },	     { "run", 0755 },
	{ "run/lock", 01777 }, { "srv", 0755 },	      { "tmp", 01777 },	     { "var", 0755 },
	{ "var/cache", 0755 }, { "var/lib", 0755 },   { "var/log", 0755 },   { "var/mail", 0755 },
	{ "var/spool", 0755 }, { "var/tmp", 01777 },  { "workspace", 0755 },
};

static const struct {
	const char *path;
	const char *target;
} links[] = {
	{ "var/lock", "/run/lock" },
	{ "var/run", "/run" },
};

static const struct {
	const char *path;
	mode_t mode;
	const char *text;
} texts[] = {
	{ "etc/passwd", 0644,
	  "root:x:0:0:root:/root:/bin/sh\n"
	  "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	  "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
	  "sys:x:3:3:sys:/dev:/usr/sbin/nologin\n"
	  "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n"
	  "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
	  "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
	  "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
	  "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "etc/group", 0644,
	  "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nlp:x:7:\n"
	  "mail:x:8:\nman:x:12:\nkmem:x:15:\naudio:x:29:\nwww-data:x:33:\nshadow:x:42:\n"
	  "utmp:x:43:\nvideo:x:44:\nstaff:x:50:\nusers:x:100:\nnogroup:x:65534:\n" },
	{ "etc/shadow", 0640,
	  "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n"
	  "sys:*:19000:0:99999:7:::\nman:*:19000:0:99999:7:::\nmail:*:19000:0:99999:7:::\n"
	  "www-data:*:19000:0:99999:7:::\n_apt:*:19000:0:99999:7:::\n"
	  "nobody:*:19000:0:99999:7:::\n" },
	{ "etc/gshadow", 0640, "root:*::\n" },
	{ "etc/nsswitch.conf", 0644,
	  "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
	  "protocols: files\nservices: files\nethers: files\nrpc: files\n" },
	/* Whoever is in a sandbox is its root already. */
	{ "etc/pam.d/other", 0644,
	  "auth required pam_permit.so\naccount required pam_permit.so\n"
	  "password required pam_permit.so\nsession required pam_permit.so\n" },
	{ "etc/profile", 0644,
	  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n" },
	{ "etc/environment", 0644, "" },
	{ "etc/fstab", 0644, "" },
	{ "etc/timezone", 0644, "Etc/UTC\n" },
	/* Some programs want one; the host's own would tell where they run. */
	{ "etc/machine-id", 0444, "6b696c6e7461696e65722073616e6462\n" },
};

static int add_made(struct buf *plan, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
		if (image_add_directory(plan, directories[i].path, directories[i].mode, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
		if (image_add_link(plan, links[i].path, links[i].target, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		if (image_add_text(plan, texts[i].path, texts[i].mode, texts[i].text, err) < 0)
			return -1;
	}
	return image_add_identity(plan, err);
}

/* What is read of /etc, beside the trees. */
struct image_reading {
	struct image_mounts mounts; /* below "/" */
	struct buf etc;		    /* plan steps */
	bool is_cut;
	struct error error;
	bool has_thread;
	pthread_t thread;
};

static void read_etc(void *context)
{
	struct image_reading *reading = context;

	if (image_mounts_below("/", &reading->mounts, &reading->error) == 0)
		(void)image_etc(&reading->etc, &reading->mounts, &reading->is_cut, &reading->error);
}

struct image_reading *image_host_begin(void)
{
	struct image_reading *reading = alloc_zeroed(sizeof(*reading));

	buf_init(&reading->etc, PLAN_MAX_BYTES);
	/* Joined, not left to idle: the server may give up its rights next, thread by thread. */
	reading->has_thread = thread_start_joinable(LIMIT_SMALL_STACK_BYTES, read_etc, reading,
						    &reading->thread, NULL) == 0;
	if (!reading->has_thread)
		read_etc(reading);
	return reading;
}

static void wait_until_read(const struct image_reading *reading)
{
	if (reading->has_thread)
		(void)pthread_join(reading->thread, NULL);
}

static void free_reading(struct image_reading *reading)
{
	image_mounts_finish(&reading->mounts);
	buf_finish(&reading->etc);
	free(reading);
}

void image_abandon(struct image_reading *reading)
{
	if (!reading)
		return;
	wait_until_read(reading);
	free_reading(reading);
}

static int add_etc(struct image *image, const struct image_reading *reading, struct error *err)
{
	if (reading->error.kind != ERROR_NONE) {
		if (err)
			*err = reading->error;
		return -1;
	}
	if (buf_append(&image->plan, reading->etc.data, reading->etc.length) < 0)
		return error_set(err, ERROR_QUOTA, "the plan of a sandbox's files is too large");
	if (reading->is_cut && image->left_out[0] == '\0')
		(void)snprintf(image->left_out, sizeof(image->left_out),
			       "Some of /etc is left out: it is too large, or not local.");
	return 0;
}

static int check_programs(const struct image_probe *probe, struct error *err)
{
	if (image_probe_has_programs(probe))
		return 0;
	return error_set(
		err, ERROR_CONFIG,
		"this machine keeps its programs elsewhere than in /usr and /bin, where the "
		"host image has them from (NixOS: /nix/store); use --image DIRECTORY or a tar "
		"of a root file system");
}

/* The plan of /usr and its like, and what is hidden in them. */
static int add_trees(const struct image_request *request, struct image_hidden *hidden,
		     const struct image_probe *probe, struct image *image, struct error *err)
{
	CLEANUP(image_mounts_finish) struct image_mounts mounts = { NULL, 0 };

	if (image_hidden_collect(hidden, request->excluded, request->included, err) < 0 ||
	    image_mounts_below("/", &mounts, err) < 0)
		return -1;
	image_hidden_add_foreign(hidden, &mounts, image->left_out, sizeof(image->left_out));
	if (check_programs(probe, err) < 0)
		return -1;
	return image_trees(request, hidden, &mounts, &image->plan, err);
}

int image_host(const struct image_request *request, struct image *image, struct error *err)
{
	static const char *const visible[] = { "/usr",	 "/bin",    "/lib",  "/lib32",
					       "/lib64", "/libx32", "/sbin", NULL };
	CLEANUP(cleanup_fd) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(image_hidden_finish) struct image_hidden hidden = { .count = 0 };
	struct image_probe probe = { .root_fd = root_fd, .visible = visible, .hidden = &hidden };
	struct image_reading *reading = request->reading ? request->reading : image_host_begin();
	int result = root_fd < 0 ? error_set_errno(err, "opening /") : 0;

	if (result == 0)
		result = add_trees(request, &hidden, &probe, image, err);
	if (result == 0)
		result = add_made(&image->plan, err);
	image_probe_system(&probe, image->system, sizeof(image->system));
	image_probe_programs(&probe, image->programs, sizeof(image->programs));
	if (result == 0)
		result = image_probe_shell(&probe, request->shell, image->shell,
					   sizeof(image->shell), err);
	wait_until_read(reading);
	if (result == 0)
		result = add_etc(image, reading, err);
	free_reading(reading);
	return result;
}
