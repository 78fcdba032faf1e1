/* SPDX-License-Identifier: MIT */
#include "transport/stdio.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/thread.h"
#include "mcp/channel.h"
#include "transport/line_reader.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define READ_BYTES (64 * KIB)

struct line {
	struct line *next;
	char *text; /* NULL: it was longer than a message may be */
	size_t bytes;
};

struct line_queue {
	struct line *first, *last;
};

struct stdio_transport {
	struct stdio_transport_config config;
	struct channel *channel; /* loop thread; NULL once ended */
	/* Any thread; both threads and the loop take the mutex briefly. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct line_queue received, unsent;
	size_t held_bytes;	/* received and not consumed, and unsent */
	unsigned held_messages; /* received and not consumed */
	struct loop_task task;
	bool is_posted;
	bool is_end_of_input;
	bool is_drained; /* the channel has nothing more to say */
	bool is_writing; /* a line is on its way out */
	bool is_output_lost;
	bool is_ended;	   /* nothing is to be read or posted any more */
	bool is_finishing; /* the writer goes once all is written */
	unsigned live_threads;
	bool is_left; /* to its threads: the last one frees it */
	int stop_fd;  /* wakes the reader */
};

static void enqueue(struct line_queue *queue, char *text, size_t bytes)
{
	struct line *line = alloc_zeroed(sizeof(*line));

	line->text = text;
	line->bytes = bytes;
	if (queue->first)
		queue->last->next = line;
	else
		queue->first = line;
	queue->last = line;
}

/* NULL if it is empty. */
static struct line *dequeue(struct line_queue *queue)
{
	struct line *line = queue->first;

	if (line)
		queue->first = line->next;
	return line;
}

static void free_line(struct line *line)
{
	free(line->text);
	free(line);
}

/* With the mutex held, so that no task is posted to a loop that is gone. */
static void post(struct stdio_transport *transport)
{
	if (transport->is_posted || transport->is_ended)
		return;
	transport->is_posted = true;
	loop_post(transport->config.loop, &transport->task);
}

static void free_transport(struct stdio_transport *transport)
{
	struct line *line;

	while ((line = dequeue(&transport->received)))
		free_line(line);
	while ((line = dequeue(&transport->unsent)))
		free_line(line);
	cleanup_fd(&transport->stop_fd);
	(void)pthread_cond_destroy(&transport->changed);
	(void)pthread_mutex_destroy(&transport->mutex);
	free(transport);
}

