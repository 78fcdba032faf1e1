/* SPDX-License-Identifier: MIT */
#include "app/rights.h"

#include "../unit.h"

#include "base/attr.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOMEBODY 54321u /* nobody's id here */
#define ANOTHER 54322u

static void needs_root(void)
{
	if (geteuid() != 0) {
		print_message("# SKIP only root has rights to give up\n");
		skip();
	}
}

static int has_more_threads(void)
{
	struct stat tasks;

	return stat("/proc/self/task", &tasks) < 0 || tasks.st_nlink > 3;
}

/* The sanitizer that looks for races has one, and gives one to a fork. */
static void needs_one_thread(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(has_more_threads());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		print_message("# SKIP a sanitizer has a thread of its own here\n");
		skip();
	}
}

/* --- whom to become ------------------------------------------------------------------ */

static int choose(struct rights *rights, const char *asked, struct error *err)
{
	struct options options;
	char program[] = "kilntainers", flag[] = "--run-as", value[256];
	char *argv[] = { program, asked ? flag : NULL, value, NULL };
	char *environment[] = { NULL };
	int result;

	(void)snprintf(value, sizeof(value), "%s", asked ? asked : "");
	assert_int_equal(options_parse(&options, OPTION_COMMAND_SERVE, asked ? 3 : 1, argv,
				       environment, NULL),
			 0);
	result = rights_choose(rights, &options, err);
	options_finish(&options);
	return result;
}

static void users_and_groups_are_names_or_numbers(void **state)
{
	static const struct {
		const char *asked;
		uid_t uid;
		gid_t gid;
	} cases[] = {
		{ "root", 0, 0 },
		{ "0", 0, 0 },
		{ "54321", SOMEBODY, SOMEBODY },
		{ "54321:7", SOMEBODY, 7 },
		{ "54321:root", SOMEBODY, 0 },
		{ "root:54322", 0, ANOTHER },
	};

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct rights rights;

		assert_int_equal(choose(&rights, cases[i].asked, NULL), 0);
		assert_true(rights.is_asked_for);
		assert_int_equal(rights.uid, cases[i].uid);
		assert_int_equal(rights.gid, cases[i].gid);
	}
}

static void whoever_is_unknown_is_refused(void **state)
{
	static const char *const unknown[] = { "no-such-user",	"-1", "4294967295", "1x",
					       "root:no-group", ":0", "root:",	    "root:-1" };

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++) {
		struct rights rights;
		struct error err = ERROR_INIT;

		assert_int_equal(choose(&rights, unknown[i], &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_non_null(strstr(err.message, "--run-as: there is no "));
	}
}

static void the_default_is_who_ran_sudo_and_else_nobody(void **state)
{
	const struct passwd *nobody;
	const uid_t uid = (nobody = getpwnam("nobody")) ? nobody->pw_uid : 65534;
	const struct {
		const char *uid;
		const char *gid;
		uid_t expected;
	} cases[] = {
		{ "54321", "54322", SOMEBODY },
		{ NULL, NULL, uid },
		{ "54321", NULL, uid },
		{ "0", "0", uid },
		{ "54321", "0", uid },
		{ "x", "y", uid },
		{ "-1", "-1", uid },
		{ "4294967295", "1", uid },
	};

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct rights rights;

		(void)unsetenv("SUDO_UID");
		(void)unsetenv("SUDO_GID");
		if (cases[i].uid)
			(void)setenv("SUDO_UID", cases[i].uid, 1);
		if (cases[i].gid)
			(void)setenv("SUDO_GID", cases[i].gid, 1);
		assert_int_equal(choose(&rights, NULL, NULL), 0);
		assert_false(rights.is_asked_for);
		assert_int_equal(rights.uid, cases[i].expected);
	}
	(void)unsetenv("SUDO_UID");
	(void)unsetenv("SUDO_GID");
}

