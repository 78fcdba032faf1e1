/* SPDX-License-Identifier: MIT */

/*
 * Lets a test use a backend directly: several sandboxes and parallel commands
 * of one server process, without a client in between. One JSON object a line:
 *
 *   {"id": 1, "op": "create", "sandbox": 0}
 *   {"id": 2, "op": "exec", "sandbox": 0, "command": "true"}     or "args": [...]
 *        also: "cwd", "stdin_path", "timeout_ms", "limit" (bytes of output)
 *   {"id": 3, "op": "destroy", "sandbox": 0}
 *
 * Every request has a thread; its answer has the same id, and "error" or the
 * result. Output is in hexadecimal. End-of-file on stdin ends the program.
 *
 * usage: isolation-driver BACKEND IMAGE [NAME=NUMBER]...
 *
 * IMAGE may be empty. NAME: memory, pids, disk, total_memory or total_pids, as the options do.
 */

#include "backend/backend.h"
#include "backend/registry.h"
#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SANDBOXES 512
#define MAX_ARGUMENTS 64
#define MAX_INPUT_BYTES (64u << 20)

struct driver {
	struct backend *backend;
	struct sandbox *sandboxes[MAX_SANDBOXES];
	pthread_mutex_t output;
	pthread_mutex_t count_lock;
	pthread_cond_t count_changed;
	unsigned running;
};

struct job {
	struct driver *driver;
	json_t *request;
};

struct collector {
	struct exec_sink sink;
	struct buf streams[2];
	uint64_t limit;
	uint64_t seen;
};

static int on_output(struct exec_sink *sink, enum exec_stream stream, const void *data,
		     size_t bytes)
{
	struct collector *collector = CONTAINER_OF(sink, struct collector, sink);

	collector->seen += bytes;
	if (collector->seen > collector->limit)
		return -1;
	return buf_append(&collector->streams[stream], data, bytes);
}

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

static uint64_t number_of(const json_t *request, const char *key, uint64_t otherwise)
{
	const json_t *value = json_object_get(request, key);

	return value ? (uint64_t)json_integer_value(value) : otherwise;
}

