/* SPDX-License-Identifier: MIT */

/*
 * The host image, of this machine and of made-up ones: those are built on a tmpfs
 * in a child process with its own user and mount namespace, and become its root.
 */

#include "backend/native/image.h"
#include "plan_check.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NO_NAMESPACES 77
#define HANG_S 120

/* In the child, where a cmocka assertion would go on with the next test. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "# line %d: %s\n", __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void write_text(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	REQUIRE(fchmod(fd, mode) == 0);
	REQUIRE(close(fd) == 0);
}

/* As mkdir -p. */
static void make_directory(const char *path)
{
	char partial[256];

	(void)snprintf(partial, sizeof(partial), "%s", path);
	for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		REQUIRE(mkdir(partial, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	REQUIRE(mkdir(partial, 0755) == 0 || errno == EEXIST);
}

static void make_file(const char *path, const char *text, mode_t mode)
{
	char directory[256];

	(void)snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	if (directory[0] != '\0')
		make_directory(directory);
	write_text(path, text, mode);
}

static void write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	REQUIRE(close(fd) == 0);
}

/* An empty root with nothing but /proc. */
static void enter_empty_root(const char *place)
{
	char proc[64], line[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(EXIT_NO_NAMESPACES);
	write_map("/proc/self/setgroups", "deny");
	(void)snprintf(line, sizeof(line), "0 %u 1\n", uid);
	write_map("/proc/self/uid_map", line);
	(void)snprintf(line, sizeof(line), "0 %u 1\n", gid);
	write_map("/proc/self/gid_map", line);
	REQUIRE(mount("none", place, "tmpfs", 0, NULL) == 0);
	(void)snprintf(proc, sizeof(proc), "%s/proc", place);
	REQUIRE(mkdir(proc, 0755) == 0);
	REQUIRE(mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL) == 0);
	REQUIRE(chroot(place) == 0);
	REQUIRE(chdir("/") == 0);
	(void)umask(022);
}

/* What every machine has. */
static void make_machine(void)
{
	make_file("/usr/bin/bash", "", 0755);
	make_file("/usr/bin/python3", "", 0755);
	make_file("/usr/bin/git", "", 0750);
	make_file("/opt/node/node", "", 0755);
	REQUIRE(symlink("/opt/node/node", "/usr/bin/node") == 0);
	make_directory("/usr/lib");
	make_file("/usr/lib/os-release", "NAME=\"Test GNU/Linux\"\nVERSION_ID=7\n", 0644);
	REQUIRE(symlink("usr/bin", "/bin") == 0);
	REQUIRE(symlink("usr/lib", "/lib") == 0);
}

static struct image prepare(bool owns_mounts)
{
	struct image_request request = { .owns_mounts = owns_mounts };
	struct error err = ERROR_INIT;
	struct image image;
	const char *broken;

	if (image_prepare(&request, &image, &err) < 0) {
		(void)fprintf(stderr, "# %s\n", err.message);
		_exit(1);
	}
	broken = plan_check_rules(&image.plan);
	if (broken) {
		(void)fprintf(stderr, "# %s\n", broken);
		_exit(1);
	}
	return image;
}

static void on_machine(void (*check)(void))
{
	char place[] = "/tmp/kilntainers-host-XXXXXX";
	int status;
	pid_t child;

	assert_non_null(mkdtemp(place));
	(void)fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* A FIFO in the tree must not hold us; if it does, this ends. */
		(void)alarm(HANG_S);
		enter_empty_root(place);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(rmdir(place), 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == EXIT_NO_NAMESPACES) {
		print_message("# SKIP this machine gives us no user namespace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void check_secrets(void)
{
	static const char *const secrets[] = {
		"/etc/passwd",
		"/etc/shadow",
		"/etc/ssh/ssh_host_key",
		"/etc/ssl/private/site.pem",
		"/etc/ssl/certs/x.key",
		"/etc/gitconfig",
		"/etc/npmrc",
		"/etc/pip.conf",
		"/etc/wgetrc",
		"/etc/environment",
		"/etc/profile",
		"/etc/hosts",
		"/etc/resolv.conf",
		"/etc/machine-id",
		"/etc/hostname",
		"/etc/apt/auth.conf",
		"/etc/maven/settings.xml",
		"/etc/pki/tls/private/k",
		"/etc/java-9/private/k",
		"/etc/localtime",
		"/root/x",
		"/home/u/x",
		"/var/lib/x",
		"/run/x",
		"/opt/x",
		"/srv/x",
		"/tmp/x",
	};
	struct image image;

	make_machine();
	for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
		make_file(secrets[i], "CANARY", 0644);
	make_file("/etc/alternatives/owner-only", "CANARY", 0640);
	make_file("/etc/perl/closed/x", "CANARY", 0644);
	REQUIRE(chmod("/etc/perl/closed", 0750) == 0);
	REQUIRE(mkfifo("/etc/alternatives/fifo", 0644) == 0);
	image = prepare(false);
	REQUIRE(!memmem(image.plan.data, image.plan.length, "CANARY", 6));
	/* An ordinary user's own /usr/bin/git of mode 0750 would be nobody's in the sandbox. */
	REQUIRE(strcmp(image.programs, "python3") == 0);
	REQUIRE(strcmp(image.shell, "/bin/bash") == 0);
	REQUIRE(strcmp(image.system, "Test 7 userland") == 0);
	REQUIRE(image.left_out[0] == '\0');
	image_finish(&image);
}

static void check_settings(void)
{
	static const char *const wanted[] = {
		"etc/ld.so.cache",	    "etc/ld.so.conf.d/a.conf",
		"etc/ssl/certs/ca.crt",	    "etc/ssl/openssl.cnf",
		"etc/java-9/security/x",    "etc/python3.11/sitecustomize.py",
		"etc/pki/tls/certs/ca.crt", "etc/pki/ca-trust/extracted/pem/ca.pem",
		"etc/maven/m2.conf",	    "etc/mime.types",
	};
	struct plan_step step;
	struct image image;

	make_machine();
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "/%s", wanted[i]);
		make_file(path, wanted[i], 0644);
	}
	make_directory("/etc/alternatives");
	REQUIRE(symlink("/usr/bin/python3", "/etc/alternatives/python") == 0);
	image = prepare(false);
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		REQUIRE(plan_check_find(&image.plan, PLAN_FILE, wanted[i], &step));
		REQUIRE(step.bytes == strlen(wanted[i]));
		REQUIRE(memcmp(step.data, wanted[i], step.bytes) == 0);
	}
	REQUIRE(plan_check_find(&image.plan, PLAN_LINK, "etc/alternatives/python", &step));
	REQUIRE(strcmp(step.source, "/usr/bin/python3") == 0);
	image_finish(&image);
}

static void make_links(const char *directory, int count)
{
	make_directory(directory);
	for (int i = 0; i < count; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%d", directory, i);
		REQUIRE(symlink("x", path) == 0);
	}
}

static void check_large(void)
{
	static const char *const not_public[] = { "/etc/fonts/x.key", "/etc/perl/inner/private",
						  "/etc/terminfo/closed", "/etc/vim/fifo" };
	struct plan_step step;
	struct image image;

	make_machine();
	make_links("/etc/alternatives", 100);
	make_links("/etc/ssl/certs", 100);
	make_file("/etc/ssl/certs/ca.crt", "x", 0644);
	make_links("/etc/fonts", 100);
	make_links("/etc/perl", 100);
	make_links("/etc/terminfo", 100);
	make_links("/etc/vim", 100);
	for (size_t i = 0; i < 2; i++)
		make_file(not_public[i], "CANARY", 0644);
	make_file(not_public[2], "CANARY", 0640);
	REQUIRE(mkfifo(not_public[3], 0644) == 0);
	image = prepare(false);
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "etc/alternatives", &step));
	REQUIRE(strcmp(step.source, "/etc/alternatives") == 0);
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "etc/ssl/certs", &step));
	REQUIRE(!plan_check_find(&image.plan, PLAN_CHECK_ANY, "etc/ssl/certs/ca.crt", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_DIRECTORY, "etc/fonts", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_DIRECTORY, "etc/perl", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_DIRECTORY, "etc/terminfo", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_DIRECTORY, "etc/vim", &step));
	REQUIRE(plan_check_count(&image.plan, PLAN_LINK) >= 400);
	REQUIRE(!memmem(image.plan.data, image.plan.length, "CANARY", 6));
	image_finish(&image);
}

