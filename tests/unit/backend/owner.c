/* SPDX-License-Identifier: MIT */
#include "backend/owner.h"

#include "tests/unit/unit.h"

#include "base/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place of its own for each test: XDG_STATE_HOME. */
static char home[64];

static char *in_home(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/kilntainers/%s", home, name);
	return path;
}

static char *lock_path(const char *id)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "owners/%s.lock", id);
	return in_home(name);
}

static int enter_home(void **state)
{
	(void)state;
	(void)snprintf(home, sizeof(home), "/tmp/kilntainers-owners-XXXXXX");
	return mkdtemp(home) && setenv("XDG_STATE_HOME", home, 1) == 0 ? 0 : -1;
}

static int leave_home(void **state)
{
	static const char *const directories[] = { "kilntainers/owners", "kilntainers", "" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char path[512];
		DIR *directory;
		const struct dirent *entry;

		(void)snprintf(path, sizeof(path), "%s/%s", home, directories[i]);
		(void)chmod(path, 0700);
		directory = opendir(path);
		while (directory && (entry = readdir(directory)))
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
		if (directory)
			(void)closedir(directory);
		(void)rmdir(path);
	}
	return access(home, F_OK) == 0 ? -1 : 0;
}

static void write_file(const char *path, const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), bytes);
	(void)close(fd);
}

/* Leaves what a killed server would: its lock file, and nobody who holds it. '@' in the record
 * stands for its name. */
static void leave_behind(const char *record, char id[OWNER_ID_BYTES], char name[OWNER_NAME_BYTES])
{
	struct owner *owner = owner_create();
	const char *at = strchr(record, '@');
	char text[1024];
	int length;

	assert_true(owner_is_kept(owner));
	(void)snprintf(id, OWNER_ID_BYTES, "%s", owner_id(owner));
	(void)snprintf(name, OWNER_NAME_BYTES, "%s", owner_name(owner));
	owner_destroy(owner);
	length = at ? snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - record), record, name,
			       at + 1)
		    : snprintf(text, sizeof(text), "%s", record);
	write_file(lock_path(id), text, (size_t)length);
}

/* --- what a sweep did ------------------------------------------------------------- */

static int removed_count, kept_count;
static char removed_path[8192];
static int remover_result;

static int note_removal(void *context, enum owner_kind kind, const char *path, struct error *err)
{
	(void)context;
	(void)kind;
	removed_count++;
	(void)snprintf(removed_path, sizeof(removed_path), "%s", path);
	return remover_result == 0 ? 0 : error_set(err, ERROR_BUSY, "it is busy");
}

static void note_kept(void *context, const char *id, const char *reason)
{
	(void)context;
	assert_int_equal(strlen(id), OWNER_ID_BYTES - 1);
	assert_string_not_equal(reason, "");
	kept_count++;
}

static void sweep(void)
{
	static const struct owner_remover remover = { note_removal, note_kept, NULL };
	struct owner_state state;

	removed_count = kept_count = 0;
	removed_path[0] = '\0';
	assert_int_equal(owner_state_find(&state, NULL), 1);
	owner_sweep(&state, &remover);
	owner_state_finish(&state);
}

/* --- owners ------------------------------------------------------------------------ */

