/* SPDX-License-Identifier: MIT */
#include "zygote/plan.h"

#include "tests/unit/unit.h"

#include <string.h>

static const struct plan_step good_steps[] = {
	{ .op = PLAN_ROOT, .source = "/srv/image" },
	{ .op = PLAN_OVERLAY, .path = "usr", .source = "/usr" },
	{ .op = PLAN_DIRECTORY, .path = "tmp", .mode = 01777 },
	{ .op = PLAN_EMPTY, .path = "usr/src", .mode = 0755 },
	{ .op = PLAN_LINK, .path = "bin", .source = "usr/bin" },
	{ .op = PLAN_FILE, .path = "etc/..hosts", .mode = 0644, .data = "a\0b", .bytes = 3 },
	{ .op = PLAN_FILE, .path = "etc/empty", .mode = 0600, .data = "", .bytes = 0 },
};

static void write_good_plan(struct buf *plan)
{
	plan_begin(plan);
	for (size_t i = 0; i < ARRAY_LENGTH(good_steps); i++)
		assert_int_equal(plan_append(plan, &good_steps[i], NULL), 0);
}

static void assert_same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_ptr_equal(a, b);
}

static void what_was_written_is_read(void **state)
{
	struct plan_reader reader;
	struct plan_step step;
	struct buf plan;

	(void)state;
	write_good_plan(&plan);
	assert_int_equal(plan_open(&reader, plan.data, plan.length, NULL), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(good_steps); i++) {
		const struct plan_step *wanted = &good_steps[i];

		assert_int_equal(plan_next(&reader, &step, NULL), 1);
		assert_int_equal(step.op, wanted->op);
		assert_int_equal(step.mode, wanted->mode);
		assert_same_text(step.path, wanted->path);
		assert_same_text(step.source, wanted->source);
		assert_int_equal(step.bytes, wanted->bytes);
		assert_memory_equal(step.data, wanted->bytes ? wanted->data : "", wanted->bytes);
	}
	assert_int_equal(plan_next(&reader, &step, NULL), 0);
	assert_int_equal(plan_next(&reader, &step, NULL), 0);
	buf_finish(&plan);
}

static void an_empty_plan_has_no_steps(void **state)
{
	struct plan_reader reader;
	struct plan_step step;
	struct buf plan;

	(void)state;
	plan_begin(&plan);
	assert_int_equal(plan_open(&reader, plan.data, plan.length, NULL), 0);
	assert_int_equal(plan_next(&reader, &step, NULL), 0);
	buf_finish(&plan);
}

static void the_writer_refuses_what_the_reader_would(void **state)
{
	static const struct plan_step bad_steps[] = {
		{ .op = PLAN_DIRECTORY, .path = "", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "/etc", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "etc/", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "etc//x", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = ".", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "..", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "etc/../../x", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "etc/./x", .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "proc", .mode = 0755 },
		{ .op = PLAN_LINK, .path = "dev", .source = "/tmp" },
		{ .op = PLAN_FILE, .path = "sys/x", .mode = 0644, .data = "", .bytes = 0 },
		{ .op = PLAN_DIRECTORY, .mode = 0755 },
		{ .op = PLAN_DIRECTORY, .path = "etc", .source = "/etc", .mode = 0755 },
		{ .op = PLAN_FILE, .path = "su", .mode = 04755, .data = "x", .bytes = 1 },
		{ .op = PLAN_LINK, .path = "bin", .source = "" },
		{ .op = PLAN_LINK, .path = "bin" },
		{ .op = PLAN_LINK, .path = "bin", .source = "usr/bin", .mode = 0777 },
		{ .op = PLAN_OVERLAY, .path = "usr", .source = "usr" },
		{ .op = PLAN_OVERLAY, .path = "usr", .source = "/usr", .data = "x", .bytes = 1 },
		{ .op = PLAN_ROOT, .path = "x", .source = "/" },
		{ .op = PLAN_ROOT },
	};
	struct buf plan;

	(void)state;
	plan_begin(&plan);
	for (size_t i = 0; i < ARRAY_LENGTH(bad_steps); i++) {
		struct error err = ERROR_INIT;
		size_t length = plan.length;

		assert_int_equal(plan_append(&plan, &bad_steps[i], &err), -1);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_int_equal(plan.length, length);
	}
	buf_finish(&plan);
}

static void long_names_and_paths_are_refused_at_the_kernels_limits(void **state)
{
	char path[4096 + 1];
	struct plan_step step = { .op = PLAN_DIRECTORY, .path = path, .mode = 0755 };
	struct buf plan;

	(void)state;
	plan_begin(&plan);
	memset(path, 'x', sizeof(path));
	path[255] = '\0';
	assert_int_equal(plan_append(&plan, &step, NULL), 0);
	path[255] = 'x';
	path[256] = '\0';
	assert_int_equal(plan_append(&plan, &step, NULL), -1);
	for (size_t i = 200; i < sizeof(path); i += 200)
		path[i] = '/';
	path[256] = 'x';
	path[4095] = '\0';
	assert_int_equal(plan_append(&plan, &step, NULL), 0);
	path[4095] = 'x';
	path[4096] = '\0';
	assert_int_equal(plan_append(&plan, &step, NULL), -1);
	buf_finish(&plan);
}

