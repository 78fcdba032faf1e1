/* SPDX-License-Identifier: MIT */
#include "exec/pump.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "exec/feed.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Twice per full pipe; the stacks of calls are small. */
#define PUMP_READ_BYTES 32768

enum { POLL_STATUS, POLL_CANCEL, POLL_STDOUT, POLL_STDERR, POLL_FEED };
#define POLL_COUNT (POLL_FEED + FEED_POLL_FDS)

#define DURATION_UNKNOWN UINT64_MAX

struct pumping {
	const struct pump *setup;
	struct exec_result *result;
	struct feed feed;
	int output_fds[2];	  /* by enum exec_stream; -1 once at end-of-file */
	uint64_t output_bytes[2]; /* read so far */
	uint64_t started_us;	  /* as far as it can be seen from here */
	uint64_t deadline_ms; /* while it runs: its timeout; while it is killed: the confirmation */
	bool was_started;
	bool is_killed;		      /* its death was asked for ... */
	enum exec_end killed_because; /* ... for this reason */
	bool sink_is_full;
};

/* What a command printed until its time was up is its output, though it is read later. */
static bool wants_output(const struct pumping *pumping)
{
	return !pumping->sink_is_full &&
	       (!pumping->is_killed || pumping->killed_because == EXEC_END_TIMEOUT);
}

/* What nobody wants any more is discarded. False if there was nothing to read. */
static bool read_output(struct pumping *pumping, enum exec_stream stream)
{
	char buffer[PUMP_READ_BYTES];
	struct exec_sink *sink = pumping->setup->sink;
	ssize_t got = read(pumping->output_fds[stream], buffer, sizeof(buffer));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		cleanup_fd(&pumping->output_fds[stream]);
		return false;
	}
	pumping->output_bytes[stream] += (uint64_t)got;
	if (wants_output(pumping) && sink->on_output(sink, stream, buffer, (size_t)got) < 0)
		pumping->sink_is_full = true;
	return true;
}

static void read_ready_output(struct pumping *pumping, const struct pollfd fds[2])
{
	int stream;

	for (stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		if (fds[stream].fd >= 0 && fds[stream].revents != 0)
			(void)read_output(pumping, (enum exec_stream)stream);
	}
}

static void request_kill(struct pumping *pumping, enum exec_end because)
{
	if (pumping->is_killed)
		return;
	pumping->is_killed = true;
	pumping->killed_because = because;
	pumping->deadline_ms = clock_now_ms() + LIMIT_KILL_CONFIRM_MS;
	pumping->setup->request_kill(pumping->setup->context);
}

/*
 * What the command's side measured counts, because it alone knows when a quick program began and
 * ended: STARTED and ENDED may be read in one go, long after. But it is not believed to have taken
 * longer than we waited, so that a side that lies can only claim less.
 */
static uint64_t find_duration(const struct pumping *pumping)
{
	uint64_t now_us = clock_now_us();
	uint64_t most_us = now_us - pumping->setup->sent_us;
	uint64_t reported_us = pumping->result->duration_us;

	if (reported_us == DURATION_UNKNOWN)
		return now_us - pumping->started_us;
	return reported_us < most_us ? reported_us : most_us;
}

/* The result of a command that was killed says why, not how it went down. */
static void conclude(struct pumping *pumping)
{
	struct exec_result *result = pumping->result;

	result->duration_us = find_duration(pumping);
	if (pumping->is_killed) {
		result->end = pumping->killed_because;
		result->code = 0;
	} else if (result->end == EXEC_END_NOT_STARTED) {
		result->duration_us = 0;
	}
}

static enum pump_outcome conclude_reset(struct pumping *pumping)
{
	conclude(pumping);
	pumping->result->was_reset = true;
	return PUMP_UNCONFIRMED;
}

static void fill_poll(const struct pumping *pumping, struct pollfd fds[POLL_COUNT])
{
	const struct cancel *cancel = pumping->setup->request->cancel;
	/* A raised flag stays readable: once it has had its effect, waiting for it would spin. */
	bool watches_cancel = cancel && !pumping->is_killed;

	fds[POLL_STATUS] = (struct pollfd){ pumping->setup->status_fd, POLLIN, 0 };
	fds[POLL_CANCEL] = (struct pollfd){ watches_cancel ? cancel->fd : -1, POLLIN, 0 };
	fds[POLL_STDOUT] = (struct pollfd){ pumping->output_fds[EXEC_STDOUT], POLLIN, 0 };
	fds[POLL_STDERR] = (struct pollfd){ pumping->output_fds[EXEC_STDERR], POLLIN, 0 };
	feed_prepare_poll(&pumping->feed, &fds[POLL_FEED]);
}

static enum pump_event take_status(struct pumping *pumping, struct error *err)
{
	const struct pump *setup = pumping->setup;
	enum pump_event event = setup->on_status(setup->context, pumping->result, err);

	if (event == PUMP_EVENT_STARTED && !pumping->was_started) {
		pumping->was_started = true;
		pumping->started_us = clock_now_us();
	}
	return event;
}

/* What ends a command from our side, in order of precedence. */
static void check_reasons_to_kill(struct pumping *pumping, const struct pollfd *cancel)
{
	if (pumping->sink_is_full)
		request_kill(pumping, EXEC_END_OUTPUT_LIMIT);
	else if (cancel->revents != 0)
		request_kill(pumping, EXEC_END_CANCELLED);
	else if (!pumping->is_killed && clock_now_ms() >= pumping->deadline_ms)
		request_kill(pumping, EXEC_END_TIMEOUT);
}

/* Until the command has ended, or will not. */
static enum pump_outcome run_until_ended(struct pumping *pumping, struct error *err)
{
	struct pollfd fds[POLL_COUNT];
	enum pump_event event = PUMP_EVENT_NONE;

