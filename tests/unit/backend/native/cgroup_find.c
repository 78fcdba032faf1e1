/* SPDX-License-Identifier: MIT */

#include "backend/native/cgroup_find.h"

#include "base/attr.h"
#include "tests/unit/unit.h"

static const char hybrid_mounts[] =
	"24 1 0:21 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"25 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
	"26 24 0:23 / /sys/fs/cgroup/memory rw shared:9 master:4 - cgroup cgroup rw,memory\n"
	"27 24 0:24 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	"28 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

static void assert_place(const char *actual, const char *expected)
{
	if (expected)
		assert_string_equal(actual, expected);
	else
		assert_null(actual);
}

static void finds_each_hierarchy_of_a_hybrid(void **state)
{
	struct cgroup_place place;

	(void)state;
	cgroup_find_parse("8:pids:/a b\n4:memory:/api/7\n1:cpu,cpuacct:/\n0::/user.slice\n",
			  hybrid_mounts, &place);
	assert_place(place.v1[CGROUP_MEMORY], "/sys/fs/cgroup/memory/api/7");
	assert_place(place.v1[CGROUP_PIDS], "/sys/fs/cgroup/pids/a b");
	assert_place(place.v1[CGROUP_CPU], "/sys/fs/cgroup/cpu,cpuacct");
	assert_place(place.v2, "/sys/fs/cgroup/unified/user.slice");
	cgroup_place_finish(&place);
}

static void finds_nothing_where_nothing_is(void **state)
{
	struct cgroup_place place;

	(void)state;
	cgroup_find_parse("0::/x\n", "1 1 0:1 / / rw - ext4 /dev/vda rw\nrubbish\n\n", &place);
	assert_null(place.v2);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		assert_null(place.v1[i]);
	cgroup_find_parse("", hybrid_mounts, &place);
	assert_null(place.v2);
	assert_null(place.v1[CGROUP_MEMORY]);
}

/* A container shows its own part of the hierarchy alone. */
static void counts_from_what_is_mounted(void **state)
{
	static const char mounts[] = "5 1 0:9 /docker/c0 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
	static const struct {
		const char *groups;
		const char *place;
	} cases[] = {
		{ "0::/docker/c0\n", "/sys/fs/cgroup" },
		{ "0::/docker/c0/inner\n", "/sys/fs/cgroup/inner" },
		{ "0::/docker/c00\n", NULL },
		{ "0::/elsewhere\n", NULL },
		{ "0::/docker/c0/../c1\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct cgroup_place place;

		cgroup_find_parse(cases[i].groups, mounts, &place);
		assert_place(place.v2, cases[i].place);
		cgroup_place_finish(&place);
	}
}

static void passes_over_a_mount_point_with_spaces(void **state)
{
	struct cgroup_place place;

	(void)state;
	cgroup_find_parse("0::/\n",
			  "5 1 0:9 / /mnt/a\\040b rw - cgroup2 cgroup rw\n"
			  "6 1 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
			  &place);
	assert_place(place.v2, "/sys/fs/cgroup");
	cgroup_place_finish(&place);
}

static void finds_this_process(void **state)
{
	struct error err = ERROR_INIT;
	struct cgroup_place place;

	(void)state;
	assert_int_equal(cgroup_find(0, &place, &err), 0);
	cgroup_place_finish(&place);
	assert_int_equal(cgroup_find(0x7ffffff0, &place, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_hierarchy_of_a_hybrid),
		cmocka_unit_test(finds_nothing_where_nothing_is),
		cmocka_unit_test(counts_from_what_is_mounted),
		cmocka_unit_test(passes_over_a_mount_point_with_spaces),
		cmocka_unit_test(finds_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
