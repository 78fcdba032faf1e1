/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include "tests/unit/unit.h"

#include <string.h>

static const uint64_t bounds[] = { 100, 2500, 1000000 };

static void a_value_on_a_bound_is_below_it(void **state)
{
	struct histogram histogram;

	(void)state;
	histogram_init(&histogram, bounds, 3);
	histogram_add(&histogram, 0);
	histogram_add(&histogram, 100);
	histogram_add(&histogram, 101);
	histogram_add(&histogram, 1000000);
	histogram_add(&histogram, 1000001);
	histogram_add(&histogram, 60000000);
	assert_int_equal(histogram.counts[0], 2);
	assert_int_equal(histogram.counts[1], 1);
	assert_int_equal(histogram.counts[2], 1);
	assert_int_equal(histogram.counts[3], 2);
	assert_int_equal(histogram_count(&histogram), 6);
	assert_int_equal(histogram.sum_us, 62000202);
}

static void a_histogram_is_written_in_seconds_and_sums_up(void **state)
{
	struct histogram histogram;
	struct buf out = BUF_INIT(4096);
	char *text;

	(void)state;
	histogram_init(&histogram, bounds, 3);
	histogram_add(&histogram, 50);
	histogram_add(&histogram, 2000);
	histogram_add(&histogram, 30000000);
	metrics_family(&out, "x_seconds", METRICS_HISTOGRAM, "How long x took.");
	metrics_histogram(&out, "x_seconds", &histogram);
	text = buf_take_string(&out);
	assert_string_equal(text, "# HELP x_seconds How long x took.\n"
				  "# TYPE x_seconds histogram\n"
				  "x_seconds_bucket{le=\"0.0001\"} 1\n"
				  "x_seconds_bucket{le=\"0.0025\"} 2\n"
				  "x_seconds_bucket{le=\"1\"} 2\n"
				  "x_seconds_bucket{le=\"+Inf\"} 3\n"
				  "x_seconds_sum 30.00205\n"
				  "x_seconds_count 3\n");
	free(text);
}

static void an_empty_histogram_is_written_too(void **state)
{
	struct histogram histogram;
	struct buf out = BUF_INIT(4096);
	char *text;

	(void)state;
	histogram_init(&histogram, bounds, 1);
	metrics_histogram(&out, "x", &histogram);
	text = buf_take_string(&out);
	assert_string_equal(text, "x_bucket{le=\"0.0001\"} 0\n"
				  "x_bucket{le=\"+Inf\"} 0\n"
				  "x_sum 0\n"
				  "x_count 0\n");
	free(text);
}

static void samples_have_their_family_and_their_label(void **state)
{
	struct buf out = BUF_INIT(4096);
	char *text;

	(void)state;
	metrics_counter(&out, "a_total", "All a.", UINT64_MAX);
	metrics_gauge(&out, "b", "The b.", 0);
	metrics_sample(&out, "c", "kind", "q\"u\\o\nte", 7);
	text = buf_take_string(&out);
	assert_string_equal(text, "# HELP a_total All a.\n"
				  "# TYPE a_total counter\n"
				  "a_total 18446744073709551615\n"
				  "# HELP b The b.\n"
				  "# TYPE b gauge\n"
				  "b 0\n"
				  "c{kind=\"q\\\"u\\\\o\\nte\"} 7\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_on_a_bound_is_below_it),
		cmocka_unit_test(a_histogram_is_written_in_seconds_and_sums_up),
		cmocka_unit_test(an_empty_histogram_is_written_too),
		cmocka_unit_test(samples_have_their_family_and_their_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
