/* SPDX-License-Identifier: MIT */

/*
 * Cradles (zygote/cradle.h) that wait: what becomes of them when they are wanted, when nobody
 * wants them, and when somebody is killed meanwhile. With a real zygote and the host's image.
 * A case that this machine has no means for prints so and passes: what cmocka makes of skip() is
 * a failure to whoever reads TAP.
 */

#include "backend/native/cgroup_find.h"
#include "backend/native/end.h"
#include "backend/native/id_map.h"
#include "backend/native/image.h"
#include "backend/native/layering.h"
#include "backend/native/starter.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "guest_link/guest_link.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 300
#define THREADS 6
#define MAX_CHILDREN 32
/* What happens at once may take this long on a busy machine. */
#define PATIENCE_MS 20000

struct nursery {
	struct starter *starter;
	pid_t zygote;
	struct starter_facts facts;
	struct id_ranges ranges;
	uint32_t first_ids;
	bool shares_ids;
};

static struct nursery nursery;

/* --- processes -------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	CLEANUP(cleanup_fd) int fd = -1;
	const char *end;
	ssize_t got;
	int parent;
	char state;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	end = strrchr(text, ')');
	if (!end || sscanf(end, ") %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
		return -1;
	return parent;
}

static unsigned children_of(pid_t parent, pid_t children[MAX_CHILDREN])
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(processes);
	while ((entry = readdir(processes)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && parent_of(pid) == parent && count < MAX_CHILDREN)
			children[count++] = pid;
	}
	(void)closedir(processes);
	return count;
}

static unsigned wait_for_children(pid_t parent, unsigned wanted, pid_t children[MAX_CHILDREN])
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;
	unsigned count;

	while ((count = children_of(parent, children)) != wanted && clock_now_ms() < deadline)
		(void)poll(NULL, 0, 2);
	return count;
}

static bool read_network(pid_t pid, char network[64])
{
	char path[64];
	ssize_t length;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	length = readlink(path, network, 63);
	network[length < 0 ? 0 : length] = '\0';
	return length > 0;
}

/* The network of a cradle, once it has one of its own. */
static void wait_for_network(pid_t cradle, char network[64])
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;
	char ours[64];

	assert_true(read_network(getpid(), ours));
	do {
		(void)poll(NULL, 0, 2);
		assert_true(clock_now_ms() < deadline);
	} while (!read_network(cradle, network) || strcmp(network, ours) == 0);
}

static pid_t pid_of(int pidfd)
{
	char path[64], text[512];
	CLEANUP(cleanup_fd) int fd = -1;
	const char *line;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = read(fd, text, sizeof(text) - 1);
	assert_true(got > 0);
	text[got] = '\0';
	line = strstr(text, "Pid:");
	assert_non_null(line);
	return (pid_t)strtol(line + 4, NULL, 10);
}

/* --- a zygote ------------------------------------------------------------------------ */

static int prepare_nursery(void)
{
	struct image_request image_request = { .name = "host" };
	struct image image;
	int result;

	nursery.first_ids = id_ranges_take(&nursery.ranges);
	if (starter_prepare(nursery.starter, nursery.first_ids, false, &nursery.facts, NULL) < 0)
		return -1;
	image_request.owns_mounts = nursery.facts.id_mode == ZYGOTE_PRIVILEGED;
	if (image_prepare(&image_request, &image, NULL) < 0)
		return -1;
	result = starter_send_image(nursery.starter, &image.plan,
				    layering_choose(nursery.facts.id_mode, "host"), NULL);
	if (result == 0)
		result = starter_await_image(nursery.starter, &nursery.shares_ids, NULL);
	image_finish(&image);
	return result;
}

static int begin(void **state)
{
	struct error err = ERROR_INIT;
	pid_t children[MAX_CHILDREN];

	(void)state;
	memset(&nursery, 0, sizeof(nursery));
	id_ranges_init(&nursery.ranges);
	nursery.starter = starter_create(&err);
	if (!nursery.starter || prepare_nursery() < 0) {
		print_message("# %s\n", err.message);
		return -1;
	}
	if (children_of(getpid(), children) != 1)
		return -1;
	nursery.zygote = children[0];
	return 0;
}

