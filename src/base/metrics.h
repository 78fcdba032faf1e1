/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Numbers for Prometheus, in its text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats), and histograms of
 * durations to take them from. Names and label values are ours: never anything
 * that a client or a sandbox chose. A histogram belongs to one thread.
 */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_MAX_BOUNDS 20

struct histogram {
	const uint64_t *bounds_us; /* ascending; borrowed */
	size_t bound_count;
	uint64_t counts[HISTOGRAM_MAX_BOUNDS + 1]; /* the last: above every bound */
	uint64_t sum_us;
};

void histogram_init(struct histogram *histogram, const uint64_t *bounds_us, size_t bound_count);
/* A value on a bound is below it, as Prometheus counts. */
void histogram_add(struct histogram *histogram, uint64_t us);
uint64_t histogram_count(const struct histogram *histogram);

enum metrics_kind { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM };

/* What comes before the samples of one name. `help`: a sentence in one line. */
void metrics_family(struct buf *out, const char *name, enum metrics_kind kind, const char *help);
/* One sample. `label` NULL: none; else with its value. */
void metrics_sample(struct buf *out, const char *name, const char *label, const char *value,
		    uint64_t number);
/* The samples of a histogram, in seconds. */
void metrics_histogram(struct buf *out, const char *name, const struct histogram *histogram);

/* A family of a single sample. */
void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t number);
void metrics_counter(struct buf *out, const char *name, const char *help, uint64_t number);