static void an_owner_holds_its_lock_until_its_end(void **unused)
{
	struct owner *owner = owner_create();
	struct owner_state state;
	struct stat status;
	char id[OWNER_ID_BYTES];

	(void)unused;
	assert_true(owner_is_kept(owner));
	(void)snprintf(id, sizeof(id), "%s", owner_id(owner));
	assert_int_equal(owner_state_find(&state, NULL), 1);
	assert_int_equal(owner_look(&state, id), OWNER_LIVES);
	assert_int_equal(stat(in_home(""), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(stat(in_home("key"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, OWNER_KEY_BYTES);
	owner_destroy(owner);
	assert_int_equal(owner_look(&state, id), OWNER_UNKNOWN);
	assert_int_equal(access(lock_path(id), F_OK), -1);
	owner_state_finish(&state);
}

static void a_killed_owner_is_known_to_be_dead(void **unused)
{
	struct owner_state state;
	char id[OWNER_ID_BYTES];
	int pipe_fds[2], status;
	pid_t child;

	(void)unused;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct owner *owner = owner_create();

		_exit(write(pipe_fds[1], owner_id(owner), sizeof(id)) == sizeof(id) &&
				      raise(SIGKILL) == 0
			      ? 0
			      : 1);
	}
	assert_int_equal(read(pipe_fds[0], id, sizeof(id)), sizeof(id));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(owner_state_find(&state, NULL), 1);
	assert_int_equal(owner_look(&state, id), OWNER_DEAD);
	sweep();
	assert_int_equal(owner_look(&state, id), OWNER_UNKNOWN);
	owner_state_finish(&state);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

static void without_a_place_an_owner_still_has_a_name(void **unused)
{
	struct owner *owner;
	char mac[OWNER_MAC_BYTES];

	(void)unused;
	assert_int_equal(setenv("XDG_STATE_HOME", "/proc/no-such-place", 1), 0);
	owner = owner_create();
	assert_int_equal(setenv("XDG_STATE_HOME", home, 1), 0);
	assert_false(owner_is_kept(owner));
	assert_int_equal(strlen(owner_name(owner)), strlen("kilntainers-") + 32 + 1 + 16);
	owner_label(owner, "thing", mac);
	assert_int_equal(strlen(mac), 64);
	owner_destroy(owner);
}

static void a_directory_that_others_may_write_into_is_refused(void **unused)
{
	struct error err = ERROR_INIT;
	struct owner_state state;

	(void)unused;
	assert_int_equal(mkdir(in_home(""), 0700), 0);
	assert_int_equal(chmod(in_home(""), 0770), 0);
	assert_int_equal(owner_state_make(&state, &err), -1);
	assert_non_null(strstr(err.message, "others may write into"));
	assert_int_equal(owner_state_find(&state, &err), -1);
	assert_int_equal(chmod(in_home(""), 0700), 0);
	assert_int_equal(owner_state_make(&state, &err), 0);
	owner_state_finish(&state);
}

static void a_directory_of_somebody_else_is_refused(void **unused)
{
	struct owner_state state;

	(void)unused;
	if (geteuid() != 0) {
		print_message("# SKIP only root can give files away\n");
		skip();
	}
	assert_int_equal(mkdir(in_home(""), 0700), 0);
	assert_int_equal(chown(in_home(""), 65534, 65534), 0);
	assert_int_equal(owner_state_make(&state, NULL), -1);
	assert_int_equal(owner_state_find(&state, NULL), -1);
}

static void only_a_whole_and_private_key_is_used(void **unused)
{
	struct owner_state state;

	(void)unused;
	assert_int_equal(mkdir(in_home(""), 0700), 0);
	write_file(in_home("key"), "too short", 9);
	assert_int_equal(owner_state_make(&state, NULL), -1);
	assert_int_equal(unlink(in_home("key")), 0);
	write_file(in_home("key"), "thirty-two bytes, and one more...", 33);
	assert_int_equal(owner_state_make(&state, NULL), -1);
	assert_int_equal(truncate(in_home("key"), 32), 0);
	assert_int_equal(owner_state_make(&state, NULL), 0);
	owner_state_finish(&state);
	assert_int_equal(chmod(in_home("key"), 0644), 0);
	assert_int_equal(owner_state_make(&state, NULL), -1);
	assert_int_equal(unlink(in_home("key")), 0);
	assert_int_equal(symlink("/dev/zero", in_home("key")), 0);
	assert_int_equal(owner_state_make(&state, NULL), -1);
	assert_int_equal(unlink(in_home("key")), 0);
	assert_int_equal(mkfifo(in_home("key"), 0600), 0);
	assert_int_equal(owner_state_make(&state, NULL), -1);
}

static void nothing_is_made_by_looking(void **unused)
{
	struct owner_state state;

	(void)unused;
	assert_int_equal(owner_state_find(&state, NULL), 0);
	assert_int_equal(access(in_home(""), F_OK), -1);
}

static void everybody_gets_the_same_key(void **unused)
{
	struct owner_state first, second;

	(void)unused;
	assert_int_equal(owner_state_make(&first, NULL), 0);
	assert_int_equal(owner_state_make(&second, NULL), 0);
	assert_memory_equal(first.key, second.key, OWNER_KEY_BYTES);
	owner_state_finish(&first);
	owner_state_finish(&second);
}

/* --- labels and names ---------------------------------------------------------------- */

static void a_label_holds_for_its_name_owner_and_key_only(void **unused)
{
	struct owner *owner = owner_create();
	struct owner *other = owner_create();
	struct owner_state state, stranger;
	char mac[OWNER_MAC_BYTES];

	(void)unused;
	assert_int_equal(owner_state_find(&state, NULL), 1);
	owner_state_pretend(&stranger);
	owner_label(owner, "thing", mac);
	assert_true(owner_verify(&state, "thing", owner_id(owner), mac));
	assert_false(owner_verify(&state, "thing2", owner_id(owner), mac));
	assert_false(owner_verify(&state, "thing", owner_id(other), mac));
	assert_false(owner_verify(&stranger, "thing", owner_id(owner), mac));
	assert_false(owner_verify(&state, "thing", owner_id(owner), ""));
	assert_false(owner_verify(&state, "thing", "", mac));
	mac[63] ^= 1;
	assert_false(owner_verify(&state, "thing", owner_id(owner), mac));
	owner_state_finish(&state);
	owner_state_finish(&stranger);
	owner_destroy(owner);
	owner_destroy(other);
}

static void a_name_says_whose_it_is(void **unused)
{
	struct owner *owner = owner_create();
	struct owner_state state, stranger;
	char id[OWNER_ID_BYTES];
	char name[2 * OWNER_NAME_BYTES];

	(void)unused;
	assert_int_equal(owner_state_find(&state, NULL), 1);
	owner_state_pretend(&stranger);
	assert_int_equal(owner_parse_name(&state, owner_name(owner), id), OWNER_CLAIM_OURS);
	assert_string_equal(id, owner_id(owner));
	assert_int_equal(owner_parse_name(&stranger, owner_name(owner), id), OWNER_CLAIM_FOREIGN);
	(void)snprintf(name, sizeof(name), "%s-server", owner_name(owner));
	assert_int_equal(owner_parse_name(&state, name, id), OWNER_CLAIM_OURS);
	(void)snprintf(name, sizeof(name), "%s.scope", owner_name(owner));
	assert_int_equal(owner_parse_name(&state, name, id), OWNER_CLAIM_OURS);
	(void)snprintf(name, sizeof(name), "%s0", owner_name(owner));
	assert_int_equal(owner_parse_name(&state, name, id), OWNER_CLAIM_NONE);
	(void)snprintf(name, sizeof(name), "%s", owner_name(owner));
	name[strlen("kilntainers-")] ^= 1;
	assert_int_not_equal(owner_parse_name(&state, name, id), OWNER_CLAIM_OURS);
	name[20] = '\0';
	assert_int_equal(owner_parse_name(&state, name, id), OWNER_CLAIM_NONE);
	assert_int_equal(owner_parse_name(&state, "kilntainers-main", id), OWNER_CLAIM_NONE);
	assert_int_equal(owner_parse_name(&state, "", id), OWNER_CLAIM_NONE);
	owner_state_finish(&state);
	owner_state_finish(&stranger);
	owner_destroy(owner);
}

/* --- sweeping --------------------------------------------------------------------------- */

static void what_a_dead_owner_wrote_down_is_removed_with_its_lock(void **unused)
{
	char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];

	(void)unused;
	remover_result = 0;
	leave_behind("cgroup /somewhere/@\n", id, name);
	sweep();
	assert_int_equal(removed_count, 1);
	assert_string_equal(strrchr(removed_path, '/') + 1, name);
	assert_int_equal(access(lock_path(id), F_OK), -1);
}

static void what_cannot_be_removed_is_tried_again_next_time(void **unused)
{
	char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];

	(void)unused;
	remover_result = -1;
	leave_behind("cgroup /somewhere/@\n", id, name);
	sweep();
	assert_int_equal(removed_count, 1);
	assert_int_equal(kept_count, 1);
	assert_int_equal(access(lock_path(id), F_OK), 0);
	remover_result = 0;
	sweep();
	assert_int_equal(removed_count, 1);
	assert_int_equal(access(lock_path(id), F_OK), -1);
}

static void what_a_living_owner_wrote_down_stays(void **unused)
{
	struct owner *owner = owner_create();
	char path[128];

	(void)unused;
	(void)snprintf(path, sizeof(path), "%s/%s", home, owner_name(owner));
	assert_int_equal(owner_record(owner, OWNER_DIRECTORY, path, NULL), 0);
	sweep();
	assert_int_equal(removed_count + kept_count, 0);
	assert_int_equal(access(lock_path(owner_id(owner)), F_OK), 0);
	owner_destroy(owner);
}

static void an_owner_that_leaves_something_leaves_its_lock_too(void **unused)
{
	struct owner *owner = owner_create();
	char id[OWNER_ID_BYTES];
	char path[128];

	(void)unused;
	remover_result = 0;
	(void)snprintf(id, sizeof(id), "%s", owner_id(owner));
	(void)snprintf(path, sizeof(path), "%s/%s", home, owner_name(owner));
	assert_int_equal(owner_record(owner, OWNER_DIRECTORY, path, NULL), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	owner_destroy(owner);
	assert_int_equal(access(lock_path(id), F_OK), 0);
	sweep();
	assert_string_equal(removed_path, path);
	assert_int_equal(rmdir(path), 0);
}

static void hostile_records_remove_nothing(void **unused)
{
	static const char *const records[] = {
		"cgroup /etc\n",
		"cgroup /somewhere/../@\n",
		"cgroup /somewhere/./@\n",
		"cgroup //@\n",
		"cgroup /somewhere/@/\n",
		"cgroup @\n",
		"cgroup \n",
		"cgroup /\n",
		"cgroup /@/..\n",
		"cgroup /@x\n",
		"cgroup /kilntainers-00000000000000000000000000000000-0000000000000000\n",
		"pod /somewhere/@\n",
		"garbage\n",
		"\n",
		"cgroup\n",
	};

	(void)unused;
	remover_result = 0;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];

		leave_behind(records[i], id, name);
		sweep();
		assert_int_equal(removed_count, 0);
		assert_int_equal(kept_count, 1);
		assert_int_equal(unlink(lock_path(id)), 0);
	}
}

static void another_owners_name_in_a_record_removes_nothing(void **unused)
{
	char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];
	struct owner *living = owner_create();
	char record[128];

	(void)unused;
	remover_result = 0;
	(void)snprintf(record, sizeof(record), "cgroup /%s\n", owner_name(living));
	leave_behind(record, id, name);
	sweep();
	assert_int_equal(removed_count, 0);
	assert_int_equal(kept_count, 1);
	owner_destroy(living);
}