static void check_too_much(void)
{
	struct plan_step step;
	struct image image;

	make_machine();
	make_file("/etc/services", "", 0644);
	REQUIRE(truncate("/etc/services", 5 << 20) == 0);
	make_directory("/etc/alternatives");
	for (int i = 0; i < 9000; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/etc/alternatives/%d", i);
		REQUIRE(symlink("x", path) == 0);
	}
	/* Otherwise it would be shown as it is. */
	REQUIRE(mkfifo("/etc/alternatives/fifo", 0644) == 0);
	image = prepare(false);
	REQUIRE(!plan_check_find(&image.plan, PLAN_CHECK_ANY, "etc/services", &step));
	REQUIRE(plan_check_count(&image.plan, PLAN_LINK) < 9000);
	REQUIRE(strstr(image.left_out, "/etc"));
	image_finish(&image);
}

static void check_hidden(void)
{
	static const char *const hidden[] = {
		"usr/src",	   "usr/local/etc",	  "usr/local/share/ca-certificates",
		"usr/lib/modules", "usr/share/tool/.git", "usr/local/tool/.git",
		"usr/.git",
	};
	struct plan_step step;
	struct image image;

	make_machine();
	for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "/%s/x", hidden[i]);
		make_file(path, "", 0644);
	}
	image = prepare(false);
	for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++)
		REQUIRE(plan_check_find(&image.plan, PLAN_EMPTY, hidden[i], &step));
	REQUIRE(plan_check_count(&image.plan, PLAN_EMPTY) == (int)ARRAY_LENGTH(hidden));
	REQUIRE(plan_check_count(&image.plan, PLAN_OVERLAY) == 1);
	image_finish(&image);
}

