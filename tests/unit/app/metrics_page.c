/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/metrics_page.h"
#include "app/outcome.h"
#include "base/attr.h"
#include "base/limits.h"
#include "base/metrics.h"

#include <stdlib.h>
#include <string.h>

static const struct error no_error = ERROR_INIT;

static char *text_of(const struct metrics_page *page)
{
	static const uint64_t bounds[] = { 1000 };
	struct buf out = BUF_INIT(LIMIT_METRICS_BYTES);
	struct metrics_now now = { .backend = "fake", .sessions = 3, .audit_lost = 2 };
	struct histogram stalls;

	histogram_init(&stalls, bounds, ARRAY_LENGTH(bounds));
	now.loop_stalls = &stalls;
	metrics_page_append(page, &out, &now);
	return buf_take_string(&out);
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no %s in\n%s", line, text);
}

static void calls_are_counted_by_how_they_ended(void **state)
{
	struct metrics_page *page = metrics_page_create();
	struct error busy = ERROR_INIT;
	struct call_record call = { .error = &no_error,
				    .ended_by = "exit",
				    .duration_us = 3000,
				    .stdout_bytes = 5,
				    .stderr_bytes = 7 };
	char *text;

	(void)state;
	metrics_page_note_call(page, &call);
	call.ended_by = "timeout";
	metrics_page_note_call(page, &call);
	(void)error_set(&busy, ERROR_BUSY, "later");
	call = (struct call_record){ .error = &busy, .queued_us = 40000000 };
	metrics_page_note_call(page, &call);
	call = (struct call_record){ .error = &no_error, .was_cancelled = true };
	metrics_page_note_call(page, &call);
	text = text_of(page);
	has(text, "kilntainers_calls_total{outcome=\"exit\"} 1\n");
	has(text, "kilntainers_calls_total{outcome=\"timeout\"} 1\n");
	has(text, "kilntainers_calls_total{outcome=\"busy\"} 1\n");
	has(text, "kilntainers_calls_total{outcome=\"cancelled\"} 1\n");
	has(text, "kilntainers_calls_total{outcome=\"internal\"} 0\n");
	has(text, "kilntainers_output_bytes_total{stream=\"stdout\"} 10\n");
	has(text, "kilntainers_output_bytes_total{stream=\"stderr\"} 14\n");
	/* Only what ran has run for some time; everybody has waited. */
	has(text, "kilntainers_exec_seconds_bucket{le=\"0.0025\"} 0\n");
	has(text, "kilntainers_exec_seconds_bucket{le=\"0.005\"} 2\n");
	has(text, "kilntainers_exec_seconds_count 2\n");
	has(text, "kilntainers_queue_seconds_bucket{le=\"30\"} 3\n");
	has(text, "kilntainers_queue_seconds_count 4\n");
	free(text);
	metrics_page_destroy(page);
}

static void creations_are_counted_and_only_those_that_worked_are_measured(void **state)
{
	struct metrics_page *page = metrics_page_create();
	struct error failure = ERROR_INIT;
	char *text;

	(void)state;
	metrics_page_note_creation(page, 4000, NULL);
	(void)error_set(&failure, ERROR_UNAVAILABLE, "no");
	metrics_page_note_creation(page, 9, &failure);
	(void)error_set(&failure, ERROR_CANCELLED, "no");
	metrics_page_note_creation(page, 9, &failure);
	text = text_of(page);
	has(text, "kilntainers_creations_total{result=\"ok\"} 1\n");
	has(text, "kilntainers_creations_total{result=\"failed\"} 1\n");
	has(text, "kilntainers_creations_total{result=\"abandoned\"} 1\n");
	has(text, "kilntainers_create_seconds_count 1\n");
	has(text, "kilntainers_create_seconds_sum 0.004\n");
	free(text);
	metrics_page_destroy(page);
}

static void what_is_now_and_the_process_are_told(void **state)
{
	struct metrics_page *page = metrics_page_create();
	char *text = text_of(page);
	const char *memory = strstr(text, "\nkilntainers_process_resident_memory_bytes ");

	(void)state;
	has(text, "kilntainers_sessions 3\n");
	has(text, "kilntainers_backend_info{backend=\"fake\"} 1\n");
	has(text, "kilntainers_audit_lost_total 2\n");
	has(text, "kilntainers_loop_stall_seconds_count 0\n");
	assert_non_null(memory);
	assert_true(strtoull(strchr(memory, ' '), NULL, 10) > 100000);
	free(text);
	metrics_page_destroy(page);
}

static void every_error_has_its_word(void **state)
{
	(void)state;
	for (int kind = ERROR_USAGE; kind <= ERROR_CANCELLED; kind++) {
		const struct error error = { .kind = (enum error_kind)kind };
		const struct call_record call = { .error = &error };
		size_t i = 0;

		while (i < outcome_count && strcmp(outcome_names[i], outcome_of(&call)) != 0)
			i++;
		assert_true(i < outcome_count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_counted_by_how_they_ended),
		cmocka_unit_test(creations_are_counted_and_only_those_that_worked_are_measured),
		cmocka_unit_test(what_is_now_and_the_process_are_told),
		cmocka_unit_test(every_error_has_its_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