/* In a child, which may be nobody already. */
static int refuses_an_ordinary_user(void)
{
	struct rights rights;
	struct error err = ERROR_INIT;

	if (geteuid() == 0 && setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
		return 1;
	if (choose(&rights, "nobody", &err) == 0 || err.kind != ERROR_USAGE)
		return 2;
	return choose(&rights, NULL, NULL) == 0 && rights.uid == geteuid() ? 0 : 3;
}

static void an_ordinary_user_cannot_ask(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(refuses_an_ordinary_user());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- afterwards ----------------------------------------------------------------------- */

/* A directory that is kept, one beside it, one of files that are read again (a link among them, to
 * a fourth), and two processes of others. */
struct scene {
	char folder[64];
	char kept[80];
	char closed[80];
	char reread[80];
	char linked[80];
	pid_t of_same;
	pid_t of_another;
};

static pid_t start_sleeper(uid_t uid)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setresuid(uid, uid, uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(1);
	for (;;)
		(void)pause();
}

static void make_file(const char *folder, const char *name)
{
	char path[160];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(chmod(path, 0666), 0);
}

static void make_link(const struct scene *scene)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/link", scene->reread);
	assert_int_equal(symlink("../linked/target", path), 0);
}

static void set_scene(struct scene *scene)
{
	(void)snprintf(scene->folder, sizeof(scene->folder), "/tmp/rights-XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	assert_int_equal(chmod(scene->folder, 0755), 0);
	(void)snprintf(scene->kept, sizeof(scene->kept), "%s/kept", scene->folder);
	(void)snprintf(scene->closed, sizeof(scene->closed), "%s/closed", scene->folder);
	(void)snprintf(scene->reread, sizeof(scene->reread), "%s/reread", scene->folder);
	(void)snprintf(scene->linked, sizeof(scene->linked), "%s/linked", scene->folder);
	assert_int_equal(mkdir(scene->reread, 0777), 0);
	assert_int_equal(chmod(scene->reread, 0777), 0);
	assert_int_equal(mkdir(scene->linked, 0755), 0);
	assert_int_equal(mkdir(scene->kept, 0755), 0);
	assert_int_equal(chown(scene->kept, SOMEBODY, SOMEBODY), 0);
	assert_int_equal(mkdir(scene->closed, 0755), 0);
	make_file(scene->kept, "file");
	make_file(scene->closed, "file");
	make_file(scene->reread, "file");
	make_file(scene->reread, "new");
	make_file(scene->linked, "target");
	make_link(scene);
	scene->of_same = start_sleeper(SOMEBODY);
	scene->of_another = start_sleeper(ANOTHER);
}

static void strike_scene(const struct scene *scene)
{
	static const char *const files[] = { "closed/file",  "kept/file",  "kept/made",
					     "reread/file",  "reread/new", "reread/link",
					     "linked/target" };
	char path[160];

	(void)kill(scene->of_same, SIGKILL);
	(void)kill(scene->of_another, SIGKILL);
	(void)waitpid(scene->of_same, NULL, 0);
	(void)waitpid(scene->of_another, NULL, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", scene->folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(scene->kept);
	(void)rmdir(scene->closed);
	(void)rmdir(scene->reread);
	(void)rmdir(scene->linked);
	assert_int_equal(rmdir(scene->folder), 0);
}

static bool has_landlock(void)
{
	/* LANDLOCK_CREATE_RULESET_VERSION */
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) >= 1;
}

static bool is_refused(const char *path, int flags, int expected)
{
	CLEANUP(cleanup_fd) int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 && errno == expected;
}

static bool opens(const char *folder, const char *name, int flags)
{
	char path[160];
	CLEANUP(cleanup_fd) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	return fd >= 0;
}

static bool is_somebody_else(const struct scene *scene)
{
	gid_t groups[1];
	uid_t uid, effective, saved;

	(void)scene;
	return getresuid(&uid, &effective, &saved) == 0 && uid == SOMEBODY &&
	       effective == SOMEBODY && saved == SOMEBODY && getegid() == ANOTHER &&
	       getgroups(1, groups) == 0;
}

static bool cannot_come_back(const struct scene *scene)
{
	(void)scene;
	return setuid(0) < 0 && errno == EPERM && setgid(0) < 0 && errno == EPERM &&
	       setgroups(0, NULL) < 0 && errno == EPERM;
}

static bool holds_kill_alone(const struct scene *scene)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	(void)scene;
	if (syscall(SYS_capget, &header, data) < 0 || data[0].effective != 1u << CAP_KILL ||
	    data[0].permitted != 1u << CAP_KILL || data[0].inheritable != 0 ||
	    data[1].permitted != 0)
		return false;
	for (unsigned long number = 0; number <= CAP_LAST_CAP; number++) {
		if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) > 0)
			return false;
	}
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool is_closed_to_others(const struct scene *scene)
{
	(void)scene;
	/* Its own /proc too. */
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       is_refused("/proc/self/mem", O_RDWR, EACCES);
}

static bool reads_no_secret(const struct scene *scene)
{
	(void)scene;
	return is_refused("/etc/shadow", O_RDONLY, EACCES) &&
	       is_refused("/proc/1/root/etc/shadow", O_RDONLY, EACCES) &&
	       is_refused("etc/shadow", O_RDONLY, EACCES);
}