static const char *const excluded[] = { "/usr/bin/python",  "/usr/local/bin/deploy",
					"/usr/share//doc/", "/usr/share/doc/below",
					"/usr/src/keys",    "/usr/local/mount/inside",
					"/usr/missing",	    NULL };
static const char *const included[] = {
	"/usr/src",	  "/usr/local/tool/.git", "/usr/share/polkit-1/",
	"/usr/local/var", "/usr/share/polkit-1",  NULL
};

/* Something to exclude and to include. */
static void make_choice(void)
{
	make_machine();
	REQUIRE(symlink("python3", "/usr/bin/python") == 0);
	make_file("/usr/local/bin/deploy", "CANARY", 0755);
	make_file("/usr/share/doc/below/x", "", 0644);
	make_file("/usr/src/keys/x", "", 0644);
	make_file("/usr/local/mount/inside/x", "", 0644);
	make_file("/usr/local/tool/.git/x", "", 0644);
	make_file("/usr/local/.git/x", "", 0644);
	make_file("/usr/share/tool/.git", "gitdir: elsewhere", 0644);
	make_file("/usr/share/polkit-1/x", "", 0644);
	make_directory("/usr/local/src");
}

static struct image prepare_choice(bool owns_mounts)
{
	struct image_request request = { .owns_mounts = owns_mounts,
					 .excluded = excluded,
					 .included = included };
	struct error err = ERROR_INIT;
	struct image image;
	const char *broken = NULL;

	if (image_prepare(&request, &image, &err) < 0)
		broken = err.message;
	if (!broken)
		broken = plan_check_rules(&image.plan);
	if (broken) {
		(void)fprintf(stderr, "# %s\n", broken);
		_exit(1);
	}
	return image;
}

