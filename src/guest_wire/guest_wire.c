/* SPDX-License-Identifier: MIT */
#include "guest_wire/guest_wire.h"

#include "base/attr.h"
#include "guest_wire/request.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define SAVE_BYTES (12 + 4 * LIMIT_SAVED_PAIRS)
static_assert(SAVE_BYTES <= GUEST_WIRE_MAX_BODY_BYTES, "the longest body");

/* Reads or writes one body, field by field: each format is stated once, for both directions. */
struct cursor {
	unsigned char *at;
	bool is_writing;
};

static void pass_bytes(struct cursor *cursor, void *value, size_t bytes)
{
	if (cursor->is_writing)
		memcpy(cursor->at, value, bytes);
	else
		memcpy(value, cursor->at, bytes);
	cursor->at += bytes;
}

static void pass_number(struct cursor *cursor, uint64_t *value, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (cursor->is_writing)
			cursor->at[i] = (unsigned char)(*value >> (8 * i));
		else
			sum |= (uint64_t)cursor->at[i] << (8 * i);
	}
	if (!cursor->is_writing)
		*value = sum;
	cursor->at += bytes;
}

static void pass_u32(struct cursor *cursor, uint32_t *value)
{
	uint64_t wide = *value;

	pass_number(cursor, &wide, 4);
	*value = (uint32_t)wide;
}

static void pass_exec(struct cursor *cursor, struct guest_wire_message *message)
{
	pass_u32(cursor, &message->exec.request_bytes);
	pass_u32(cursor, &message->exec.argument_count);
	pass_u32(cursor, &message->exec.environment_count);
}

static bool is_valid_exec(const struct guest_wire_message *message)
{
	const struct guest_wire_exec *exec = &message->exec;
	uint32_t environment =
		exec->environment_count == GUEST_WIRE_INHERIT ? 0 : exec->environment_count;

	return exec->request_bytes > 0 && exec->request_bytes <= GUEST_REQUEST_MAX_BYTES &&
	       exec->argument_count > 0 && exec->argument_count <= GUEST_REQUEST_MAX_STRINGS &&
	       environment <= GUEST_REQUEST_MAX_STRINGS - exec->argument_count;
}

static void pass_save(struct cursor *cursor, struct guest_wire_message *message)
{
	pass_u32(cursor, &message->save.number);
	pass_u32(cursor, &message->save.stdout_bytes);
	pass_u32(cursor, &message->save.stderr_bytes);
	for (size_t i = 0; i < LIMIT_SAVED_PAIRS; i++)
		pass_u32(cursor, &message->save.removed[i]);
}

static bool is_valid_save(const struct guest_wire_message *message)
{
	const struct guest_wire_save *save = &message->save;
	uint64_t bytes = (uint64_t)save->stdout_bytes + save->stderr_bytes;

	for (size_t i = 0; i < LIMIT_SAVED_PAIRS; i++) {
		if (save->removed[i] >= save->number)
			return false;
	}
	return bytes > 0 && bytes <= LIMIT_SAVED_BYTES;
}

static void pass_exited(struct cursor *cursor, struct guest_wire_message *message)
{
	uint32_t reason = message->exited.reason;
	uint32_t disk = message->exited.disk;

	pass_u32(cursor, &reason);
	message->exited.reason = reason;
	pass_u32(cursor, &message->exited.exit_code);
	pass_u32(cursor, &message->exited.signal);
	pass_number(cursor, &message->exited.user_us, 8);
	pass_number(cursor, &message->exited.system_us, 8);
	pass_number(cursor, &message->exited.max_rss_kib, 8);
	pass_number(cursor, &message->exited.duration_us, 8);
	pass_u32(cursor, &disk);
	message->exited.disk = disk;
}

static bool is_valid_exited(const struct guest_wire_message *message)
{
	const struct guest_wire_exited *exited = &message->exited;
	bool has_failed = exited->exit_code != 0 || exited->signal != 0;

	return (exited->reason == GUEST_WIRE_ENDED || exited->reason == GUEST_WIRE_KILLED) &&
	       exited->exit_code <= 255 && exited->signal <= 64 &&
	       (exited->signal == 0 || exited->exit_code == 0) &&
	       exited->disk <= GUEST_WIRE_DISK_NO_FILES &&
	       (has_failed || exited->disk == GUEST_WIRE_DISK_HAS_ROOM);
}