static bool reads_nothing_else(const struct scene *scene)
{
	return !opens(scene->closed, "file", O_RDONLY) && !opens(scene->closed, "file", O_RDWR) &&
	       is_refused("/", O_RDONLY | O_DIRECTORY, EACCES) &&
	       is_refused("/etc/hosts", O_RDONLY, EACCES) &&
	       is_refused("/proc/self/status", O_RDONLY, EACCES) &&
	       is_refused("/tmp/rights-made", O_WRONLY | O_CREAT, EACCES);
}

static bool uses_what_is_kept(const struct scene *scene)
{
	return opens(scene->kept, "file", O_RDWR) &&
	       opens(scene->kept, "made", O_WRONLY | O_CREAT) && opens("/dev", "null", O_RDWR) &&
	       opens("/etc", "passwd", O_RDONLY);
}

/* A file is replaced by another of its name, and links are followed. */
static bool reads_files_again(const struct scene *scene)
{
	return opens(scene->reread, "file", O_RDONLY) && opens(scene->reread, "new", O_RDONLY) &&
	       opens(scene->reread, "link", O_RDONLY);
}

static bool does_not_write_what_it_reads(const struct scene *scene)
{
	return !opens(scene->reread, "file", O_RDWR) &&
	       !opens(scene->reread, "made", O_WRONLY | O_CREAT);
}

static bool traces_nobody(const struct scene *scene)
{
	return ptrace(PTRACE_ATTACH, scene->of_same, NULL, NULL) < 0 && errno == EPERM &&
	       ptrace(PTRACE_ATTACH, scene->of_another, NULL, NULL) < 0 && errno == EPERM;
}

static bool kills_processes_of_others(const struct scene *scene)
{
	CLEANUP(cleanup_fd) int pidfd = (int)syscall(SYS_pidfd_open, scene->of_another, 0u);

	return pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

static const struct {
	const char *name;
	bool (*holds)(const struct scene *scene);
	bool takes_landlock;
} claims[] = {
	{ "it is somebody else", is_somebody_else, false },
	{ "it cannot come back", cannot_come_back, false },
	{ "it holds CAP_KILL alone", holds_kill_alone, false },
	{ "it is closed to others", is_closed_to_others, false },
	{ "it reads no secret", reads_no_secret, false },
	{ "it reads nothing else", reads_nothing_else, true },
	{ "it uses what is kept", uses_what_is_kept, false },
	{ "it reads files again", reads_files_again, false },
	{ "it does not write what it reads again", does_not_write_what_it_reads, true },
	{ "it traces nobody", traces_nobody, true },
	{ "it kills processes of others", kills_processes_of_others, false },
};

/* In the child: the exit code is the number of the first claim that does not hold, from 1. */
static int check_claims(const struct scene *scene)
{
	const char *const kept[] = { scene->kept, "/no/such/directory", NULL };
	const gid_t further[] = { 0, 4 };
	bool is_walled = has_landlock();
	struct error err = ERROR_INIT;
	char file[96], link[96];
	const struct rights_file files[] = {
		{ "a", file },
		{ "b", link },
		{ NULL, NULL },
	};

	(void)snprintf(file, sizeof(file), "%s/file", scene->reread);
	(void)snprintf(link, sizeof(link), "%s/link", scene->reread);
	if (setgroups(ARRAY_LENGTH(further), further) < 0 ||
	    rights_drop(SOMEBODY, ANOTHER, kept, files, &err) < 0) {
		(void)fprintf(stderr, "# %s\n", err.message);
		return 255;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(claims); i++) {
		if ((is_walled || !claims[i].takes_landlock) && !claims[i].holds(scene))
			return (int)i + 1;
	}
	return 0;
}

static void what_is_left_is_killing(void **state)
{
	struct scene scene;
	int status;
	pid_t pid;

	(void)state;
	needs_root();
	needs_one_thread();
	set_scene(&scene);
	pid = fork();
	if (pid == 0)
		_exit(check_claims(&scene));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	strike_scene(&scene);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) > 0 && WEXITSTATUS(status) < 255)
		fail_msg("not so: %s", claims[WEXITSTATUS(status) - 1].name);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_and_groups_are_names_or_numbers),
		cmocka_unit_test(whoever_is_unknown_is_refused),
		cmocka_unit_test(the_default_is_who_ran_sudo_and_else_nobody),
		cmocka_unit_test(an_ordinary_user_cannot_ask),
		cmocka_unit_test(what_is_left_is_killing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