static void require_choice(const struct image *image)
{
	static const char *const empty[] = { "usr/local/.git",	    "usr/local/mount/inside",
					     "usr/local/src",	    "usr/share/doc",
					     "usr/share/tool/.git", "usr/src/keys" };
	static const char *const files[] = { "usr/bin/python3", "usr/local/bin/deploy" };
	struct plan_step step;

	for (size_t i = 0; i < ARRAY_LENGTH(empty); i++) {
		if (!plan_check_find(&image->plan, PLAN_EMPTY, empty[i], &step)) {
			(void)fprintf(stderr, "# %s is not hidden\n", empty[i]);
			_exit(1);
		}
		REQUIRE(!plan_check_find(&image->plan, PLAN_OVERLAY, empty[i], &step));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		REQUIRE(plan_check_find(&image->plan, PLAN_CHECK_ANY, files[i], &step));
		REQUIRE(step.op == PLAN_FILE && step.bytes == 0);
	}
	REQUIRE(!plan_check_find(&image->plan, PLAN_EMPTY, "usr/src", &step));
	REQUIRE(!plan_check_find(&image->plan, PLAN_EMPTY, "usr/local/tool/.git", &step));
	REQUIRE(!plan_check_find(&image->plan, PLAN_EMPTY, "usr/share/polkit-1", &step));
	REQUIRE(!plan_check_find(&image->plan, PLAN_CHECK_ANY, "usr/share/doc/below", &step));
	REQUIRE(!plan_check_find(&image->plan, PLAN_CHECK_ANY, "usr/missing", &step));
	/* What is excluded is not advertised either. */
	REQUIRE(!strstr(image->programs, "python3"));
}

static void check_choice(void)
{
	struct image image;

	make_choice();
	image = prepare_choice(false);
	require_choice(&image);
	REQUIRE(plan_check_count(&image.plan, PLAN_OVERLAY) == 1);
	REQUIRE(plan_check_count(&image.plan, PLAN_EMPTY) == 6);
	image_finish(&image);
}

/* The same where the trees are no single overlays: something is mounted in them. */
static void check_choice_beside_mounts(void)
{
	static const char *const mounts[] = { "/usr/local/mount", "/usr/share/other",
					      "/usr/src/keys/disk", "/usr/bin/other" };

	make_choice();
	for (size_t i = 0; i < ARRAY_LENGTH(mounts); i++) {
		make_directory(mounts[i]);
		REQUIRE(mount("none", mounts[i], "tmpfs", 0, NULL) == 0);
	}
	make_file("/usr/local/mount/inside/x", "", 0644);
	for (int owns_mounts = 0; owns_mounts < 2; owns_mounts++) {
		struct image image = prepare_choice(owns_mounts);
		struct plan_step step;

		require_choice(&image);
		REQUIRE(!plan_check_find(&image.plan, PLAN_OVERLAY, "usr/src/keys/disk", &step));
		image_finish(&image);
	}
}

static void refuse_choice(const char *exclude, const char *include, const char *text)
{
	struct image_request request = { .excluded = (const char *const[]){ exclude, NULL },
					 .included = (const char *const[]){ include, NULL } };
	struct error err = ERROR_INIT;
	struct image image;

	REQUIRE(image_prepare(&request, &image, &err) < 0);
	REQUIRE(err.kind == ERROR_CONFIG);
	if (!strstr(err.message, text)) {
		(void)fprintf(stderr, "# no \"%s\" in: %s\n", text, err.message);
		_exit(1);
	}
}

static void check_choice_refused(void)
{
	make_machine();
	make_directory("/etc/ssl/private");
	make_directory("/usr/share");
	REQUIRE(symlink("/etc/ssl/private", "/usr/share/keys") == 0);
	REQUIRE(symlink("/etc/ssl", "/usr/src") == 0);
	refuse_choice(NULL, "/etc/ssl/private", "not below /usr");
	refuse_choice(NULL, "/usr/share/keys", "leads to /etc/ssl/private");
	refuse_choice(NULL, "/usr/src", "leads to /etc/ssl");
	refuse_choice(NULL, "/usr/src/private", "leads to /etc/ssl/private");
	refuse_choice("/usr/../etc", NULL, "leads to /etc");
	refuse_choice("/usr/.", NULL, "leads to /usr,");
	refuse_choice("/opt/node", NULL, "not below /usr");
	refuse_choice(NULL, "/usr/bin", "not left out by default");
}

