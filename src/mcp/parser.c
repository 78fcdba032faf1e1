/* SPDX-License-Identifier: MIT */
#include "mcp/parser.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>

struct parser_pool {
	struct loop *loop;
	/* Loop thread: every job whose `done` has not been called. */
	struct parser_job **outstanding;
	size_t outstanding_count, outstanding_room;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	struct parser_job *first, *last;
	unsigned live_count; /* threads */
	bool is_stopping;
};

struct parser_pool *parser_pool_create(struct loop *loop)
{
	struct parser_pool *pool = alloc_zeroed(sizeof(*pool));

	pool->loop = loop;
	(void)pthread_mutex_init(&pool->mutex, NULL);
	(void)pthread_cond_init(&pool->changed, NULL);
	return pool;
}

/* The next job, or NULL when there will be none. */
static struct parser_job *wait_for_job(struct parser_pool *pool)
{
	struct parser_job *job;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->first && !pool->is_stopping)
		(void)pthread_cond_wait(&pool->changed, &pool->mutex);
	job = pool->first;
	if (job)
		pool->first = job->next;
	if (!pool->first)
		pool->last = NULL;
	pthread_mutex_unlock(&pool->mutex);
	return job;
}

static void run_parser(void *context)
{
	struct parser_pool *pool = context;
	struct parser_job *job;

	while ((job = wait_for_job(pool))) {
		job->run(job);
		loop_post(pool->loop, &job->task);
	}
	pthread_mutex_lock(&pool->mutex);
	pool->live_count--;
	(void)pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

/* How many there are now; 0 if the system has no thread to give. */
static unsigned start_threads(struct parser_pool *pool)
{
	unsigned count;

	pthread_mutex_lock(&pool->mutex);
	while (pool->live_count < LIMIT_PARSER_THREADS &&
	       thread_start(LIMIT_PARSER_STACK_BYTES, run_parser, pool, NULL) == 0)
		pool->live_count++;
	count = pool->live_count;
	pthread_mutex_unlock(&pool->mutex);
	return count;
}

static void remember(struct parser_pool *pool, struct parser_job *job)
{
	if (pool->outstanding_count == pool->outstanding_room) {
		pool->outstanding_room = pool->outstanding_room ? 2 * pool->outstanding_room : 4;
		pool->outstanding = alloc_resize(pool->outstanding, pool->outstanding_room,
						 sizeof(struct parser_job *));
	}
	pool->outstanding[pool->outstanding_count++] = job;
}

static void forget(struct parser_pool *pool, const struct parser_job *job)
{
	size_t i = 0;

	while (pool->outstanding[i] != job)
		i++;
	pool->outstanding[i] = pool->outstanding[--pool->outstanding_count];
}

static void finish_job(struct loop_task *task)
{
	struct parser_job *job = CONTAINER_OF(task, struct parser_job, task);

	forget(job->pool, job);
	job->done(job);
}

void parser_pool_submit(struct parser_pool *pool, struct parser_job *job)
{
	job->pool = pool;
	job->next = NULL;
	job->task.run = finish_job;
	remember(pool, job);
	if (start_threads(pool) == 0) {
		job->run(job);
		loop_post(pool->loop, &job->task);
		return;
	}
	pthread_mutex_lock(&pool->mutex);
	if (pool->last)
		pool->last->next = job;
	else
		pool->first = job;
	pool->last = job;
	(void)pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

/* Unlinks it from what waits for a thread. */
static bool take_from_queue(struct parser_pool *pool, const struct parser_job *job)
{
	struct parser_job *previous = NULL;
	struct parser_job *at = pool->first;

	while (at && at != job) {
		previous = at;
		at = at->next;
	}
	if (!at)
		return false;
	if (previous)
		previous->next = job->next;
	else
		pool->first = job->next;
	if (pool->last == job)
		pool->last = previous;
	return true;
}

bool parser_pool_withdraw(struct parser_pool *pool, struct parser_job *job)
{
	bool is_taken;

	pthread_mutex_lock(&pool->mutex);
	is_taken = take_from_queue(pool, job);
	pthread_mutex_unlock(&pool->mutex);
	if (is_taken)
		forget(pool, job);
	return is_taken;
}

void parser_pool_destroy(struct parser_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->is_stopping = true;
	(void)pthread_cond_broadcast(&pool->changed);
	while (pool->live_count > 0)
		(void)pthread_cond_wait(&pool->changed, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	while (pool->outstanding_count > 0)
		finish_job(&pool->outstanding[0]->task);
	free(pool->outstanding);
	(void)pthread_cond_destroy(&pool->changed);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool);
}