/* With the mutex held; the transport may be gone afterwards. */
static void thread_ends(struct stdio_transport *transport)
{
	bool is_last;

	transport->live_threads--;
	is_last = transport->is_left && transport->live_threads == 0;
	(void)pthread_cond_broadcast(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
	if (is_last)
		free_transport(transport);
}

/* --- the reader's thread ----------------------------------------------------- */

static bool is_full(const struct stdio_transport *transport)
{
	return transport->held_bytes >= LIMIT_STDIO_QUEUE_BYTES ||
	       transport->held_messages >= LIMIT_CHANNEL_QUEUE_MESSAGES;
}

static void on_line(void *context, char *text, size_t bytes)
{
	struct stdio_transport *transport = context;

	pthread_mutex_lock(&transport->mutex);
	while (is_full(transport) && !transport->is_ended)
		(void)pthread_cond_wait(&transport->changed, &transport->mutex);
	enqueue(&transport->received, text, bytes);
	transport->held_bytes += bytes;
	transport->held_messages += text != NULL;
	post(transport);
	pthread_mutex_unlock(&transport->mutex);
}

/* Waits for input, so that the reader can be told to stop before it blocks in read(2). That it may
 * still block there, when another process takes the bytes first, is for the end to bear. */
static bool wait_for_input(const struct stdio_transport *transport)
{
	struct pollfd ready[] = {
		{ transport->stop_fd, POLLIN, 0 },
		{ transport->config.input_fd, POLLIN, 0 },
	};

	while (poll(ready, ARRAY_LENGTH(ready), -1) < 0) {
		if (errno != EINTR)
			return false;
	}
	return ready[0].revents == 0;
}

static void read_lines(struct stdio_transport *transport)
{
	const struct line_callbacks callbacks = { on_line, transport };
	struct line_reader *lines = line_reader_create(LIMIT_MESSAGE_BYTES, &callbacks);
	char *chunk = alloc_zeroed(READ_BYTES);

	while (wait_for_input(transport)) {
		ssize_t bytes = read(transport->config.input_fd, chunk, READ_BYTES);

		if (bytes < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (bytes <= 0) {
			line_reader_end(lines);
			break;
		}
		line_reader_add(lines, chunk, (size_t)bytes);
	}
	line_reader_destroy(lines);
	free(chunk);
}

static void run_reader(void *context)
{
	struct stdio_transport *transport = context;

	read_lines(transport);
	pthread_mutex_lock(&transport->mutex);
	transport->is_end_of_input = true;
	post(transport);
	thread_ends(transport);
}

/* --- the writer's thread ----------------------------------------------------- */

/* The descriptor may be non-blocking: whoever gave it to us may have made it so. */
static bool wait_for_output(int fd)
{
	struct pollfd ready = { fd, POLLOUT, 0 };

	return poll(&ready, 1, -1) >= 0 || errno == EINTR;
}

static bool write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = write(fd, data, bytes);

		if (written >= 0) {
			data += written;
			bytes -= (size_t)written;
		} else if (errno == EAGAIN) {
			if (!wait_for_output(fd))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* The next line to write, or NULL when there will be none. Returns with the mutex held. */
static struct line *wait_for_line(struct stdio_transport *transport)
{
	while (!transport->unsent.first && !transport->is_finishing)
		(void)pthread_cond_wait(&transport->changed, &transport->mutex);
	return dequeue(&transport->unsent);
}

static void run_writer(void *context)
{
	struct stdio_transport *transport = context;
	struct line *line;

	pthread_mutex_lock(&transport->mutex);
	while ((line = wait_for_line(transport))) {
		bool is_written = !transport->is_output_lost;

		transport->is_writing = true;
		pthread_mutex_unlock(&transport->mutex);
		/* The terminating NUL becomes the end of the line. */
		line->text[line->bytes] = '\n';
		if (is_written)
			is_written =
				write_all(transport->config.output_fd, line->text, line->bytes + 1);
		pthread_mutex_lock(&transport->mutex);
		transport->is_writing = false;
		transport->is_output_lost |= !is_written;
		transport->held_bytes -= line->bytes;
		if (transport->is_drained || transport->is_output_lost)
			post(transport);
		(void)pthread_cond_broadcast(&transport->changed);
		free_line(line);
	}
	thread_ends(transport);
}

/* --- the loop's thread ------------------------------------------------------- */

static void send_message(void *context, char *message, size_t bytes)
{
	struct stdio_transport *transport = context;

	pthread_mutex_lock(&transport->mutex);
	enqueue(&transport->unsent, message, bytes);
	transport->held_bytes += bytes;
	(void)pthread_cond_broadcast(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
}

static void message_consumed(void *context, size_t bytes)
{
	struct stdio_transport *transport = context;

	pthread_mutex_lock(&transport->mutex);
	transport->held_bytes -= bytes;
	transport->held_messages--;
	(void)pthread_cond_broadcast(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
}

static void channel_drained(void *context)
{
	struct stdio_transport *transport = context;

	pthread_mutex_lock(&transport->mutex);
	transport->is_drained = true;
	post(transport);
	pthread_mutex_unlock(&transport->mutex);
}

/* What the two threads have to say, in one look. */
struct news {
	struct line_queue lines;
	bool is_end_of_input, is_output_lost, is_done;
};

static struct news take_news(struct stdio_transport *transport)
{
	struct news news;

	pthread_mutex_lock(&transport->mutex);
	transport->is_posted = false;
	news = (struct news){
		.lines = transport->received,
		.is_end_of_input = transport->is_end_of_input,
		.is_output_lost = transport->is_output_lost,
		.is_done =
			transport->is_drained && !transport->unsent.first && !transport->is_writing,
	};
	transport->received = (struct line_queue){ NULL, NULL };
	pthread_mutex_unlock(&transport->mutex);
	return news;
}

static void receive_lines(struct stdio_transport *transport, struct line_queue *lines)
{
	struct line *line;

	while ((line = dequeue(lines))) {
		if (line->text && transport->channel)
			channel_receive(transport->channel, TAKE_PTR(line->text), line->bytes);
		else if (transport->channel)
			channel_receive_oversize(transport->channel);
		free_line(line);
	}
}

/* Each callback may end the transport, and is called at most once. */
static void tell(struct stdio_transport *transport, void (**callback)(void *context))
{
	void (*call)(void *context) = TAKE_PTR(*callback);

	if (call && transport->channel)
		call(transport->config.context);
}

static void run_task(struct loop_task *task)
{
	struct stdio_transport *transport = CONTAINER_OF(task, struct stdio_transport, task);
	struct news news = take_news(transport);

	receive_lines(transport, &news.lines);
	if (news.is_output_lost)
		tell(transport, &transport->config.on_output_lost);
	if (news.is_end_of_input && transport->config.on_end_of_input) {
		tell(transport, &transport->config.on_end_of_input);
		if (transport->channel)
			channel_drain(transport->channel);
	}
	if (news.is_done)
		tell(transport, &transport->config.on_drained);
}

/* --- life -------------------------------------------------------------------- */

static int start_thread(struct stdio_transport *transport, void (*body)(void *context),
			struct error *err)
{
	int result;

	pthread_mutex_lock(&transport->mutex);
	result = thread_start(LIMIT_SMALL_STACK_BYTES, body, transport, err);
	transport->live_threads += result == 0;
	pthread_mutex_unlock(&transport->mutex);
	return result;
}

struct stdio_transport *stdio_transport_start(const struct stdio_transport_config *config,
					      struct error *err)
{
	struct stdio_transport *transport = alloc_zeroed(sizeof(*transport));
	const struct channel_callbacks callbacks = {
		.send = send_message,
		.on_consumed = message_consumed,
		.on_drained = channel_drained,
		.context = transport,
	};
	pthread_condattr_t attributes;

	transport->config = *config;
	transport->task.run = run_task;
	(void)pthread_mutex_init(&transport->mutex, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&transport->changed, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	transport->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (transport->stop_fd < 0) {
		(void)error_set_errno(err, "creating the transport");
		free_transport(transport);
		return NULL;
	}
	transport->channel = channel_open(config->server, &callbacks);
	if (start_thread(transport, run_writer, err) < 0 ||
	    start_thread(transport, run_reader, err) < 0) {
		stdio_transport_destroy(transport);
		return NULL;
	}
	return transport;
}

void stdio_transport_end(struct stdio_transport *transport)
{
	struct channel *channel = TAKE_PTR(transport->channel);

	pthread_mutex_lock(&transport->mutex);
	transport->is_ended = true;
	(void)pthread_cond_broadcast(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
	(void)eventfd_write(transport->stop_fd, 1);
	channel_close(channel);
}

/* Whether both threads are gone within the time that the writer gets. */
static bool wait_for_threads(struct stdio_transport *transport)
{
	struct timespec deadline;
	bool are_gone;

	(void)clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += LIMIT_STDIO_FLUSH_MS * 1000000L;
	deadline.tv_sec += deadline.tv_nsec / 1000000000L;
	deadline.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&transport->mutex);
	transport->is_finishing = true;
	(void)pthread_cond_broadcast(&transport->changed);
	while (transport->live_threads > 0 &&
	       pthread_cond_timedwait(&transport->changed, &transport->mutex, &deadline) == 0)
		;
	are_gone = transport->live_threads == 0;
	transport->is_left = !are_gone;
	pthread_mutex_unlock(&transport->mutex);
	return are_gone;
}

void stdio_transport_destroy(struct stdio_transport *transport)
{
	if (!transport)
		return;
	if (transport->channel)
		stdio_transport_end(transport);
	/* A thread that is blocked in read(2) or write(2) may wake up after us, if the end of the
	 * process, which is near, does not come first: what it uses is left to it. */
	if (wait_for_threads(transport))
		free_transport(transport);
}