	while (event != PUMP_EVENT_ENDED) {
		fill_poll(pumping, fds);
		if (poll(fds, POLL_COUNT, clock_poll_timeout(pumping->deadline_ms)) < 0)
			continue;
		read_ready_output(pumping, &fds[POLL_STDOUT]);
		feed_advance(&pumping->feed, &fds[POLL_FEED]);
		event = fds[POLL_STATUS].revents != 0 ? take_status(pumping, err) : PUMP_EVENT_NONE;
		if (event == PUMP_EVENT_LOST)
			return pumping->is_killed ? conclude_reset(pumping) : PUMP_LOST;
		if (event == PUMP_EVENT_ENDED)
			continue;
		if (pumping->is_killed && clock_now_ms() >= pumping->deadline_ms)
			return conclude_reset(pumping);
		check_reasons_to_kill(pumping, &fds[POLL_CANCEL]);
	}
	/* Its last output, read in the same round, may have been too much. */
	if (pumping->sink_is_full)
		request_kill(pumping, EXEC_END_OUTPUT_LIMIT);
	conclude(pumping);
	return PUMP_ENDED;
}

/* How much of a stream there will be at least: what was read and what is in the pipe. */
static uint64_t count_output(const struct pumping *pumping, enum exec_stream stream)
{
	int bytes = 0;

	if (pumping->output_fds[stream] >= 0)
		(void)ioctl(pumping->output_fds[stream], FIONREAD, &bytes);
	return pumping->output_bytes[stream] + (uint64_t)bytes;
}

/* The command has ended, but its call has not. */
static void kill_what_is_left(struct pumping *pumping, enum exec_end because)
{
	request_kill(pumping, because);
	pumping->result->end = because;
	pumping->result->code = 0;
}

/*
 * Reads what the command left in its pipes, and what its helpers (process
 * substitutions, pipelines) still write: until end-of-file, or a while without
 * a byte, or a while in all. What was in the pipes at its end is read in any
 * case: a busy machine may let that while pass before we run again.
 */
static void drain(struct pumping *pumping)
{
	const struct cancel *cancel = pumping->setup->request->cancel;
	const uint64_t owed[2] = { count_output(pumping, EXEC_STDOUT),
				   count_output(pumping, EXEC_STDERR) };
	uint64_t give_up_ms = clock_now_ms() + LIMIT_DRAIN_TOTAL_MS;
	const uint64_t *have = pumping->output_bytes;

	while (!pumping->is_killed &&
	       (pumping->output_fds[EXEC_STDOUT] >= 0 || pumping->output_fds[EXEC_STDERR] >= 0)) {
		struct pollfd fds[3] = { { pumping->output_fds[EXEC_STDOUT], POLLIN, 0 },
					 { pumping->output_fds[EXEC_STDERR], POLLIN, 0 },
					 { cancel ? cancel->fd : -1, POLLIN, 0 } };
		uint64_t quiet_ms = clock_now_ms() + LIMIT_DRAIN_QUIET_MS;
		int ready = poll(fds, 3,
				 clock_poll_timeout(quiet_ms < give_up_ms ? quiet_ms : give_up_ms));

		if (ready == 0)
			return;
		if (ready > 0)
			read_ready_output(pumping, fds);
		if (pumping->sink_is_full)
			kill_what_is_left(pumping, EXEC_END_OUTPUT_LIMIT);
		else if (ready > 0 && fds[2].revents != 0)
			kill_what_is_left(pumping, EXEC_END_CANCELLED);
		if (clock_now_ms() >= give_up_ms && have[EXEC_STDOUT] >= owed[EXEC_STDOUT] &&
		    have[EXEC_STDERR] >= owed[EXEC_STDERR])
			return;
	}
}

/* What a command that is dead now left in its pipes: no more than was there at its end, since
 * others may have them too. */
static void read_last_words(struct pumping *pumping)
{
	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		uint64_t owed = count_output(pumping, (enum exec_stream)stream);

		while (pumping->output_bytes[stream] < owed &&
		       read_output(pumping, (enum exec_stream)stream))
			;
	}
}

static void close_pipes(struct pumping *pumping)
{
	int stream;

	feed_finish(&pumping->feed);
	for (stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		if (pumping->output_fds[stream] >= 0)
			drainer_add(pumping->setup->drainer, take_fd(&pumping->output_fds[stream]));
	}
}

enum pump_outcome pump_run(const struct pump *pump, struct exec_result *result, struct error *err)
{
	uint64_t timeout_ms = pump->request->timeout_ms;
	struct pumping pumping = {
		.setup = pump,
		.result = result,
		.output_fds = { pump->stdout_fd, pump->stderr_fd },
		.started_us = pump->sent_us,
		.deadline_ms = timeout_ms > 0 ? clock_now_ms() + timeout_ms : CLOCK_NEVER,
	};
	enum pump_outcome outcome;

	*result = (struct exec_result){ .end = EXEC_END_EXIT, .duration_us = DURATION_UNKNOWN };
	if (pump->stdin_fd >= 0)
		(void)fd_set_nonblocking(pump->stdin_fd, NULL);
	(void)fd_set_nonblocking(pump->stdout_fd, NULL);
	(void)fd_set_nonblocking(pump->stderr_fd, NULL);
	feed_init(&pumping.feed, pump->request, pump->stdin_fd);
	outcome = run_until_ended(&pumping, err);
	/* Those that wait for the end of stdin to end themselves get it before the drain. */
	feed_finish(&pumping.feed);
	if (outcome == PUMP_ENDED && pumping.is_killed)
		read_last_words(&pumping);
	else if (outcome == PUMP_ENDED)
		drain(&pumping);
	close_pipes(&pumping);
	return outcome;
}