static int end(void **state)
{
	pid_t children[MAX_CHILDREN];

	(void)state;
	starter_destroy(nursery.starter);
	id_ranges_finish(&nursery.ranges);
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
	return wait_for_children(getpid(), 0, children) == 0 ? 0 : -1;
}

static struct cradle *make(const struct starter_place *place)
{
	struct cradle *cradle = starter_cradle(nursery.starter, place, CLOCK_NEVER, NULL);

	assert_non_null(cradle);
	return cradle;
}

static int spawn(struct cradle *cradle, struct starter_process *process, struct error *err)
{
	struct zygote_request request = { .id_count = nursery.facts.id_count,
					  .disk_bytes = 16 * MIB,
					  .disk_inodes = 4096,
					  .nofile_soft = 256,
					  .nofile_hard = 256 };

	if (nursery.facts.id_mode == ZYGOTE_PRIVILEGED)
		request.id_base =
			nursery.shares_ids ? nursery.first_ids : id_ranges_take(&nursery.ranges);
	return cradle_spawn(cradle, &request, NULL, clock_now_ms() + LIMIT_CREATE_MS, process, err);
}

static void destroy(struct starter_process *process)
{
	end_kill(process->pidfd);
	assert_true(end_wait(process->pidfd));
	cleanup_fd(&process->pidfd);
	cleanup_fd(&process->socket_fd);
}

/* --- what a sandbox says ---------------------------------------------------------------- */

struct said {
	struct exec_sink sink;
	char text[256];
	size_t length;
};

static int hear(struct exec_sink *sink, enum exec_stream stream, const void *data, size_t bytes)
{
	struct said *said = CONTAINER_OF(sink, struct said, sink);

	(void)stream;
	if (bytes >= sizeof(said->text) - said->length)
		return -1;
	memcpy(said->text + said->length, data, bytes);
	said->length += bytes;
	said->text[said->length] = '\0';
	return 0;
}

static void kill_nothing(void *context)
{
	(void)context;
}

/* What a command prints in the sandbox, whose socket this takes. */
static void run_in(struct starter_process *process, const char *command, struct said *said)
{
	static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };
	const char *const args[] = { "/bin/sh", "-c", command, NULL };
	struct guest_link_config config = { .socket_fd = take_fd(&process->socket_fd),
					    .kill_sandbox = kill_nothing,
					    .env = environment,
					    .directory = "/",
					    .ready_deadline = clock_now_ms() + LIMIT_CREATE_MS };
	struct guest_link *link = guest_link_open(&config, NULL);
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result;

	*said = (struct said){ .sink = { hear } };
	assert_non_null(link);
	request.args = args;
	request.timeout_ms = PATIENCE_MS;
	assert_int_equal(guest_link_exec(link, &request, &said->sink, &result, NULL), 0);
	assert_int_equal(exec_result_exit_code(&result), 0);
	guest_link_close(link);
}

/* --- waiting ----------------------------------------------------------------------------- */

static void a_cradle_makes_its_network_before_it_is_wanted(void **state)
{
	struct cradle *cradle = make(NULL);
	struct starter_process process;
	pid_t children[MAX_CHILDREN];
	char network[64];
	struct said said;

	(void)state;
	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	wait_for_network(children[0], network);
	assert_true(cradle_is_alive(cradle));
	assert_int_equal(spawn(cradle, &process, NULL), 0);
	run_in(&process,
	       "printf '%s ' $(readlink /proc/self/ns/net);"
	       "grep -c . /proc/net/dev; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
	       &said);
	assert_memory_equal(said.text, network, strlen(network));
	assert_string_equal(said.text + strlen(network), " 3\n0\n");
	destroy(&process);
}

static void a_sandbox_is_the_zygotes_child_and_its_cradle_ends(void **state)
{
	struct starter_process process;
	pid_t children[MAX_CHILDREN];

	(void)state;
	assert_int_equal(spawn(make(NULL), &process, NULL), 0);
	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	assert_int_equal(children[0], pid_of(process.pidfd));
	destroy(&process);
	assert_int_equal(wait_for_children(nursery.zygote, 0, children), 0);
}