static void check_unmerged(void)
{
	struct plan_step step;
	struct image image;

	make_file("/usr/bin/perl", "", 0755);
	make_file("/bin/sh", "", 0755);
	make_directory("/lib/modules/6.1");
	image = prepare(false);
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "bin", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "lib", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_EMPTY, "lib/modules", &step));
	REQUIRE(!plan_check_find(&image.plan, PLAN_CHECK_ANY, "sbin", &step));
	REQUIRE(strcmp(image.shell, "/bin/sh") == 0);
	REQUIRE(strcmp(image.programs, "perl") == 0);
	image_finish(&image);
}

static void check_no_usr(void)
{
	struct image_request request = { .name = "host" };
	struct error err = ERROR_INIT;
	struct image image;

	make_file("/bin/sh", "", 0755);
	REQUIRE(image_prepare(&request, &image, &err) < 0);
	REQUIRE(err.kind == ERROR_CONFIG);
	REQUIRE(strstr(err.message, "--image DIRECTORY"));
}

/* A disk of its own at /usr/local, and somebody else's files at /usr/share/remote. */
static void mount_in_usr(void)
{
	make_machine();
	make_file("/usr/README", "readme", 0644);
	make_directory("/usr/local");
	make_directory("/usr/share/doc");
	make_directory("/usr/share/remote");
	REQUIRE(mount("none", "/usr/local", "tmpfs", 0, NULL) == 0);
	make_file("/usr/local/bin/perl", "", 0755);
	make_directory("/usr/local/src");
	REQUIRE(mount("/proc/self", "/usr/share/remote", NULL, MS_BIND, NULL) == 0);
}

static void check_split(void)
{
	static const char *const overlays[] = { "usr/bin", "usr/lib", "usr/local",
						"usr/share/doc" };
	struct plan_step step;
	struct image image;

	mount_in_usr();
	image = prepare(false);
	REQUIRE(!plan_check_find(&image.plan, PLAN_OVERLAY, "usr", &step));
	REQUIRE(!plan_check_find(&image.plan, PLAN_OVERLAY, "usr/share", &step));
	REQUIRE(plan_check_count(&image.plan, PLAN_OVERLAY) == (int)ARRAY_LENGTH(overlays));
	for (size_t i = 0; i < ARRAY_LENGTH(overlays); i++)
		REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, overlays[i], &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_DIRECTORY, "usr/share/remote", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_FILE, "usr/README", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_EMPTY, "usr/local/src", &step));
	REQUIRE(strstr(image.left_out, "/usr/share/remote"));
	REQUIRE(strstr(image.programs, "perl"));
	image_finish(&image);
}

static void check_nested(void)
{
	struct plan_step step;
	struct image image;

	mount_in_usr();
	image = prepare(true);
	REQUIRE(plan_check_count(&image.plan, PLAN_OVERLAY) == 2);
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "usr", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_OVERLAY, "usr/local", &step));
	REQUIRE(plan_check_find(&image.plan, PLAN_EMPTY, "usr/local/src", &step));
	REQUIRE(strstr(image.left_out, "/usr/share/remote"));
	image_finish(&image);
}

static void check_split_too_wide(void)
{
	struct image_request request = { .name = "host" };
	struct error err = ERROR_INIT;
	struct image image;

	make_machine();
	for (int i = 0; i < 200; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/usr/lib/%d", i);
		make_directory(path);
	}
	REQUIRE(mount("none", "/usr/lib/7", "tmpfs", 0, NULL) == 0);
	REQUIRE(image_prepare(&request, &image, &err) < 0);
	REQUIRE(err.kind == ERROR_CONFIG);
	REQUIRE(strstr(err.message, "/usr/lib"));
}

