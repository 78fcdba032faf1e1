/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_BYTES 32

void histogram_init(struct histogram *histogram, const uint64_t *bounds_us, size_t bound_count)
{
	assert(bound_count <= HISTOGRAM_MAX_BOUNDS);
	*histogram = (struct histogram){ .bounds_us = bounds_us, .bound_count = bound_count };
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
	size_t i = 0;

	while (i < histogram->bound_count && us > histogram->bounds_us[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_us += us;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= histogram->bound_count; i++)
		count += histogram->counts[i];
	return count;
}

/* Exactly, without trailing zeros: "0.0025", "10". */
static void format_seconds(char text[SECONDS_BYTES], uint64_t us)
{
	char *end;

	(void)snprintf(text, SECONDS_BYTES, "%" PRIu64 ".%06u", us / 1000000,
		       (unsigned)(us % 1000000));
	for (end = text + strlen(text); end[-1] == '0'; end--)
		;
	*(end[-1] == '.' ? end - 1 : end) = '\0';
}

void metrics_family(struct buf *out, const char *name, enum metrics_kind kind, const char *help)
{
	static const char *const kinds[] = { "gauge", "counter", "histogram" };

	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void append_label_value(struct buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			(void)buf_append_string(out, "\\n");
			continue;
		}
		if (*value == '\\' || *value == '"')
			(void)buf_append_byte(out, '\\');
		(void)buf_append_byte(out, *value);
	}
}

void metrics_sample(struct buf *out, const char *name, const char *label, const char *value,
		    uint64_t number)
{
	(void)buf_append_string(out, name);
	if (label && value) {
		(void)buf_printf(out, "{%s=\"", label);
		append_label_value(out, value);
		(void)buf_append_string(out, "\"}");
	}
	(void)buf_printf(out, " %" PRIu64 "\n", number);
}

void metrics_histogram(struct buf *out, const char *name, const struct histogram *histogram)
{
	char seconds[SECONDS_BYTES];
	uint64_t below = 0;

	for (size_t i = 0; i < histogram->bound_count; i++) {
		below += histogram->counts[i];
		format_seconds(seconds, histogram->bounds_us[i]);
		(void)buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, seconds, below);
	}
	below += histogram->counts[histogram->bound_count];
	format_seconds(seconds, histogram->sum_us);
	(void)buf_printf(out,
			 "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n"
			 "%s_sum %s\n"
			 "%s_count %" PRIu64 "\n",
			 name, below, name, seconds, name, below);
}

void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t number)
{
	metrics_family(out, name, METRICS_GAUGE, help);
	metrics_sample(out, name, NULL, NULL, number);
}

void metrics_counter(struct buf *out, const char *name, const char *help, uint64_t number)
{
	metrics_family(out, name, METRICS_COUNTER, help);
	metrics_sample(out, name, NULL, NULL, number);
}