static void pass_failed(struct cursor *cursor, struct guest_wire_message *message)
{
	uint32_t step = message->failed.step;

	pass_u32(cursor, &step);
	message->failed.step = step;
	pass_u32(cursor, &message->failed.errno_value);
}

static bool is_valid_failed(const struct guest_wire_message *message)
{
	/* 4095 is the kernel's MAX_ERRNO. */
	return message->failed.step >= GUEST_WIRE_STEP_DIRECTORY &&
	       message->failed.step <= GUEST_WIRE_STEP_SAVE_FILE &&
	       message->failed.errno_value > 0 && message->failed.errno_value <= 4095;
}

static void pass_ready(struct cursor *cursor, struct guest_wire_message *message)
{
	pass_bytes(cursor, message->ready.build_id, sizeof(message->ready.build_id));
}

static void pass_nothing(struct cursor *cursor, struct guest_wire_message *message)
{
	(void)cursor;
	(void)message;
}

static bool is_always_valid(const struct guest_wire_message *message)
{
	(void)message;
	return true;
}

struct format {
	enum guest_wire_type type;
	uint32_t body_bytes;
	void (*pass)(struct cursor *cursor, struct guest_wire_message *message);
	bool (*is_valid)(const struct guest_wire_message *message);
};

static const struct format formats[] = {
	{ GUEST_WIRE_EXEC, 12, pass_exec, is_valid_exec },
	{ GUEST_WIRE_SAVE, SAVE_BYTES, pass_save, is_valid_save },
	{ GUEST_WIRE_SHUTDOWN, 0, pass_nothing, is_always_valid },
	{ GUEST_WIRE_KILL, 0, pass_nothing, is_always_valid },
	{ GUEST_WIRE_STARTED, 0, pass_nothing, is_always_valid },
	{ GUEST_WIRE_EXITED, 48, pass_exited, is_valid_exited },
	{ GUEST_WIRE_FAILED, 8, pass_failed, is_valid_failed },
	{ GUEST_WIRE_SAVED, 0, pass_nothing, is_always_valid },
	{ GUEST_WIRE_READY, GUEST_WIRE_BUILD_ID_BYTES, pass_ready, is_always_valid },
};

static const struct format *find_format(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
		if (formats[i].type == type)
			return &formats[i];
	}
	return NULL;
}

size_t guest_wire_encode(unsigned char packet[GUEST_WIRE_MAX_BYTES],
			 const struct guest_wire_message *message)
{
	const struct format *format = find_format(message->type);
	struct guest_wire_message copy = *message;
	struct cursor cursor = { packet, true };
	uint32_t type = message->type;
	uint32_t body_bytes;

	assert(format && format->is_valid(message));
	body_bytes = format->body_bytes;
	pass_u32(&cursor, &type);
	pass_u32(&cursor, &body_bytes);
	format->pass(&cursor, &copy);
	assert((size_t)(cursor.at - packet) == GUEST_WIRE_HEADER_BYTES + body_bytes);
	return GUEST_WIRE_HEADER_BYTES + body_bytes;
}

int guest_wire_decode(struct guest_wire_message *message, const void *packet, size_t bytes)
{
	unsigned char copy[GUEST_WIRE_MAX_BYTES];
	struct cursor cursor = { copy, false };
	struct guest_wire_message decoded = { 0 };
	const struct format *format;
	uint32_t type = 0, body_bytes = 0;

	if (bytes < GUEST_WIRE_HEADER_BYTES || bytes > sizeof(copy))
		return -1;
	memcpy(copy, packet, bytes);
	pass_u32(&cursor, &type);
	pass_u32(&cursor, &body_bytes);
	format = find_format(type);
	if (!format || body_bytes != format->body_bytes ||
	    bytes != GUEST_WIRE_HEADER_BYTES + body_bytes)
		return -1;
	decoded.type = format->type;
	format->pass(&cursor, &decoded);
	if (!format->is_valid(&decoded))
		return -1;
	*message = decoded;
	return 0;
}
