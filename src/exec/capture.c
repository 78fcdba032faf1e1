/* SPDX-License-Identifier: MIT */
#include "exec/capture.h"

#include "base/attr.h"
#include "base/utf8.h"
#include "exec/notice.h"

/* A byte that is not UTF-8 becomes three. */
#define REPAIR_FACTOR 3
/* The longest notices, with names and paths escaped. */
#define NOTICE_BYTES 8192

static int keep_output(struct exec_sink *sink, enum exec_stream stream, const void *data,
		       size_t bytes)
{
	struct capture *capture = CONTAINER_OF(sink, struct capture, sink);

	capture->seen_bytes += bytes;
	if (capture->seen_bytes > capture->limit_bytes)
		return -1;
	return buf_append(stream == EXEC_STDOUT ? &capture->out : &capture->err, data, bytes);
}

void capture_init(struct capture *capture, uint64_t limit_bytes)
{
	size_t max_bytes = (size_t)limit_bytes * REPAIR_FACTOR + NOTICE_BYTES;

	*capture = (struct capture){ .sink = { keep_output }, .limit_bytes = limit_bytes };
	buf_init(&capture->out, max_bytes);
	buf_init(&capture->err, max_bytes);
}

void capture_finish(struct capture *capture)
{
	buf_finish(&capture->out);
	buf_finish(&capture->err);
}

static int repair(struct buf *buf)
{
	struct buf repaired = BUF_INIT(buf->max);

	if (utf8_is_valid(buf->data, buf->length))
		return 0;
	if (utf8_repair(&repaired, buf->data, buf->length) < 0) {
		buf_finish(&repaired);
		return -1;
	}
	buf_finish(buf);
	*buf = repaired;
	return 0;
}

int capture_conclude(struct capture *capture, const struct exec_request *request,
		     const struct exec_result *result, struct error *err)
{
	const struct notice notice = { request, result, capture->limit_bytes };
	bool has_memory = !capture->out.failed && !capture->err.failed;

	if (result->end == EXEC_END_TIMEOUT || result->end == EXEC_END_OUTPUT_LIMIT) {
		/* Part of an output looks like all of it: nothing is better. */
		buf_finish(&capture->out);
		buf_finish(&capture->err);
	}
	/* Also after the memory ran out (the sink then said "enough", which looks like the output
	 * limit): the agent must not be told a limit that was not reached. */
	if (!has_memory || repair(&capture->out) < 0 || repair(&capture->err) < 0 ||
	    notice_append(&capture->err, &notice) < 0)
		return error_set(err, ERROR_BUSY,
				 "The server has no memory for the output of this command. "
				 "Try again later, or print less.");
	return 0;
}
