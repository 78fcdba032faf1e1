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
	uint64_t room = capture->limit_bytes - capture->kept_bytes;
	size_t kept = bytes < room ? bytes : (size_t)room;

	if (buf_append(stream == EXEC_STDOUT ? &capture->out : &capture->err, data, kept) < 0)
		return -1;
	capture->printed_bytes[stream] += kept;
	capture->kept_bytes += kept;
	return kept < bytes ? -1 : 0;
}

void capture_init(struct capture *capture, uint64_t limit_bytes)
{
	size_t max_bytes = (size_t)limit_bytes * REPAIR_FACTOR + NOTICE_BYTES;

	*capture = (struct capture){ .sink = { keep_output }, .limit_bytes = limit_bytes };
	buf_init(&capture->out, max_bytes);
	buf_init(&capture->err, max_bytes);
}

void capture_set_budget(struct capture *capture, struct budget *budget)
{
	buf_set_budget(&capture->out, budget);
	buf_set_budget(&capture->err, budget);
}

void capture_finish(struct capture *capture)
{
	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++)
		buf_finish(&capture->raw[stream]);
	buf_finish(&capture->out);
	buf_finish(&capture->err);
}

static struct buf *text_of(struct capture *capture, enum exec_stream stream)
{
	return stream == EXEC_STDOUT ? &capture->out : &capture->err;
}

static int repair(struct capture *capture, enum exec_stream stream)
{
	struct buf *text = text_of(capture, stream);
	struct buf repaired = BUF_INIT(text->max);

	if (utf8_is_valid(text->data, text->length))
		return 0;
	buf_set_budget(&repaired, text->budget);
	if (utf8_repair(&repaired, text->data, text->length) < 0) {
		buf_finish(&repaired);
		return -1;
	}
	capture->raw[stream] = *text;
	*text = repaired;
	return 0;
}

struct exec_output capture_output(const struct capture *capture)
{
	const char *const texts[] = {
		[EXEC_STDOUT] = capture->out.data, [EXEC_STDERR] = capture->err.data
	};
	struct exec_output output = { { NULL, NULL }, { 0, 0 } };

	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		output.data[stream] =
			capture->raw[stream].data ? capture->raw[stream].data : texts[stream];
		output.bytes[stream] = capture->printed_bytes[stream];
	}
	return output;
}

bool capture_has_failed(const struct capture *capture)
{
	return capture->out.failed || capture->err.failed;
}

bool capture_is_withheld(const struct exec_result *result)
{
	return result->end == EXEC_END_TIMEOUT || result->end == EXEC_END_OUTPUT_LIMIT;
}

static void withhold(struct capture *capture)
{
	for (int stream = EXEC_STDOUT; stream <= EXEC_STDERR; stream++) {
		buf_finish(text_of(capture, (enum exec_stream)stream));
		capture->printed_bytes[stream] = 0;
	}
}

static int set_no_memory(struct error *err)
{
	return error_set(err, ERROR_BUSY,
			 "Server is busy: it has no memory left for the output of this command, "
			 "which was run, and killed if it had not ended. Try again later, or "
			 "print less.");
}

int capture_conclude(struct capture *capture, const struct exec_request *request,
		     const struct exec_result *result, const struct exec_saved *saved,
		     struct error *err)
{
	const struct notice notice = { request, result, capture->limit_bytes, saved };
	bool has_memory = !capture_has_failed(capture);

	/* Part of an output looks like all of it: nothing is better. */
	if (capture_is_withheld(result))
		withhold(capture);
	/* Also after the memory ran out (the sink then said "enough", which looks like the output
	 * limit): the agent must not be told a limit that was not reached. */
	if (!has_memory || repair(capture, EXEC_STDOUT) < 0 || repair(capture, EXEC_STDERR) < 0)
		return set_no_memory(err);
	capture->notices_at = capture->err.length;
	return notice_append(&capture->err, &notice) < 0 ? set_no_memory(err) : 0;
}
