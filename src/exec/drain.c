/* SPDX-License-Identifier: MIT */
#include "exec/drain.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * Theory of operation. All pipes of all drainers are in one epoll set. The
 * thread waits for it without a lock, then takes the lock, asks again without
 * waiting and empties what is ready: what it is told under the lock still
 * exists, because pipes are added and removed under the same lock only. The
 * descriptors are non-blocking, so the lock is held for microseconds.
 */

#define DRAIN_EVENTS 64
/* A full pipe of the default size, or part of a larger one. */
#define DRAIN_SPLICE_BYTES (1 * MIB)

struct drained_pipe {
	struct drainer *drainer;
	int fd;
};

struct drainer {
	/* The oldest first. On the heap one by one, because the epoll set points at them. */
	struct drained_pipe *pipes[LIMIT_DRAINED_PIPES];
	unsigned count;
};

static struct {
	pthread_mutex_t mutex;
	int epoll_fd;
	int null_fd;
	bool has_thread;
} service = { PTHREAD_MUTEX_INITIALIZER, -1, -1, false };

/* With the lock held, as everything below but drain_main's wait. */
static void remove_pipe(struct drained_pipe *pipe)
{
	struct drainer *drainer = pipe->drainer;
	unsigned i = 0;

	while (drainer->pipes[i] != pipe)
		i++;
	drainer->count--;
	memmove(&drainer->pipes[i], &drainer->pipes[i + 1],
		(drainer->count - i) * sizeof(drainer->pipes[0]));
	/* By hand, not by closing: a child that is just being started holds a copy until its
	 * execve, and the set would go on reporting a pipe that is gone. */
	(void)epoll_ctl(service.epoll_fd, EPOLL_CTL_DEL, pipe->fd, NULL);
	cleanup_fd(&pipe->fd);
	free(pipe);
}

static void empty_pipe(struct drained_pipe *pipe)
{
	/* To /dev/null by splice: the kernel drops the pages, no byte is copied. */
	ssize_t moved = splice(pipe->fd, NULL, service.null_fd, NULL, DRAIN_SPLICE_BYTES,
			       SPLICE_F_NONBLOCK);

	if (moved == 0 || (moved < 0 && errno != EAGAIN && errno != EINTR))
		remove_pipe(pipe);
}

static void drain_main(void *context)
{
	struct epoll_event events[DRAIN_EVENTS];

	(void)context;
	for (;;) {
		struct pollfd any = { service.epoll_fd, POLLIN, 0 };
		int i, count;

		(void)poll(&any, 1, -1);
		pthread_mutex_lock(&service.mutex);
		count = epoll_wait(service.epoll_fd, events, DRAIN_EVENTS, 0);
		for (i = 0; i < count; i++)
			empty_pipe(events[i].data.ptr);
		pthread_mutex_unlock(&service.mutex);
		/* Let the pipes fill: a flood then costs a thousand wake-ups a second, not one for
		 * every write. */
		(void)poll(NULL, 0, 1);
	}
}

/* False if there are no descriptors left. A thread that could not be started is tried again with
 * the next pipe. */
static bool service_is_ready(void)
{
	if (service.epoll_fd < 0)
		service.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (service.null_fd < 0)
		service.null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (service.epoll_fd < 0 || service.null_fd < 0)
		return false;
	if (!service.has_thread)
		service.has_thread =
			thread_start(LIMIT_SMALL_STACK_BYTES, drain_main, NULL, NULL) == 0;
	return true;
}

struct drainer *drainer_create(void)
{
	return alloc_zeroed(sizeof(struct drainer));
}

void drainer_add(struct drainer *drainer, int fd)
{
	struct drained_pipe *pipe = alloc_zeroed(sizeof(*pipe));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = pipe };

	pipe->drainer = drainer;
	pipe->fd = fd;
	pthread_mutex_lock(&service.mutex);
	if (drainer->count == LIMIT_DRAINED_PIPES)
		remove_pipe(drainer->pipes[0]);
	drainer->pipes[drainer->count++] = pipe;
	/* Out of descriptors or memory: the pipe is at least not closed under its writer. */
	if (service_is_ready())
		(void)epoll_ctl(service.epoll_fd, EPOLL_CTL_ADD, fd, &event);
	pthread_mutex_unlock(&service.mutex);
}

unsigned drainer_pipes(struct drainer *drainer)
{
	unsigned count;

	pthread_mutex_lock(&service.mutex);
	count = drainer->count;
	pthread_mutex_unlock(&service.mutex);
	return count;
}

void drainer_destroy(struct drainer *drainer)
{
	if (!drainer)
		return;
	pthread_mutex_lock(&service.mutex);
	while (drainer->count > 0)
		remove_pipe(drainer->pipes[drainer->count - 1]);
	pthread_mutex_unlock(&service.mutex);
	free(drainer);
}
