/* SPDX-License-Identifier: MIT */
#include "guest_wire/request.h"

#include "base/buf.h"
#include "guest_wire/guest_wire.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const char *const two_arguments[] = { "sh", "", NULL };
static const char *const two_variables[] = { "A=1", "B=", NULL };

static struct guest_request_strings strings;

static void a_request_arrives_as_it_was_sent(void **state)
{
	const struct guest_request sent = { "/dir", two_arguments, two_variables };
	struct buf bytes = BUF_INIT(GUEST_REQUEST_MAX_BYTES);
	struct guest_wire_exec exec;
	struct guest_request read;

	(void)state;
	assert_int_equal(guest_request_write(&bytes, &exec, &sent, NULL), 0);
	assert_int_equal(exec.request_bytes, bytes.length);
	assert_int_equal(guest_request_read(&read, &strings, &exec, bytes.data), 0);
	assert_string_equal(read.directory, "/dir");
	assert_string_equal(read.arguments[0], "sh");
	assert_string_equal(read.arguments[1], "");
	assert_null(read.arguments[2]);
	assert_string_equal(read.environment[0], "A=1");
	assert_string_equal(read.environment[1], "B=");
	assert_null(read.environment[2]);
	buf_finish(&bytes);
}

static void no_environment_is_not_an_empty_one(void **state)
{
	static const char *const empty[] = { NULL };
	struct guest_request sent = { "", two_arguments, NULL };
	struct buf bytes = BUF_INIT(GUEST_REQUEST_MAX_BYTES);
	struct guest_wire_exec exec;
	struct guest_request read;

	(void)state;
	assert_int_equal(guest_request_write(&bytes, &exec, &sent, NULL), 0);
	assert_int_equal(guest_request_read(&read, &strings, &exec, bytes.data), 0);
	assert_null(read.environment);
	buf_clear(&bytes);
	sent.environment = empty;
	assert_int_equal(guest_request_write(&bytes, &exec, &sent, NULL), 0);
	assert_int_equal(guest_request_read(&read, &strings, &exec, bytes.data), 0);
	assert_non_null(read.environment);
	assert_null(read.environment[0]);
	buf_finish(&bytes);
}

/* Writes a request with these parts; returns the error's kind. */
static enum error_kind try_write(const char *directory, const char *const *arguments)
{
	const struct guest_request request = { directory, arguments, NULL };
	struct buf bytes = BUF_INIT(GUEST_REQUEST_MAX_BYTES);
	struct guest_wire_exec exec;
	struct error err = ERROR_INIT;

	(void)guest_request_write(&bytes, &exec, &request, &err);
	buf_finish(&bytes);
	return err.kind;
}

static void the_kernels_limits_are_told_before_it_refuses(void **state)
{
	char *text = malloc(LIMIT_ARGUMENT_BYTES + 2);
	const char *one[] = { text, NULL };
	const char *many[10] = { NULL };

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LIMIT_ARGUMENT_BYTES + 1);
	text[LIMIT_ARGUMENT_BYTES + 1] = '\0';
	assert_int_equal(try_write("", one), ERROR_INVALID);
	text[LIMIT_ARGUMENT_BYTES] = '\0';
	assert_int_equal(try_write("", one), ERROR_NONE);
	/* Eight are exactly a mebibyte. */
	for (int i = 0; i < 8; i++)
		many[i] = text;
	assert_int_equal(try_write("", many), ERROR_NONE);
	many[8] = "";
	assert_int_equal(try_write("", many), ERROR_INVALID);
	text[0] = '/';
	text[LIMIT_PATH_BYTES] = '\0';
	assert_int_equal(try_write(text, two_arguments), ERROR_INVALID);
	text[LIMIT_PATH_BYTES - 1] = '\0';
	assert_int_equal(try_write(text, two_arguments), ERROR_NONE);
	assert_int_equal(try_write("relative", two_arguments), ERROR_INVALID);
	free(text);
}

static void too_many_arguments_are_refused(void **state)
{
	const char **many = calloc(GUEST_REQUEST_MAX_STRINGS + 2, sizeof(*many));

	(void)state;
	assert_non_null(many);
	for (unsigned i = 0; i <= GUEST_REQUEST_MAX_STRINGS / 2; i++)
		many[i] = "x";
	assert_int_equal(try_write("", many), ERROR_INVALID);
	many[GUEST_REQUEST_MAX_STRINGS / 2] = NULL;
	assert_int_equal(try_write("", many), ERROR_NONE);
	free(many);
}

/* Reads these bytes as `arguments` strings and `variables` more; 0 or -1. */
static int try_read(const char *data, size_t bytes, uint32_t arguments, uint32_t variables)
{
	const struct guest_wire_exec exec = { (uint32_t)bytes, arguments, variables };
	struct guest_request request;
	/* Of exactly this size, for the address sanitizer. */
	char *copy = malloc(bytes ? bytes : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, data, bytes);
	result = guest_request_read(&request, &strings, &exec, copy);
	free(copy);
	return result;
}

static void bytes_that_do_not_fit_their_counts_are_refused(void **state)
{
	(void)state;
	assert_int_equal(try_read("/\0a\0b\0", 6, 1, 1), 0);
	assert_int_equal(try_read("/\0a\0b\0", 6, 2, GUEST_WIRE_INHERIT), 0);
	assert_int_equal(try_read("/\0a\0b\0", 6, 1, 0), -1);
	assert_int_equal(try_read("/\0a\0b\0", 6, 1, 2), -1);
	assert_int_equal(try_read("/\0a\0b\0", 6, 3, 0), -1);
	assert_int_equal(try_read("/\0a\0b", 5, 1, 1), -1);
	assert_int_equal(try_read("/\0a\0b\0", 6, 0, 2), -1);
	assert_int_equal(try_read("", 0, 1, 0), -1);
	assert_int_equal(try_read("x\0a\0", 4, 1, 0), -1);
	assert_int_equal(try_read("/\0a\0", 4, GUEST_REQUEST_MAX_STRINGS + 1, 0), -1);
	assert_int_equal(try_read("/\0a\0", 4, 1, GUEST_REQUEST_MAX_STRINGS), -1);
	assert_int_equal(try_read("/\0a\0", 4, UINT32_MAX, UINT32_MAX), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_arrives_as_it_was_sent),
		cmocka_unit_test(no_environment_is_not_an_empty_one),
		cmocka_unit_test(the_kernels_limits_are_told_before_it_refuses),
		cmocka_unit_test(too_many_arguments_are_refused),
		cmocka_unit_test(bytes_that_do_not_fit_their_counts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