static void a_cradle_that_nobody_wants_ends(void **state)
{
	struct cradle *cradles[3];
	pid_t children[MAX_CHILDREN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cradles); i++)
		cradles[i] = make(NULL);
	assert_int_equal(wait_for_children(nursery.zygote, 3, children), 3);
	cradle_discard(cradles[1]);
	assert_int_equal(wait_for_children(nursery.zygote, 2, children), 2);
	assert_true(cradle_is_alive(cradles[0]));
	cradle_discard(cradles[0]);
	cradle_discard(cradles[2]);
	assert_int_equal(wait_for_children(nursery.zygote, 0, children), 0);
}

static void wait_until_dead(const struct cradle *cradle)
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;

	while (cradle_is_alive(cradle)) {
		assert_true(clock_now_ms() < deadline);
		(void)poll(NULL, 0, 2);
	}
}

static void a_cradle_that_was_killed_is_known_and_another_does_its_work(void **state)
{
	struct cradle *cradle = make(NULL);
	struct error err = ERROR_INIT;
	struct starter_process process;
	pid_t children[MAX_CHILDREN];

	(void)state;
	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	assert_int_equal(kill(children[0], SIGKILL), 0);
	wait_until_dead(cradle);
	assert_int_equal(spawn(cradle, &process, &err), -1);
	assert_int_equal(err.kind, ERROR_UNAVAILABLE);
	assert_non_null(strstr(err.message, "(kiln-cradle) was killed from outside"));
	assert_int_equal(spawn(make(NULL), &process, NULL), 0);
	destroy(&process);
}

/* The request lies unread on the socket of one that is killed. */
static void a_cradle_that_is_killed_while_it_is_asked_says_so(void **state)
{
	struct cradle *cradle = make(NULL);
	struct error err = ERROR_INIT;
	struct starter_process process;
	pid_t children[MAX_CHILDREN];
	pid_t killer;

	(void)state;
	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	assert_int_equal(kill(children[0], SIGSTOP), 0);
	killer = fork();
	if (killer == 0) {
		(void)poll(NULL, 0, 100);
		_exit(kill(children[0], SIGKILL) == 0 ? 0 : 1);
	}
	assert_int_equal(spawn(cradle, &process, &err), -1);
	assert_non_null(strstr(err.message, "(kiln-cradle) was killed from outside"));
	assert_int_equal(waitpid(killer, NULL, 0), killer);
}

/* --- groups ------------------------------------------------------------------------------ */

static void a_place_that_cannot_be_entered_is_told_with_its_name(void **state)
{
	char folder[] = "/tmp/kilntainers-check-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	/* With subordinate ids the zygote is another user. */
	assert_int_equal(chmod(folder, 0755), 0);
	for (int is_unified = 0; is_unified <= 1; is_unified++) {
		struct starter_place place = { .count = 1,
					       .is_unified = is_unified,
					       .optional = 1 };
		struct error err = ERROR_INIT;
		struct starter_process process;
		struct cradle *cradle;

		place.fds[0] = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(place.fds[0] >= 0);
		cradle = make(&place);
		(void)close(place.fds[0]);
		wait_until_dead(cradle);
		assert_int_equal(spawn(cradle, &process, &err), -1);
		assert_int_equal(err.kind, ERROR_UNAVAILABLE);
		assert_int_equal(err.errno_value, ENOENT);
		assert_non_null(strstr(err.message, folder));
		assert_non_null(strstr(err.message, "somebody removed the control group"));
	}
	(void)rmdir(folder);
}

struct group {
	char *path;
	int fd;
};

/* A group of our own below the one that we are in. False: this machine does not let us. */
static bool open_group(const char *parent, struct group *group)
{
	*group = (struct group){ .fd = -1 };
	if (!parent)
		return false;
	group->path = alloc_printf("%s/kilntainers-check-%d", parent, (int)getpid());
	if (mkdir(group->path, 0755) == 0)
		group->fd = open(group->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group->fd >= 0)
		return true;
	free(group->path);
	return false;
}