static void a_line_that_was_cut_was_never_made(void **unused)
{
	char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];

	(void)unused;
	remover_result = 0;
	leave_behind("cgroup /somewhere/@", id, name);
	sweep();
	assert_int_equal(removed_count + kept_count, 0);
	assert_int_equal(access(lock_path(id), F_OK), -1);
}

static void a_huge_file_is_not_read_to_its_end(void **unused)
{
	char id[OWNER_ID_BYTES], name[OWNER_NAME_BYTES];

	(void)unused;
	leave_behind("", id, name);
	assert_int_equal(truncate(lock_path(id), 1LL << 40), 0);
	sweep();
	assert_int_equal(removed_count, 0);
	assert_int_equal(kept_count, 1);
	assert_int_equal(access(lock_path(id), F_OK), 0);
}

static void what_only_looks_like_a_lock_file_is_left_alone(void **unused)
{
	static const char *const id = "0123456789abcdef0123456789abcdef";
	char target[256];
	struct owner_state state;
	struct stat status;

	(void)unused;
	owner_destroy(owner_create());
	assert_int_equal(owner_state_find(&state, NULL), 1);
	(void)snprintf(target, sizeof(target), "%s/target", home);
	write_file(target, "", 0);
	assert_int_equal(symlink(target, lock_path(id)), 0);
	sweep();
	assert_int_equal(owner_look(&state, id), OWNER_UNKNOWN);
	assert_int_equal(unlink(lock_path(id)), 0);
	assert_int_equal(mkfifo(lock_path(id), 0600), 0);
	sweep();
	assert_int_equal(owner_look(&state, id), OWNER_UNKNOWN);
	assert_int_equal(unlink(lock_path(id)), 0);
	assert_int_equal(link(target, lock_path(id)), 0);
	sweep();
	assert_int_equal(owner_look(&state, id), OWNER_UNKNOWN);
	assert_int_equal(lstat(lock_path(id), &status), 0);
	assert_int_equal(unlink(target), 0);
	owner_state_finish(&state);
}

