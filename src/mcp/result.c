/* SPDX-License-Identifier: MIT */
#include "mcp/result.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "exec/notice.h"
#include "mcp/encode.h"
#include "mcp/jsonrpc.h"

#include <inttypes.h>
#include <string.h>

#define LOG_ID_BYTES 4

void result_append_server_info(struct buf *out)
{
	(void)buf_append_byte(out, '{');
	encode_member(out, "name", "Kilntainers");
	(void)buf_append_byte(out, ',');
	encode_member(out, "version", KILNTAINERS_VERSION);
	(void)buf_append_byte(out, '}');
}

void result_open(struct buf *out, const struct result_frame *frame)
{
	jsonrpc_result_open(out, frame->id);
}

void result_close(struct buf *out, const struct result_frame *frame)
{
	if (frame->version >= MCP_2026_07_28) {
		(void)buf_append_string(out, ",\"resultType\":\"complete\",\"_meta\":{\"" //
					MCP_META_SERVER_INFO "\":");
		result_append_server_info(out);
		(void)buf_append_byte(out, '}');
	}
	jsonrpc_result_close(out);
}

/* What the agent gets, whatever it is framed in. */
struct answer {
	const char *handle; /* "" for none */
	const char *out, *err;
	size_t out_bytes, err_bytes;
	int exit_code;
	uint64_t duration_ms;
	const char *ended_by; /* NULL: revisions that do not have it */
};

static void append_key(struct buf *out, const char *name, enum encode_level level)
{
	const char *quote = level == ENCODE_ONCE ? "\"" : "\\\"";

	(void)buf_printf(out, "%s%s%s:", quote, name, quote);
}

static void append_text(struct buf *out, const char *name, const char *text, size_t bytes,
			enum encode_level level)
{
	const char *quote = level == ENCODE_ONCE ? "\"" : "\\\"";

	append_key(out, name, level);
	(void)buf_append_string(out, quote);
	encode_text(out, text, bytes, level);
	(void)buf_append_string(out, quote);
}

static void append_object(struct buf *out, const struct answer *answer, enum encode_level level)
{
	(void)buf_append_byte(out, '{');
	if (answer->handle[0]) {
		append_text(out, "sandbox_id", answer->handle, strlen(answer->handle), level);
		(void)buf_append_byte(out, ',');
	}
	append_text(out, "stdout", answer->out, answer->out_bytes, level);
	(void)buf_append_byte(out, ',');
	append_text(out, "stderr", answer->err, answer->err_bytes, level);
	(void)buf_append_byte(out, ',');
	append_key(out, "exit_code", level);
	(void)buf_printf(out, "%d,", answer->exit_code);
	append_key(out, "exec_duration_ms", level);
	(void)buf_printf(out, "%" PRIu64, answer->duration_ms);
	if (answer->ended_by) {
		(void)buf_append_byte(out, ',');
		append_text(out, "ended_by", answer->ended_by, strlen(answer->ended_by), level);
	}
	(void)buf_append_byte(out, '}');
}

static bool has_structured_content(const struct result_frame *frame)
{
	return frame->version >= MCP_2025_06_18;
}

static void append_answer(struct buf *out, const struct result_frame *frame,
			  const struct answer *answer)
{
	result_open(out, frame);
	(void)buf_append_string(out, "\"content\":[{\"type\":\"text\",\"text\":\"");
	append_object(out, answer, ENCODE_TWICE);
	(void)buf_append_string(out, "\"}]");
	if (has_structured_content(frame)) {
		(void)buf_append_string(out, ",\"structuredContent\":");
		append_object(out, answer, ENCODE_ONCE);
	}
	(void)buf_append_string(out, ",\"isError\":false");
	result_close(out, frame);
}

static size_t stream_size(const struct result_frame *frame, const char *text, size_t bytes)
{
	size_t size = encode_text_size(text, bytes, ENCODE_TWICE);

	if (has_structured_content(frame))
		size += encode_text_size(text, bytes, ENCODE_ONCE);
	return size;
}

/* The exact size of the message, without making it. */
static size_t message_size(const struct result_frame *frame, const struct answer *answer)
{
	struct buf empty = BUF_INIT(LIMIT_REPLY_BYTES);
	struct answer bare = *answer;
	size_t size;

	bare.out_bytes = bare.err_bytes = 0;
	append_answer(&empty, frame, &bare);
	size = empty.length;
	buf_finish(&empty);
	return size + stream_size(frame, answer->out, answer->out_bytes) +
	       stream_size(frame, answer->err, answer->err_bytes);
}