static json_t *hex_of(const struct buf *buf)
{
	char *text = alloc_zeroed(buf->length * 2 + 1);
	json_t *value;

	for (size_t i = 0; i < buf->length; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", (unsigned char)buf->data[i]);
	value = json_string(text);
	free(text);
	return value;
}

static int read_stdin(const char *path, struct buf *input, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[65536];
	ssize_t got;

	if (fd < 0)
		return error_set_errno(err, "opening %s", path);
	while ((got = read(fd, piece, sizeof(piece))) > 0)
		if (buf_append(input, piece, (size_t)got) < 0)
			return error_set(err, ERROR_INVALID, "%s is too long", path);
	return got < 0 ? error_set_errno(err, "reading %s", path) : 0;
}

static int run(struct job *job, struct sandbox *sandbox, json_t *answer, struct error *err)
{
	static const char *const ends[] = { "exit",  "signal",	  "timeout",
					    "limit", "cancelled", "not-started" };
	const char *args[MAX_ARGUMENTS + 1] = { NULL };
	const json_t *list = json_object_get(job->request, "args");
	const char *path = text_of(job->request, "stdin_path");
	CLEANUP(buf_finish) struct buf input = BUF_INIT(MAX_INPUT_BYTES);
	struct collector collector = { { on_output },
				       { BUF_INIT(MAX_INPUT_BYTES), BUF_INIT(MAX_INPUT_BYTES) },
				       number_of(job->request, "limit", MAX_INPUT_BYTES),
				       0 };
	struct exec_request request = EXEC_REQUEST_INIT;
	struct exec_result result;
	int status;

	for (size_t i = 0; i < json_array_size(list) && i < MAX_ARGUMENTS; i++)
		args[i] = json_string_value(json_array_get(list, i));
	if (path && read_stdin(path, &input, err) < 0)
		return -1;
	request.command = text_of(job->request, "command");
	request.args = list ? args : NULL;
	request.working_directory = text_of(job->request, "cwd");
	request.stdin_data = input.data;
	request.stdin_bytes = input.length;
	request.timeout_ms = number_of(job->request, "timeout_ms", 60000);
	status = sandbox_exec(sandbox, &request, &collector.sink, &result, err);
	if (status == 0) {
		(void)json_object_set_new(answer, "end", json_string(ends[result.end]));
		(void)json_object_set_new(answer, "code", json_integer(result.code));
		(void)json_object_set_new(answer, "reset", json_boolean(result.was_reset));
		(void)json_object_set_new(answer, "limits", json_integer(result.limits_hit));
		(void)json_object_set_new(answer, "us",
					  json_integer((json_int_t)result.duration_us));
		(void)json_object_set_new(answer, "stdout", hex_of(&collector.streams[0]));
		(void)json_object_set_new(answer, "stderr", hex_of(&collector.streams[1]));
	}
	buf_finish(&collector.streams[0]);
	buf_finish(&collector.streams[1]);
	return status;
}

static int do_job(struct job *job, json_t *answer, struct error *err)
{
	struct driver *driver = job->driver;
	uint64_t index = number_of(job->request, "sandbox", MAX_SANDBOXES);
	const char *operation = text_of(job->request, "op");

	if (index >= MAX_SANDBOXES || !operation)
		return error_set(err, ERROR_INVALID, "malformed request");
	if (strcmp(operation, "create") == 0) {
		driver->sandboxes[index] = sandbox_create(driver->backend, NULL, NULL, err);
		return driver->sandboxes[index] ? 0 : -1;
	}
	if (!driver->sandboxes[index])
		return error_set(err, ERROR_INVALID, "there is no such sandbox");
	if (strcmp(operation, "exec") == 0)
		return run(job, driver->sandboxes[index], answer, err);
	sandbox_destroy(driver->sandboxes[index]);
	driver->sandboxes[index] = NULL;
	return 0;
}

static void *serve(void *argument)
{
	struct job *job = argument;
	struct driver *driver = job->driver;
	struct error err = ERROR_INIT;
	json_t *answer = json_object();
	char *text;

	(void)json_object_set(answer, "id", json_object_get(job->request, "id"));
	if (do_job(job, answer, &err) < 0) {
		(void)json_object_set_new(answer, "error", json_string(err.message));
		(void)json_object_set_new(answer, "kind", json_integer(err.kind));
	}
	text = json_dumps(answer, JSON_COMPACT);
	(void)pthread_mutex_lock(&driver->output);
	puts(text);
	(void)fflush(stdout);
	(void)pthread_mutex_unlock(&driver->output);
	free(text);
	json_decref(answer);
	json_decref(job->request);
	free(job);
	(void)pthread_mutex_lock(&driver->count_lock);
	driver->running--;
	(void)pthread_cond_signal(&driver->count_changed);
	(void)pthread_mutex_unlock(&driver->count_lock);
	return NULL;
}

static void start(struct driver *driver, const char *line)
{
	struct job *job = alloc_zeroed(sizeof(*job));
	pthread_t thread;

	job->driver = driver;
	job->request = json_loads(line, 0, NULL);
	(void)pthread_mutex_lock(&driver->count_lock);
	driver->running++;
	(void)pthread_mutex_unlock(&driver->count_lock);
	if (pthread_create(&thread, NULL, serve, job) != 0)
		abort();
	(void)pthread_detach(thread);
}

static void wait_for_all(struct driver *driver)
{
	(void)pthread_mutex_lock(&driver->count_lock);
	while (driver->running > 0)
		(void)pthread_cond_wait(&driver->count_changed, &driver->count_lock);
	(void)pthread_mutex_unlock(&driver->count_lock);
}

/* "memory=1000000" */
static bool take_limit(struct backend_config *config, const char *text)
{
	const struct {
		const char *name;
		uint64_t *limit;
	} limits[] = {
		{ "memory", &config->memory_bytes },
		{ "pids", &config->pids },
		{ "disk", &config->disk_bytes },
		{ "total_memory", &config->total_memory_bytes },
		{ "total_pids", &config->total_pids },
	};
	const char *value = strchr(text, '=');

	for (size_t i = 0; value && i < ARRAY_LENGTH(limits); i++) {
		if (strlen(limits[i].name) == (size_t)(value - text) &&
		    strncmp(limits[i].name, text, (size_t)(value - text)) == 0) {
			*limits[i].limit = strtoull(value + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	static struct driver driver = { .output = PTHREAD_MUTEX_INITIALIZER,
					.count_lock = PTHREAD_MUTEX_INITIALIZER,
					.count_changed = PTHREAD_COND_INITIALIZER };
	struct backend_config config = { .image = argc > 2 && argv[2][0] ? argv[2] : NULL,
					 .allows_unlimited_memory = true };
	const struct backend_type *type = argc > 1 ? backend_find(argv[1]) : NULL;
	struct error err = ERROR_INIT;
	static char line[1 << 20];

	(void)signal(SIGPIPE,
		     SIG_IGN); /* as every server does: stdin of a command that does not read */
	for (int i = 3; i < argc; i++) {
		if (!take_limit(&config, argv[i]))
			return 2;
	}
	config.nofile_hard = fd_raise_limit(&config.nofile_soft);
	if (!type || !(driver.backend = backend_open(type, &config, &err)) ||
	    backend_check(driver.backend, &err) < 0) {
		(void)fprintf(stderr, "isolation-driver: %s\n", type ? err.message : "no backend");
		return 1;
	}
	puts("{\"ready\": true}");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		start(&driver, line);
	wait_for_all(&driver);
	for (size_t i = 0; i < MAX_SANDBOXES; i++)
		sandbox_destroy(driver.sandboxes[i]);
	backend_close(driver.backend);
	return 0;
}