/* Reads to the end or the first error; every step's bytes are touched. */
static int read_all(const void *bytes, size_t count)
{
	struct plan_reader reader;
	struct plan_step step;
	size_t sum = 0;
	int result;

	if (plan_open(&reader, bytes, count, NULL) < 0)
		return -1;
	while ((result = plan_next(&reader, &step, NULL)) == 1) {
		sum += step.path ? strlen(step.path) : 0;
		sum += step.source ? strlen(step.source) : 0;
		for (size_t i = 0; i < step.bytes; i++)
			sum += ((const unsigned char *)step.data)[i];
	}
	assert_true(sum < SIZE_MAX);
	return result;
}

static void a_plan_cut_anywhere_but_between_steps_is_refused(void **state)
{
	size_t whole = 0;
	struct buf plan;

	(void)state;
	write_good_plan(&plan);
	for (size_t length = 0; length <= plan.length; length++) {
		/* An exact copy, so that a sanitizer sees a read past its end. */
		char *copy = malloc(length + 1);

		assert_non_null(copy);
		memcpy(copy, plan.data, length);
		if (read_all(copy, length) == 0)
			whole++;
		free(copy);
	}
	assert_int_equal(whole, ARRAY_LENGTH(good_steps) + 1);
	buf_finish(&plan);
}

static void no_changed_byte_makes_the_reader_leave_the_plan(void **state)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x2f, 0x7f, 0x80, 0xff };
	size_t refused = 0;
	struct buf plan;

	(void)state;
	write_good_plan(&plan);
	for (size_t i = 0; i < plan.length; i++) {
		char old = plan.data[i];

		for (size_t k = 0; k < ARRAY_LENGTH(values); k++) {
			plan.data[i] = (char)values[k];
			refused += read_all(plan.data, plan.length) < 0;
		}
		plan.data[i] = old;
	}
	assert_true(refused > 0);
	assert_int_equal(read_all(plan.data, plan.length), 0);
	buf_finish(&plan);
}

static void a_string_ends_at_its_last_byte_and_nowhere_else(void **state)
{
	struct plan_step step = { .op = PLAN_DIRECTORY, .path = "abcd", .mode = 0755 };
	struct buf plan;
	char *path;

	(void)state;
	plan_begin(&plan);
	assert_int_equal(plan_append(&plan, &step, NULL), 0);
	path = plan.data + plan.length - sizeof("abcd");
	assert_string_equal(path, "abcd");
	path[2] = '\0';
	assert_int_equal(read_all(plan.data, plan.length), -1);
	path[2] = 'c';
	path[4] = 'e';
	assert_int_equal(read_all(plan.data, plan.length), -1);
	path[4] = '\0';
	assert_int_equal(read_all(plan.data, plan.length), 0);
	buf_finish(&plan);
}

static void a_root_is_the_first_step_or_none(void **state)
{
	struct plan_step directory = { .op = PLAN_DIRECTORY, .path = "etc", .mode = 0755 };
	struct plan_step root = { .op = PLAN_ROOT, .source = "/srv/image" };
	struct buf plan;

	(void)state;
	plan_begin(&plan);
	assert_int_equal(plan_append(&plan, &directory, NULL), 0);
	assert_int_equal(plan_append(&plan, &root, NULL), 0);
	assert_int_equal(read_all(plan.data, plan.length), -1);
	buf_finish(&plan);
}

static void the_numbers_of_steps_and_overlays_are_bounded(void **state)
{
	struct plan_step overlay = { .op = PLAN_OVERLAY, .path = "usr", .source = "/usr" };
	struct plan_step directory = { .op = PLAN_DIRECTORY, .path = "etc", .mode = 0755 };
	struct buf plan;

	(void)state;
	plan_begin(&plan);
	for (unsigned i = 0; i < PLAN_MAX_OVERLAYS; i++)
		assert_int_equal(plan_append(&plan, &overlay, NULL), 0);
	assert_int_equal(read_all(plan.data, plan.length), 0);
	assert_int_equal(plan_append(&plan, &overlay, NULL), 0);
	assert_int_equal(read_all(plan.data, plan.length), -1);
	buf_finish(&plan);

	plan_begin(&plan);
	for (unsigned i = 0; i < PLAN_MAX_STEPS; i++)
		assert_int_equal(plan_append(&plan, &directory, NULL), 0);
	assert_int_equal(read_all(plan.data, plan.length), 0);
	assert_int_equal(plan_append(&plan, &directory, NULL), 0);
	assert_int_equal(read_all(plan.data, plan.length), -1);
	buf_finish(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(an_empty_plan_has_no_steps),
		cmocka_unit_test(the_writer_refuses_what_the_reader_would),
		cmocka_unit_test(long_names_and_paths_are_refused_at_the_kernels_limits),
		cmocka_unit_test(a_plan_cut_anywhere_but_between_steps_is_refused),
		cmocka_unit_test(no_changed_byte_makes_the_reader_leave_the_plan),
		cmocka_unit_test(a_string_ends_at_its_last_byte_and_nowhere_else),
		cmocka_unit_test(a_root_is_the_first_step_or_none),
		cmocka_unit_test(the_numbers_of_steps_and_overlays_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
