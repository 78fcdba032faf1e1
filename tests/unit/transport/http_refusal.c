/* SPDX-License-Identifier: MIT */
#include "transport/http/refusal.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	while ((text = strchr(text, '\n'))) {
		lines++;
		text++;
	}
	return lines;
}

/* What `count` refusals at that moment write. */
static void refuse(struct refusals *refusals, unsigned count, uint64_t now_ms, char *text,
		   size_t size)
{
	int saved = dup(STDERR_FILENO);
	int ends[2];
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	while (count-- > 0)
		refusal_log(refusals, "192.0.2.7", "nobody has this token", now_ms);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(ends[1]);
	got = read(ends[0], text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	(void)close(ends[0]);
}

static void a_flood_of_refusals_is_counted_not_logged(void **state)
{
	struct refusals refusals = { 0 };
	uint64_t now_ms = 5000000;
	char text[16384];

	(void)state;
	refuse(&refusals, 1, now_ms, text, sizeof(text));
	assert_non_null(strstr(text, "warning request_refused from=\"192.0.2.7\" reason=\"nobody "
				     "has this token\" suppressed=0\n"));
	refuse(&refusals, 1000, now_ms, text, sizeof(text));
	assert_int_equal(count_lines(text), LIMIT_REFUSALS_LOGGED - 1);
	now_ms += LIMIT_REFUSAL_GAP_MS - 1;
	refuse(&refusals, 5, now_ms, text, sizeof(text));
	assert_int_equal(count_lines(text), 0);
	refuse(&refusals, 5, now_ms + 1, text, sizeof(text));
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "suppressed=996\n"));
	now_ms += 1 + LIMIT_REFUSAL_GAP_MS * 3600;
	refuse(&refusals, 1000, now_ms, text, sizeof(text));
	assert_int_equal(count_lines(text), LIMIT_REFUSALS_LOGGED);
	assert_non_null(strstr(text, "suppressed=4\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_refusals_is_counted_not_logged),
	};

	return cmocka_run_group_tests_name("transport-http_refusal", tests, NULL, NULL);
}
