/* SPDX-License-Identifier: MIT */
#include "app/metrics_page.h"

#include "app/outcome.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/metrics.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME(suffix) "kilntainers_" suffix
#define MAX_OUTCOMES 16

enum creation_end { CREATION_OK, CREATION_FAILED, CREATION_ABANDONED, CREATION_ENDS };

struct metrics_page {
	int statm_fd;
	int fds_fd; /* /proc/self/fd */
	uint64_t calls[MAX_OUTCOMES];
	uint64_t creations[CREATION_ENDS];
	uint64_t stdout_bytes, stderr_bytes;
	struct histogram exec, queue, create;
};

/* From what a program's start takes to the longest that calls usually may take. */
static const uint64_t exec_bounds_us[] = { 1000,      2500,	 5000,	    10000,     25000,
					   50000,     100000,	 250000,    500000,    1000000,
					   2500000,   5000000,	 10000000,  30000000,  60000000,
					   120000000, 300000000, 600000000, 3600000000 };
/* From what the pool takes to the time that a creation has. */
static const uint64_t wait_bounds_us[] = { 500,	    1000,    2500,    5000,	10000,
					   25000,   50000,   100000,  250000,	500000,
					   1000000, 2500000, 5000000, 10000000, 30000000 };

struct metrics_page *metrics_page_create(void)
{
	struct metrics_page *page = alloc_zeroed(sizeof(*page));

	assert(outcome_count <= MAX_OUTCOMES);
	page->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	page->fds_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	histogram_init(&page->exec, exec_bounds_us, ARRAY_LENGTH(exec_bounds_us));
	histogram_init(&page->queue, wait_bounds_us, ARRAY_LENGTH(wait_bounds_us));
	histogram_init(&page->create, wait_bounds_us, ARRAY_LENGTH(wait_bounds_us));
	return page;
}

void metrics_page_destroy(struct metrics_page *page)
{
	if (!page)
		return;
	cleanup_fd(&page->statm_fd);
	cleanup_fd(&page->fds_fd);
	free(page);
}

/* --- counting --------------------------------------------------------------------------- */

static size_t index_of(const char *outcome)
{
	size_t i = 0;

	/* The last one is what should not be. */
	while (i < outcome_count - 1 && strcmp(outcome_names[i], outcome) != 0)
		i++;
	return i;
}

void metrics_page_note_call(struct metrics_page *page, const struct call_record *call)
{
	page->calls[index_of(outcome_of(call))]++;
	page->stdout_bytes += call->stdout_bytes;
	page->stderr_bytes += call->stderr_bytes;
	histogram_add(&page->queue, call->queued_us);
	if (call->ended_by)
		histogram_add(&page->exec, call->duration_us);
}

void metrics_page_note_creation(struct metrics_page *page, uint64_t duration_us,
				const struct error *err)
{
	enum creation_end end = CREATION_OK;

	if (err)
		end = err->kind == ERROR_CANCELLED ? CREATION_ABANDONED : CREATION_FAILED;
	page->creations[end]++;
	if (end == CREATION_OK)
		histogram_add(&page->create, duration_us);
}

/* --- telling ---------------------------------------------------------------------------- */

static void append_info(struct buf *out, const struct metrics_now *now)
{
	metrics_family(out, NAME("build_info"), METRICS_GAUGE, "The version that runs.");
	metrics_sample(out, NAME("build_info"), "version", KILNTAINERS_VERSION, 1);
	metrics_family(out, NAME("backend_info"), METRICS_GAUGE, "What makes the sandboxes.");
	metrics_sample(out, NAME("backend_info"), "backend", now->backend, 1);
	metrics_gauge(out, NAME("uptime_seconds"), "Time since the start.", now->uptime_s);
}

