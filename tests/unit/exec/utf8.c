/* SPDX-License-Identifier: MIT */

/*
 * UTF-8 repair against Python's own errors="replace": every sequence of one and
 * two bytes, and every sequence of three and four bytes that can be made of the
 * bytes where Unicode's table of well-formed sequences changes its mind. Python
 * computes the expected bytes while the test runs.
 */

#include "base/utf8.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "proc/spawn.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HANG_GUARD_MS 240000

/* The first and last of each class of bytes, and their neighbours. */
#define CLASS_BYTES                                                                                \
	"0x00,0x41,0x7F,0x80,0x8F,0x90,0x9F,0xA0,0xBF,0xC0,0xC1,0xC2,0xDF,0xE0,0xE1,0xEC,0xED,"    \
	"0xEE,0xEF,0xF0,0xF1,0xF3,0xF4,0xF5,0xF7,0xF8,0xFB,0xFC,0xFF"

/* For each sequence: its length, its bytes, the length of the repaired text, that text. */
static const char generator[] =
	"import itertools, sys\n"
	"def put(sequence):\n"
	"    data = bytes(sequence)\n"
	"    text = data.decode('utf-8', 'replace').encode()\n"
	"    return bytes([len(data)]) + data + bytes([len(text)]) + text\n"
	"everything, classes = range(256), [" CLASS_BYTES "]\n"
	"for values, length in (everything, 1), (everything, 2), (classes, 3), (classes, 4):\n"
	"    sequences = itertools.product(values, repeat=length)\n"
	"    sys.stdout.buffer.write(b''.join(map(put, sequences)))\n";

/* Reads one counted string; false at the end. */
static bool read_counted(FILE *input, unsigned char text[256], size_t *bytes)
{
	int length = getc(input);

	if (length == EOF)
		return false;
	*bytes = (size_t)length;
	assert_int_equal(fread(text, 1, *bytes, input), *bytes);
	return true;
}

static unsigned compare_all(FILE *input)
{
	unsigned char sequence[256], expected[256];
	struct buf repaired = BUF_INIT(64);
	size_t bytes = 0, expected_bytes = 0;
	unsigned count = 0;

	while (read_counted(input, sequence, &bytes)) {
		assert_true(read_counted(input, expected, &expected_bytes));
		buf_clear(&repaired);
		assert_int_equal(utf8_repair(&repaired, sequence, bytes), 0);
		if (repaired.length != expected_bytes ||
		    memcmp(repaired.data, expected, expected_bytes) != 0)
			fail_msg("%02x %02x %02x %02x (%zu bytes) is repaired differently",
				 sequence[0], sequence[1], sequence[2], sequence[3], bytes);
		/* What needs no repair is left alone, and nothing else is. */
		assert_int_equal(utf8_is_valid(sequence, bytes),
				 bytes == expected_bytes && memcmp(sequence, expected, bytes) == 0);
		count++;
	}
	buf_finish(&repaired);
	return count;
}

static void repair_equals_pythons(void **state)
{
	const char *args[] = { "python3", "-c", generator, NULL };
	const char *env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	struct spawn_request request = SPAWN_REQUEST_INIT;
	struct error err = ERROR_INIT;
	struct spawn_child child;
	FILE *input;
	int pair[2], status;

	(void)state;
	assert_int_equal(fd_open_pipe(pair, NULL), 0);
	request.path = args[0];
	request.args = args;
	request.env = env;
	request.stdout_fd = pair[1];
	if (spawn_start(&child, &request, &err) < 0) {
		print_message("# SKIP %s\n", err.message);
		skip();
	}
	close(pair[1]);
	input = fdopen(pair[0], "re");
	assert_non_null(input);
	assert_int_equal(compare_all(input), 256 + 256 * 256 + 29 * 29 * 29 + 29 * 29 * 29 * 29);
	fclose(input);
	assert_int_equal(spawn_wait(&child, clock_now_ms() + HANG_GUARD_MS, -1, &status), 1);
	assert_int_equal(status, 0);
	spawn_finish(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repair_equals_pythons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
