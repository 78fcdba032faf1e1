/* SPDX-License-Identifier: MIT */
#include "guest/disk.h"

#include "tests/unit/guest/guest_peer.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	return file && fputs(text, file) >= 0 && fclose(file) == 0 ? 0 : -1;
}

/* As an ordinary user: where it counts as root. */
static int get_user_namespace(void)
{
	char uid_map[32];
	char gid_map[32];

	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)geteuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    write_file("/proc/self/uid_map", uid_map) < 0 ||
	    write_file("/proc/self/setgroups", "deny") < 0 ||
	    write_file("/proc/self/gid_map", gid_map) < 0)
		return -1;
	return 0;
}

/* In a mount namespace of its own, so that nothing is left behind. */
static int get_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 && get_user_namespace() < 0)
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int mount_small(void **state)
{
	(void)state;
	return mount("test", "/tmp", "tmpfs", 0, "size=64k,nr_inodes=8");
}

static int unmount_small(void **state)
{
	(void)state;
	return umount("/tmp");
}

static void fill_blocks(void)
{
	char block[4096] = { 0 };
	int fd = open("/tmp/large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	(void)close(fd);
}

static void fill_files(void)
{
	char path[32];
	int fd;

	for (int i = 0;; i++) {
		(void)snprintf(path, sizeof(path), "/tmp/%d", i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	assert_int_equal(errno, ENOSPC);
}

static void a_disk_with_room_is_not_full(void **state)
{
	(void)state;
	assert_int_equal(disk_look("/tmp"), GUEST_WIRE_DISK_HAS_ROOM);
}

static void a_disk_without_a_free_block_is_full_until_something_is_deleted(void **state)
{
	(void)state;
	fill_blocks();
	assert_int_equal(disk_look("/tmp"), GUEST_WIRE_DISK_FULL);
	assert_int_equal(disk_look_around(), GUEST_WIRE_DISK_FULL);
	assert_int_equal(unlink("/tmp/large"), 0);
	assert_int_equal(disk_look("/tmp"), GUEST_WIRE_DISK_HAS_ROOM);
}

static void a_disk_without_a_free_inode_holds_no_more_files(void **state)
{
	(void)state;
	fill_files();
	assert_int_equal(disk_look("/tmp"), GUEST_WIRE_DISK_NO_FILES);
}

static void a_disk_that_cannot_be_written_to_is_not_full(void **state)
{
	(void)state;
	fill_blocks();
	assert_int_equal(mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(disk_look("/tmp"), GUEST_WIRE_DISK_HAS_ROOM);
}

static void what_has_no_size_or_is_not_there_is_not_full(void **state)
{
	(void)state;
	assert_int_equal(disk_look("/proc"), GUEST_WIRE_DISK_HAS_ROOM);
	assert_int_equal(disk_look("/no/such/place"), GUEST_WIRE_DISK_HAS_ROOM);
}

/* What EXITED says of the disk after `sh -c SCRIPT`; the strings of the request. */
static enum guest_wire_disk run(const struct guest_peer *peer, const char *strings, size_t bytes)
{
	int status_fd = peer_exec(peer, strings, bytes, 3);
	struct guest_wire_message message = peer_receive(status_fd);

	assert_int_equal(message.type, GUEST_WIRE_STARTED);
	message = peer_receive(status_fd);
	assert_int_equal(message.type, GUEST_WIRE_EXITED);
	(void)close(status_fd);
	return message.exited.disk;
}

#define RUN(peer, strings) run((peer), (strings), sizeof(strings))

static void a_command_that_failed_on_a_full_disk_says_so(void **state)
{
	struct guest_peer peer;

	(void)state;
	peer_start(&peer, 0);
	assert_int_equal(RUN(&peer, "\0sh\0-c\0exit 3"), GUEST_WIRE_DISK_HAS_ROOM);
	fill_blocks();
	assert_int_equal(RUN(&peer, "\0sh\0-c\0exit 3"), GUEST_WIRE_DISK_FULL);
	assert_int_equal(RUN(&peer, "\0sh\0-c\0kill -9 $$"), GUEST_WIRE_DISK_FULL);
	assert_int_equal(RUN(&peer, "\0sh\0-c\0exit 0"), GUEST_WIRE_DISK_HAS_ROOM);
	(void)close(peer.socket_fd);
	assert_int_equal(peer_wait(&peer), 0);
}

#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, mount_small, unmount_small)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SMALL(a_disk_with_room_is_not_full),
		ON_SMALL(a_disk_without_a_free_block_is_full_until_something_is_deleted),
		ON_SMALL(a_disk_without_a_free_inode_holds_no_more_files),
		ON_SMALL(a_disk_that_cannot_be_written_to_is_not_full),
		ON_SMALL(a_command_that_failed_on_a_full_disk_says_so),
		cmocka_unit_test(what_has_no_size_or_is_not_there_is_not_full),
	};

	if (get_mounts() < 0) {
		(void)printf("1..0 # SKIP no mount namespace can be had: %s\n", strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
