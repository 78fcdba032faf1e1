/* SPDX-License-Identifier: MIT */
#include "zygote/confine.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/unit.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* So often the number of a namespace that is gone may go to somebody else on this machine. */
#define ATTEMPTS 50

struct spare {
	pid_t pid; /* it waits to be killed */
	ino_t tag; /* 0: it could not be confined */
};

static struct spare start_spare(struct confine_tags *tags)
{
	struct spare spare = { 0 };
	struct error err = ERROR_INIT;
	struct stat tag = { 0 };
	int fds[2];

	assert_int_equal(fd_open_pipe(fds, &err), 0);
	spare.pid = fork();
	assert_true(spare.pid >= 0);
	if (spare.pid == 0) {
		if (geteuid() != 0)
			(void)unshare(CLONE_NEWUSER);
		/* As its guest does, long before. */
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (confine_spare(tags, &err) == 0)
			(void)stat("/proc/self/ns/uts", &tag);
		(void)!write(fds[1], &tag.st_ino, sizeof(tag.st_ino));
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &spare.tag, sizeof(spare.tag)), sizeof(spare.tag));
	cleanup_fd(&fds[0]);
	cleanup_fd(&fds[1]);
	return spare;
}

static void end_spare(const struct spare *spare)
{
	assert_int_equal(kill(spare->pid, SIGKILL), 0);
	assert_int_equal(waitpid(spare->pid, NULL, 0), spare->pid);
}

static void a_tag_is_its_spares_own(void **state)
{
	struct error err = ERROR_INIT;
	struct confine_tags *tags = confine_tags_create(&err);
	struct spare one, other;

	(void)state;
	one = start_spare(tags);
	other = start_spare(tags);
	if (one.tag != 0) {
		assert_true(confine_is_tagged(tags, one.pid, one.pid));
		assert_false(confine_is_tagged(tags, one.pid, other.pid));
		assert_false(confine_is_tagged(tags, other.pid, one.pid));
	}
	end_spare(&one);
	end_spare(&other);
	if (one.tag == 0) {
		print_message("# SKIP this user may not have namespaces\n");
		skip();
	}
}

/* A kill of what has ended may come late: it must not meet who got the same tag since. */
static void a_tag_that_is_used_again_is_the_later_ones(void **state)
{
	struct error err = ERROR_INIT;
	struct confine_tags *tags = confine_tags_create(&err);
	bool was_used_again = false;

	(void)state;
	for (int i = 0; i < ATTEMPTS && !was_used_again; i++) {
		struct spare earlier = start_spare(tags);
		struct spare later;

		end_spare(&earlier);
		later = start_spare(tags);
		was_used_again = later.tag != 0 && later.tag == earlier.tag;
		if (was_used_again) {
			assert_false(confine_is_tagged(tags, earlier.pid, later.pid));
			assert_true(confine_is_tagged(tags, later.pid, later.pid));
		}
		end_spare(&later);
	}
	if (!was_used_again) {
		print_message("# SKIP no namespace got the number of an earlier one\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_is_its_spares_own),
		cmocka_unit_test(a_tag_that_is_used_again_is_the_later_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