/* One allocation of the right size instead of doublings up to it. */
static void append_sized(struct buf *out, const struct result_frame *frame,
			 const struct answer *answer, size_t size)
{
	(void)buf_reserve(out, size);
	append_answer(out, frame, answer);
}

/* Instead of an output of which the answer would have `size` bytes. What was to be said of the
 * command is said all the same. */
static void append_too_large(struct buf *out, const struct result_frame *frame,
			     const struct answer *whole, size_t size,
			     const struct call_outcome *outcome)
{
	const struct capture *capture = outcome->capture;
	size_t more_bytes = capture->err.length - capture->notices_at;
	const char *more = more_bytes > 0 ? capture->err.data + capture->notices_at : "";
	struct buf text = BUF_INIT(LIMIT_REPLY_BYTES);
	struct answer answer = *whole;

	(void)buf_printf(&text,
			 "[kilntainers: output too large to send (%zu bytes encoded, limit %zu). "
			 "No output returned. Re-run with head, tail, or grep to manage output "
			 "size.]",
			 size, frame->max_bytes);
	(void)notice_append_saved(&text, "complete output", outcome->saved);
	if (more_bytes > 0 && more[0] != '\n')
		(void)buf_append_byte(&text, '\n');
	(void)buf_append(&text, more, more_bytes);
	answer.out_bytes = 0;
	answer.err = text.data;
	answer.err_bytes = text.length;
	append_sized(out, frame, &answer, message_size(frame, &answer));
	buf_finish(&text);
}

enum call_encoding result_encode_outcome(struct buf *out, const struct result_frame *frame,
					 const struct call_outcome *outcome)
{
	struct answer answer = { .handle = outcome->handle };
	size_t size;

	if (outcome->error.kind != ERROR_NONE) {
		result_encode_error(out, frame, &outcome->error);
		return CALL_ENCODED;
	}
	answer.out = outcome->capture->out.data;
	answer.out_bytes = outcome->capture->out.length;
	answer.err = outcome->capture->err.data;
	answer.err_bytes = outcome->capture->err.length;
	answer.exit_code = exec_result_exit_code(&outcome->result);
	answer.duration_ms = outcome->result.duration_us / 1000;
	if (frame->version >= MCP_2026_07_28)
		answer.ended_by = exec_result_ended_by(&outcome->result);
	size = message_size(frame, &answer);
	if (size <= frame->max_bytes)
		append_sized(out, frame, &answer, size);
	else if (!outcome->saved)
		return CALL_TOO_LARGE;
	else
		append_too_large(out, frame, &answer, size, outcome);
	return CALL_ENCODED;
}

static void encode_tool_error(struct buf *out, const struct result_frame *frame, const char *text)
{
	/* Sentences quote foreign text, and are cut at a byte, not at a character. */
	struct buf repaired = BUF_INIT(4UL * ERROR_MESSAGE_BYTES);

	(void)utf8_repair(&repaired, text, strlen(text));
	result_open(out, frame);
	(void)buf_append_string(out, "\"content\":[{\"type\":\"text\",\"text\":\"");
	encode_text(out, repaired.data, repaired.length, ENCODE_ONCE);
	(void)buf_append_string(out, "\"}],\"isError\":true");
	result_close(out, frame);
	buf_finish(&repaired);
}

/* The sentence stays in the log: it may speak of our insides. The client gets what finds it. */
static void encode_internal_error(struct buf *out, const struct result_frame *frame,
				  const struct error *error)
{
	char log_id[2 * LOG_ID_BYTES + 1];
	char text[64];

	random_hex(log_id, LOG_ID_BYTES);
	log_event(LOG_ERROR, "internal_error", LOG_STRING("id", log_id),
		  LOG_STRING("message", error->message));
	(void)snprintf(text, sizeof(text), "Internal error; see %s in the server's log.", log_id);
	jsonrpc_error(out, frame->id, JSONRPC_INTERNAL_ERROR, text, NULL);
}

void result_encode_error(struct buf *out, const struct result_frame *frame,
			 const struct error *error)
{
	switch (error->kind) {
	case ERROR_USAGE:
	case ERROR_CONFIG:
	case ERROR_UNAVAILABLE:
	case ERROR_BUSY:
	case ERROR_QUOTA:
	case ERROR_LOST:
	case ERROR_INVALID:
		encode_tool_error(out, frame, error->message);
		break;
	case ERROR_NONE:
	case ERROR_PROTOCOL:
	case ERROR_INTERNAL:
		encode_internal_error(out, frame, error);
		break;
	case ERROR_CANCELLED:
		break;
	}
}
