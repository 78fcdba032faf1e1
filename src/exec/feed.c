/* SPDX-License-Identifier: MIT */
#include "exec/feed.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <unistd.h>

/* As much as an empty pipe holds. */
#define FEED_BUFFER_BYTES 65536

enum { FEED_PIPE, FEED_SOURCE };

/* Writes until all is written or the pipe is full. Nothing left and nothing more to come: closes.
 */
static void write_pending(struct feed *feed)
{
	while (feed->left > 0) {
		ssize_t written = write(feed->pipe_fd, feed->next, feed->left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return;
		if (written < 0) {
			/* EPIPE: nobody reads it any more, and no program is owed a reader. */
			feed_finish(feed);
			return;
		}
		feed->next += written;
		feed->left -= (size_t)written;
	}
	if (feed->source_fd < 0)
		feed_finish(feed);
}

static void read_source(struct feed *feed)
{
	ssize_t got = read(feed->source_fd, feed->buffer, FEED_BUFFER_BYTES);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		/* A source that cannot be read has ended as far as the command can tell. */
		feed->source_fd = -1;
		got = 0;
	}
	feed->next = feed->buffer;
	feed->left = (size_t)got;
	write_pending(feed);
}

void feed_init(struct feed *feed, const struct exec_request *request, int pipe_fd)
{
	*feed = (struct feed){ .pipe_fd = pipe_fd, .source_fd = -1 };
	if (pipe_fd < 0)
		return;
	if (request->stdin_fd >= 0) {
		feed->source_fd = request->stdin_fd;
		feed->buffer = alloc_zeroed(FEED_BUFFER_BYTES);
	} else {
		feed->next = request->stdin_data;
		feed->left = request->stdin_bytes;
		write_pending(feed);
	}
}

void feed_prepare_poll(const struct feed *feed, struct pollfd fds[FEED_POLL_FDS])
{
	bool is_reading = feed->left == 0;

	/* While there is nothing to write, the pipe is watched for its reader going away (POLLERR
	 * comes unasked), so that a source that never ends does not keep it open. */
	fds[FEED_PIPE] = (struct pollfd){ feed->pipe_fd, is_reading ? 0 : POLLOUT, 0 };
	fds[FEED_SOURCE] = (struct pollfd){ is_reading ? feed->source_fd : -1, POLLIN, 0 };
}

void feed_advance(struct feed *feed, const struct pollfd fds[FEED_POLL_FDS])
{
	if (feed->pipe_fd >= 0 && fds[FEED_PIPE].revents != 0) {
		if (feed->left > 0)
			write_pending(feed);
		else
			feed_finish(feed);
	}
	if (feed->source_fd >= 0 && fds[FEED_SOURCE].revents != 0)
		read_source(feed);
}

void feed_finish(struct feed *feed)
{
	cleanup_fd(&feed->pipe_fd);
	cleanup_free(&feed->buffer);
	feed->source_fd = -1;
	feed->left = 0;
}