static void nothing_of_the_host_but_its_programs_is_in_the_plan(void **state)
{
	(void)state;
	on_machine(check_secrets);
}

static void what_programs_need_of_etc_is_in_the_plan(void **state)
{
	(void)state;
	on_machine(check_settings);
}

static void large_directories_are_shown_unless_something_in_them_is_not_for_everyone(void **state)
{
	(void)state;
	on_machine(check_large);
}

static void a_huge_etc_is_cut_and_said_to_be(void **state)
{
	(void)state;
	on_machine(check_too_much);
}

static void sources_keys_and_clones_in_usr_look_empty(void **state)
{
	(void)state;
	on_machine(check_hidden);
}

static void what_was_excluded_looks_empty_and_what_was_included_does_not(void **state)
{
	(void)state;
	on_machine(check_choice);
}

static void so_it_is_beside_mounts(void **state)
{
	(void)state;
	on_machine(check_choice_beside_mounts);
}

static void nothing_outside_of_usr_can_be_excluded_or_included(void **state)
{
	(void)state;
	on_machine(check_choice_refused);
}

static void directories_beside_usr_are_overlays_where_they_are_no_links(void **state)
{
	(void)state;
	on_machine(check_unmerged);
}

static void a_machine_without_usr_is_told_what_to_do(void **state)
{
	(void)state;
	on_machine(check_no_usr);
}

static void what_is_mounted_in_usr_is_gone_around(void **state)
{
	(void)state;
	on_machine(check_split);
}

static void who_owns_the_mounts_gets_an_overlay_for_each_local_one(void **state)
{
	(void)state;
	on_machine(check_nested);
}

static void a_mount_beside_too_much_is_refused_by_name(void **state)
{
	(void)state;
	on_machine(check_split_too_wide);
}

/* On a stack as small as a call's thread has. */
static void *prepare_here(void *context)
{
	struct image_request request = { .name = NULL };

	return image_prepare(&request, context, NULL) == 0 ? context : NULL;
}

static void this_machines_plan_keeps_the_rules_on_a_small_stack(void **state)
{
	struct plan_step step;
	struct image image;
	pthread_attr_t attributes;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, 128 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attributes, prepare_here, &image), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	(void)pthread_attr_destroy(&attributes);
	assert_non_null(result);
	assert_null(plan_check_rules(&image.plan));
	assert_true(plan_check_find(&image.plan, PLAN_FILE, "etc/passwd", &step));
	assert_true(plan_check_find(&image.plan, PLAN_DIRECTORY, "workspace", &step));
	assert_true(plan_check_find(&image.plan, PLAN_DIRECTORY, "tmp", &step));
	assert_int_equal(step.mode, 01777);
	assert_string_not_equal(image.shell, "");
	image_finish(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_the_host_but_its_programs_is_in_the_plan),
		cmocka_unit_test(what_programs_need_of_etc_is_in_the_plan),
		cmocka_unit_test(
			large_directories_are_shown_unless_something_in_them_is_not_for_everyone),
		cmocka_unit_test(a_huge_etc_is_cut_and_said_to_be),
		cmocka_unit_test(sources_keys_and_clones_in_usr_look_empty),
		cmocka_unit_test(what_was_excluded_looks_empty_and_what_was_included_does_not),
		cmocka_unit_test(so_it_is_beside_mounts),
		cmocka_unit_test(nothing_outside_of_usr_can_be_excluded_or_included),
		cmocka_unit_test(directories_beside_usr_are_overlays_where_they_are_no_links),
		cmocka_unit_test(a_machine_without_usr_is_told_what_to_do),
		cmocka_unit_test(what_is_mounted_in_usr_is_gone_around),
		cmocka_unit_test(who_owns_the_mounts_gets_an_overlay_for_each_local_one),
		cmocka_unit_test(a_mount_beside_too_much_is_refused_by_name),
		cmocka_unit_test(this_machines_plan_keeps_the_rules_on_a_small_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