static void so_much_is_written_down_and_no_more(void **unused)
{
	struct owner *owner = owner_create();
	char path[LIMIT_PATH_BYTES + 256];
	int i;

	(void)unused;
	(void)snprintf(path, sizeof(path), "/a\nb/%s", owner_name(owner));
	assert_int_equal(owner_record(owner, OWNER_CGROUP, path, NULL), -1);
	memset(path, 'x', LIMIT_PATH_BYTES);
	path[0] = '/';
	(void)snprintf(path + LIMIT_PATH_BYTES, 256, "/%s", owner_name(owner));
	assert_int_equal(owner_record(owner, OWNER_CGROUP, path, NULL), -1);
	(void)snprintf(path, sizeof(path), "/%s", owner_name(owner));
	for (i = 0; i < LIMIT_OWNER_RECORDS; i++)
		assert_int_equal(owner_record(owner, OWNER_CGROUP, path, NULL), 0);
	assert_int_equal(owner_record(owner, OWNER_CGROUP, path, NULL), -1);
	owner_destroy(owner);
}

#define IN_A_HOME(test) cmocka_unit_test_setup_teardown(test, enter_home, leave_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_HOME(an_owner_holds_its_lock_until_its_end),
		IN_A_HOME(a_killed_owner_is_known_to_be_dead),
		IN_A_HOME(without_a_place_an_owner_still_has_a_name),
		IN_A_HOME(a_directory_that_others_may_write_into_is_refused),
		IN_A_HOME(a_directory_of_somebody_else_is_refused),
		IN_A_HOME(only_a_whole_and_private_key_is_used),
		IN_A_HOME(nothing_is_made_by_looking),
		IN_A_HOME(everybody_gets_the_same_key),
		IN_A_HOME(a_label_holds_for_its_name_owner_and_key_only),
		IN_A_HOME(a_name_says_whose_it_is),
		IN_A_HOME(what_a_dead_owner_wrote_down_is_removed_with_its_lock),
		IN_A_HOME(what_cannot_be_removed_is_tried_again_next_time),
		IN_A_HOME(what_a_living_owner_wrote_down_stays),
		IN_A_HOME(an_owner_that_leaves_something_leaves_its_lock_too),
		IN_A_HOME(hostile_records_remove_nothing),
		IN_A_HOME(another_owners_name_in_a_record_removes_nothing),
		IN_A_HOME(a_line_that_was_cut_was_never_made),
		IN_A_HOME(a_huge_file_is_not_read_to_its_end),
		IN_A_HOME(what_only_looks_like_a_lock_file_is_left_alone),
		IN_A_HOME(so_much_is_written_down_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