static void append_present(struct buf *out, const struct metrics_now *now)
{
	metrics_gauge(out, NAME("sessions"), "Sessions of clients that have them.", now->sessions);
	metrics_gauge(out, NAME("sandboxes"),
		      "Sandboxes that live or are being made, those kept ready included.",
		      now->sandboxes);
	metrics_gauge(out, NAME("sandboxes_pooled"), "Sandboxes that are kept ready.",
		      now->sandboxes_pooled);
	metrics_gauge(out, NAME("sandboxes_creating"), "Sandboxes that are being made.",
		      now->sandboxes_creating);
	metrics_gauge(out, NAME("sandboxes_removing"),
		      "Sandboxes that are nobody's any more and not gone yet.",
		      now->sandboxes_removing);
	metrics_gauge(out, NAME("calls_running"), "Commands that run.", now->calls_running);
	metrics_gauge(out, NAME("calls_waiting"), "Calls that wait for a sandbox or a place.",
		      now->calls_waiting);
	metrics_gauge(out, NAME("connections"), "Open connections.", now->connections);
	metrics_gauge(out, NAME("requests"), "Requests that are not answered yet.", now->requests);
	metrics_gauge(out, NAME("streams"), "Requests that are answered by a stream of events.",
		      now->streams);
	metrics_gauge(out, NAME("buffered_bytes"),
		      "Memory for requests, output and answers on their way.", now->buffered_bytes);
	metrics_gauge(out, NAME("buffered_max_bytes"), "The most that it may be (--max-buffered).",
		      now->max_buffered_bytes);
}

static void append_calls(const struct metrics_page *page, struct buf *out)
{
	size_t i;

	metrics_family(out, NAME("calls_total"), METRICS_COUNTER,
		       "Calls by how they ended: how the command did, or why there is no result.");
	for (i = 0; i < outcome_count; i++)
		metrics_sample(out, NAME("calls_total"), "outcome", outcome_names[i],
			       page->calls[i]);
	metrics_family(out, NAME("exec_seconds"), METRICS_HISTOGRAM, "How long commands ran.");
	metrics_histogram(out, NAME("exec_seconds"), &page->exec);
	metrics_family(out, NAME("queue_seconds"), METRICS_HISTOGRAM,
		       "How long calls waited for their sandbox and a place in it.");
	metrics_histogram(out, NAME("queue_seconds"), &page->queue);
	metrics_family(out, NAME("output_bytes_total"), METRICS_COUNTER, "What commands printed.");
	metrics_sample(out, NAME("output_bytes_total"), "stream", "stdout", page->stdout_bytes);
	metrics_sample(out, NAME("output_bytes_total"), "stream", "stderr", page->stderr_bytes);
}

static void append_creations(const struct metrics_page *page, struct buf *out)
{
	static const char *const ends[] = { "ok", "failed", "abandoned" };
	size_t i;

	metrics_family(out, NAME("creations_total"), METRICS_COUNTER,
		       "Sandboxes that were made, could not be, or were not wanted any more.");
	for (i = 0; i < CREATION_ENDS; i++)
		metrics_sample(out, NAME("creations_total"), "result", ends[i], page->creations[i]);
	metrics_family(out, NAME("create_seconds"), METRICS_HISTOGRAM,
		       "How long making a sandbox took.");
	metrics_histogram(out, NAME("create_seconds"), &page->create);
}

static void append_process(const struct metrics_page *page, struct buf *out)
{
	unsigned long long pages[2] = { 0, 0 };
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	char text[128] = "";
	struct stat status;

	if (page->statm_fd >= 0 && pread(page->statm_fd, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%llu %llu", &pages[0], &pages[1]) == 2) {
		metrics_gauge(out, NAME("process_virtual_memory_bytes"),
			      "Address space of the server.", pages[0] * page_bytes);
		metrics_gauge(out, NAME("process_resident_memory_bytes"),
			      "Memory of the server itself, without its sandboxes.",
			      pages[1] * page_bytes);
	}
	/* Linux 6.2 and newer count them here; older ones say 0. */
	if (page->fds_fd >= 0 && fstat(page->fds_fd, &status) == 0 && status.st_size > 0)
		metrics_gauge(out, NAME("process_open_fds"), "Open descriptors of the server.",
			      (uint64_t)status.st_size);
}

void metrics_page_append(const struct metrics_page *page, struct buf *out,
			 const struct metrics_now *now)
{
	append_info(out, now);
	append_present(out, now);
	append_calls(page, out);
	append_creations(page, out);
	metrics_counter(out, NAME("audit_lost_total"),
			"Lines of the audit log that could not be written.", now->audit_lost);
	append_process(page, out);
	metrics_family(out, NAME("loop_stall_seconds"), METRICS_HISTOGRAM,
		       "For how long the server saw nothing new because it was at work.");
	metrics_histogram(out, NAME("loop_stall_seconds"), now->loop_stalls);
}
