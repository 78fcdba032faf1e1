/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	enum log_level level;
	enum log_format format;
	bool has_writer;
	bool is_writing;
	uint64_t dropped;
	size_t start; /* first byte in use */
	size_t used;
	char ring[LIMIT_LOG_RING_BYTES];
} log_state = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.level = LOG_INFO,
	.format = LOG_TEXT,
};

void log_configure(enum log_level level, enum log_format format)
{
	pthread_mutex_lock(&log_state.mutex);
	log_state.level = level;
	log_state.format = format;
	pthread_mutex_unlock(&log_state.mutex);
}

void log_append_time(struct buf *line)
{
	struct timespec now;
	struct tm calendar;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &calendar);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &calendar);
	(void)buf_printf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void append_value(struct buf *line, const struct log_field *field)
{
	if (!field->text) {
		(void)buf_printf(line, "%lld", (long long)field->number);
		return;
	}
	(void)buf_append_byte(line, '"');
	(void)escape_append(line, field->text, strlen(field->text), LIMIT_LOG_FIELD_BYTES,
			    ESCAPE_JSON);
	(void)buf_append_byte(line, '"');
}

static void format_text(struct buf *line, enum log_level level, const char *event,
			const struct log_field *fields, size_t count)
{
	size_t i;

	log_append_time(line);
	(void)buf_printf(line, " %s %s", level_names[level], event);
	for (i = 0; i < count; i++) {
		(void)buf_printf(line, " %s=", fields[i].name);
		append_value(line, &fields[i]);
	}
}

static void format_json(struct buf *line, enum log_level level, const char *event,
			const struct log_field *fields, size_t count)
{
	size_t i;

	(void)buf_append_string(line, "{\"time\":\"");
	log_append_time(line);
	(void)buf_printf(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
	for (i = 0; i < count; i++) {
		(void)buf_printf(line, ",\"%s\":", fields[i].name);
		append_value(line, &fields[i]);
	}
	(void)buf_append_byte(line, '}');
}

/* With the mutex held. */
static bool ring_put(const char *data, size_t bytes)
{
	size_t end;
	size_t first;

	if (bytes > sizeof(log_state.ring) - log_state.used)
		return false;
	end = (log_state.start + log_state.used) % sizeof(log_state.ring);
	first = sizeof(log_state.ring) - end;
	if (first > bytes)
		first = bytes;
	memcpy(log_state.ring + end, data, first);
	memcpy(log_state.ring, data + first, bytes - first);
	log_state.used += bytes;
	return true;
}

/* With the mutex held: says how many lines are missing, as soon as that fits. */
static void ring_put_dropped(void)
{
	char line[128];
	int length;

	if (log_state.dropped == 0)
		return;
	length = snprintf(
		line, sizeof(line),
		log_state.format == LOG_JSON
			? "{\"level\":\"warning\",\"event\":\"log_dropped\",\"lines\":%llu}\n"
			: "warning log_dropped lines=%llu\n",
		(unsigned long long)log_state.dropped);
	if (length > 0 && ring_put(line, (size_t)length))
		log_state.dropped = 0;
}

static void emit(const char *line, size_t bytes)
{
	pthread_mutex_lock(&log_state.mutex);
	if (!log_state.has_writer) {
		if (fd_write_ready(STDERR_FILENO, line, bytes) < 0)
			log_state.dropped++;
	} else {
		ring_put_dropped();
		if (log_state.dropped > 0 || !ring_put(line, bytes))
			log_state.dropped++;
		pthread_cond_broadcast(&log_state.changed);
	}
	pthread_mutex_unlock(&log_state.mutex);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
		size_t count)
{
	struct buf line = BUF_INIT(LIMIT_LOG_LINE_BYTES);
	enum log_format format;
	int saved = errno;

	pthread_mutex_lock(&log_state.mutex);
	format = log_state.format;
	if (level > log_state.level) {
		pthread_mutex_unlock(&log_state.mutex);
		return;
	}
	pthread_mutex_unlock(&log_state.mutex);
	if (format == LOG_JSON)
		format_json(&line, level, event, fields, count);
	else
		format_text(&line, level, event, fields, count);
	(void)buf_append_byte(&line, '\n');
	if (!line.failed)
		emit(line.data, line.length);
	buf_finish(&line);
	errno = saved;
}

static void *writer_main(void *unused)
{
	char chunk[4096];

	(void)unused;
	pthread_mutex_lock(&log_state.mutex);
	for (;;) {
		size_t bytes;

		while (log_state.used == 0)
			pthread_cond_wait(&log_state.changed, &log_state.mutex);
		bytes = sizeof(log_state.ring) - log_state.start;
		if (bytes > log_state.used)
			bytes = log_state.used;
		if (bytes > sizeof(chunk))
			bytes = sizeof(chunk);
		memcpy(chunk, log_state.ring + log_state.start, bytes);
		log_state.start = (log_state.start + bytes) % sizeof(log_state.ring);
		log_state.used -= bytes;
		log_state.is_writing = true;
		pthread_mutex_unlock(&log_state.mutex);
		(void)fd_write_all(STDERR_FILENO, chunk, bytes, NULL);
		pthread_mutex_lock(&log_state.mutex);
		log_state.is_writing = false;
		pthread_cond_broadcast(&log_state.changed);
	}
	return NULL;
}

void log_start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, LIMIT_SMALL_STACK_BYTES);
	pthread_mutex_lock(&log_state.mutex);
	if (!log_state.has_writer)
		log_state.has_writer = pthread_create(&thread, &attributes, writer_main, NULL) == 0;
	pthread_mutex_unlock(&log_state.mutex);
	(void)pthread_attr_destroy(&attributes);
}

void log_finish(void)
{
	struct timespec deadline;

	(void)clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += LIMIT_LOG_FINISH_MS * 1000000L;
	if (deadline.tv_nsec >= 1000000000L) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&log_state.mutex);
	while (log_state.used > 0 || log_state.is_writing) {
		if (pthread_cond_timedwait(&log_state.changed, &log_state.mutex, &deadline) != 0)
			break;
	}
	pthread_mutex_unlock(&log_state.mutex);
}