static void close_group(struct group *group)
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;

	/* The kernel counts the dead for a moment. */
	while (rmdir(group->path) < 0 && errno == EBUSY && clock_now_ms() < deadline)
		(void)poll(NULL, 0, 5);
	(void)close(group->fd);
	free(group->path);
}

static bool is_in(pid_t pid, const struct group *group)
{
	CLEANUP(buf_finish) struct buf members = BUF_INIT(65536);
	char path[4096], member[32];

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", group->path);
	(void)snprintf(member, sizeof(member), "\n%d\n", (int)pid);
	assert_int_equal(buf_append_byte(&members, '\n'), 0);
	assert_int_equal(fd_read_file(path, &members, NULL), 0);
	return memmem(members.data, members.length, member, strlen(member)) != NULL;
}

static void check_groups(const struct starter_place *place, struct group *groups)
{
	struct cradle *cradle = make(place);
	struct starter_process process;
	pid_t children[MAX_CHILDREN];
	char network[64];
	struct error err = ERROR_INIT;

	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	/* Made after the groups were entered. */
	wait_for_network(children[0], network);
	for (unsigned i = 0; i < place->count; i++)
		assert_true(is_in(children[0], &groups[i]));
	if (spawn(cradle, &process, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(wait_for_children(nursery.zygote, 1, children), 1);
	for (unsigned i = 0; i < place->count; i++)
		assert_true(is_in(pid_of(process.pidfd), &groups[i]));
	destroy(&process);
	for (unsigned i = 0; i < place->count; i++)
		close_group(&groups[i]);
}

static void a_sandbox_is_in_the_groups_that_its_cradle_entered(void **state)
{
	struct starter_place place = { .count = 0 };
	struct group groups[CGROUP_CONTROLLERS];
	struct cgroup_place found;

	(void)state;
	assert_int_equal(cgroup_find(0, &found, NULL), 0);
	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (open_group(found.v1[i], &groups[place.count])) {
			place.fds[place.count] = groups[place.count].fd;
			place.count++;
		}
	}
	cgroup_place_finish(&found);
	if (place.count == 0) {
		print_message("# SKIP no hierarchy of version 1 is ours to divide\n");
		return;
	}
	check_groups(&place, groups);
}

static void a_cradle_is_born_in_a_group_of_version_2(void **state)
{
	struct starter_place place = { .count = 1, .is_unified = true };
	struct group group;
	struct cgroup_place found;
	bool is_open;

	(void)state;
	assert_int_equal(cgroup_find(0, &found, NULL), 0);
	is_open = open_group(found.v2, &group);
	cgroup_place_finish(&found);
	if (!is_open) {
		print_message("# SKIP no group of version 2 is ours to divide\n");
		return;
	}
	place.fds[0] = group.fd;
	check_groups(&place, &group);
}

/* A kernel with RT_GROUP_SCHED bars them from a group of the cpu controller. */
static void a_real_time_server_has_sandboxes_outside_of_groups_that_only_weigh(void **state)
{
	const struct sched_param real_time = { .sched_priority = 1 };
	struct starter_place place = { .count = 1 };
	struct starter_process process;
	struct cgroup_place found;
	struct group group;
	bool is_open;

	(void)state;
	assert_int_equal(cgroup_find(0, &found, NULL), 0);
	is_open = open_group(found.v1[CGROUP_CPU], &group);
	cgroup_place_finish(&found);
	if (!is_open || sched_setscheduler(nursery.zygote, SCHED_RR, &real_time) < 0) {
		if (is_open)
			close_group(&group);
		print_message("# SKIP no cpu controller of version 1, or no right to real time\n");
		return;
	}
	place.fds[0] = group.fd;
	if (spawn(make(&place), &process, NULL) == 0) {
		destroy(&process);
		close_group(&group);
		print_message("# SKIP this kernel lets real-time processes in everywhere\n");
		return;
	}
	place.optional = 1;
	assert_int_equal(spawn(make(&place), &process, NULL), 0);
	assert_false(is_in(pid_of(process.pidfd), &group));
	destroy(&process);
	close_group(&group);
}

/* --- many ---------------------------------------------------------------------------------- */

static void *make_some(void *made)
{
	struct starter_process *process = made;

	for (int i = 0; i < MANY / THREADS; i++) {
		struct cradle *cradle = starter_cradle(nursery.starter, NULL, CLOCK_NEVER, NULL);

		if (!cradle || spawn(cradle, &process[i], NULL) < 0)
			return NULL;
	}
	return made;
}

static void hundreds_are_made_at_once(void **state)
{
	static struct starter_process made[THREADS][MANY / THREADS];
	pthread_t threads[THREADS];
	pid_t children[MAX_CHILDREN];
	unsigned long ignored;

	(void)state;
	(void)fd_raise_limit(&ignored);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_some, made[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, made[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < MANY / THREADS; j++)
			destroy(&made[i][j]);
	}
	assert_int_equal(wait_for_children(nursery.zygote, 0, children), 0);
}

/* --- the end of others ------------------------------------------------------------------------ */

static void waiting_cradles_die_with_the_zygote(void **state)
{
	struct cradle *cradles[3];
	struct starter_process process;
	struct error err = ERROR_INIT;
	pid_t children[MAX_CHILDREN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cradles); i++)
		cradles[i] = make(NULL);
	assert_int_equal(wait_for_children(nursery.zygote, 3, children), 3);
	assert_int_equal(kill(nursery.zygote, SIGKILL), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(cradles); i++)
		wait_until_dead(cradles[i]);
	assert_int_equal(spawn(cradles[0], &process, &err), -1);
	assert_non_null(strstr(err.message, "(kiln-zygote) is gone"));
	assert_null(starter_cradle(nursery.starter, NULL, CLOCK_NEVER, &err));
	assert_non_null(strstr(err.message, "(kiln-zygote) is gone"));
	cradle_discard(cradles[1]);
	cradle_discard(cradles[2]);
}

/* A server with cradles that wait, until it is killed. */
static void serve(int ready_fd)
{
	struct starter_process process;
	pid_t children[MAX_CHILDREN];

	if (begin(NULL) < 0 || spawn(make(NULL), &process, NULL) < 0)
		_exit(1);
	(void)make(NULL);
	(void)make(NULL);
	if (wait_for_children(nursery.zygote, 3, children) != 3 || write(ready_fd, "r", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static void nothing_outlives_a_server_whose_cradles_wait(void **state)
{
	uint64_t deadline = clock_now_ms() + PATIENCE_MS;
	int ready[2];
	pid_t server, left;
	char byte;

	(void)state;
	assert_int_equal(fd_open_pipe(ready, NULL), 0);
	/* What it leaves becomes ours. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	server = fork();
	if (server == 0)
		serve(ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	assert_int_equal(kill(server, SIGKILL), 0);
	/* A process hands its children on before it can be waited for, so none is missed. */
	while ((left = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_now_ms() < deadline)
		(void)poll(NULL, 0, 2);
	assert_int_equal(left, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, since it forks, and preparing an image leaves a thread. */
		cmocka_unit_test(nothing_outlives_a_server_whose_cradles_wait),
		TEST(a_cradle_makes_its_network_before_it_is_wanted),
		TEST(a_sandbox_is_the_zygotes_child_and_its_cradle_ends),
		TEST(a_cradle_that_nobody_wants_ends),
		TEST(a_cradle_that_was_killed_is_known_and_another_does_its_work),
		TEST(a_cradle_that_is_killed_while_it_is_asked_says_so),
		TEST(a_place_that_cannot_be_entered_is_told_with_its_name),
		TEST(a_sandbox_is_in_the_groups_that_its_cradle_entered),
		TEST(a_cradle_is_born_in_a_group_of_version_2),
		TEST(a_real_time_server_has_sandboxes_outside_of_groups_that_only_weigh),
		TEST(hundreds_are_made_at_once),
		TEST(waiting_cradles_die_with_the_zygote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
