/* SPDX-License-Identifier: MIT */
#include "guest_wire/guest_wire.h"

#include "base/attr.h"
#include "guest_wire/request.h"

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

static const struct guest_wire_message samples[] = {
	{ .type = GUEST_WIRE_EXEC, .exec = { 100, 3, 2 } },
	{ .type = GUEST_WIRE_EXEC, .exec = { 100, 3, GUEST_WIRE_INHERIT } },
	{ .type = GUEST_WIRE_SHUTDOWN },
	{ .type = GUEST_WIRE_KILL },
	{ .type = GUEST_WIRE_STARTED },
	{ .type = GUEST_WIRE_EXITED,
	  .exited = { GUEST_WIRE_ENDED, 255, 0, 1, 2, 3, UINT64_MAX, GUEST_WIRE_DISK_FULL } },
	{ .type = GUEST_WIRE_EXITED,
	  .exited = { GUEST_WIRE_KILLED, 0, 9, 1, 2, 3, 4, GUEST_WIRE_DISK_NO_FILES } },
	{ .type = GUEST_WIRE_FAILED, .failed = { GUEST_WIRE_STEP_PROCESS, 11 } },
	{ .type = GUEST_WIRE_READY, .ready = { "0123456789abcdef0123456789abcde" } },
	{ .type = GUEST_WIRE_SAVE, .save = { 9, 5, 7, { 1, 2, 3, 4, 5, 6, 7, 8 } } },
	{ .type = GUEST_WIRE_SAVE, .save = { 1, 0, LIMIT_SAVED_BYTES, { 0 } } },
	{ .type = GUEST_WIRE_SAVED },
	{ .type = GUEST_WIRE_FAILED, .failed = { GUEST_WIRE_STEP_SAVE_FILE, 28 } },
};

static void a_message_survives_the_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		unsigned char packet[GUEST_WIRE_MAX_BYTES], again[GUEST_WIRE_MAX_BYTES];
		struct guest_wire_message decoded;
		size_t bytes = guest_wire_encode(packet, &samples[i]);

		assert_int_equal(guest_wire_decode(&decoded, packet, bytes), 0);
		assert_int_equal(decoded.type, samples[i].type);
		assert_int_equal(guest_wire_encode(again, &decoded), bytes);
		assert_memory_equal(packet, again, bytes);
	}
}

static void a_message_of_any_other_length_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		unsigned char packet[2 * GUEST_WIRE_MAX_BYTES] = { 0 };
		struct guest_wire_message decoded;
		size_t right = guest_wire_encode(packet, &samples[i]);

		for (size_t bytes = 0; bytes <= sizeof(packet); bytes++)
			assert_int_equal(guest_wire_decode(&decoded, packet, bytes),
					 bytes == right ? 0 : -1);
		/* A length in the header that differs from the packet's. */
		packet[4]++;
		assert_int_equal(guest_wire_decode(&decoded, packet, right), -1);
	}
}

static void unknown_and_reserved_types_are_refused(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 256; type++) {
		unsigned char packet[GUEST_WIRE_HEADER_BYTES] = { (unsigned char)type };
		struct guest_wire_message decoded;
		bool is_known = type == GUEST_WIRE_SHUTDOWN || type == GUEST_WIRE_KILL ||
				type == GUEST_WIRE_STARTED || type == GUEST_WIRE_SAVED;

		assert_int_equal(guest_wire_decode(&decoded, packet, sizeof(packet)),
				 is_known ? 0 : -1);
	}
}

/* Encodes `sample` and writes `value` over the 32 bits at `offset` of its body. */
static int decode_changed(const struct guest_wire_message *sample, size_t offset, uint32_t value)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_message decoded;
	size_t bytes = guest_wire_encode(packet, sample);

	for (size_t i = 0; i < 4; i++)
		packet[GUEST_WIRE_HEADER_BYTES + offset + i] = (unsigned char)(value >> (8 * i));
	return guest_wire_decode(&decoded, packet, bytes);
}

static void values_out_of_range_are_refused(void **state)
{
	const struct guest_wire_message *exec = &samples[0];
	const struct guest_wire_message *exited = &samples[5];
	const struct guest_wire_message *failed = &samples[7];

	(void)state;
	assert_int_equal(decode_changed(exec, 0, 0), -1);
	assert_int_equal(decode_changed(exec, 0, GUEST_REQUEST_MAX_BYTES), 0);
	assert_int_equal(decode_changed(exec, 0, GUEST_REQUEST_MAX_BYTES + 1), -1);
	assert_int_equal(decode_changed(exec, 4, 0), -1);
	assert_int_equal(decode_changed(exec, 4, GUEST_REQUEST_MAX_STRINGS - 2), 0);
	assert_int_equal(decode_changed(exec, 4, GUEST_REQUEST_MAX_STRINGS - 1), -1);
	assert_int_equal(decode_changed(exec, 4, UINT32_MAX), -1);
	assert_int_equal(decode_changed(exec, 8, UINT32_MAX - 1), -1);
	assert_int_equal(decode_changed(exited, 0, 0), -1);
	assert_int_equal(decode_changed(exited, 0, 3), -1);
	assert_int_equal(decode_changed(exited, 4, 256), -1);
	assert_int_equal(decode_changed(exited, 8, 9), -1);
	assert_int_equal(decode_changed(&samples[6], 8, 65), -1);
	assert_int_equal(decode_changed(exited, 44, GUEST_WIRE_DISK_NO_FILES), 0);
	assert_int_equal(decode_changed(exited, 44, 3), -1);
	assert_int_equal(decode_changed(exited, 44, UINT32_MAX), -1);
	/* Nobody looks at the disk after success. */
	assert_int_equal(decode_changed(exited, 4, 0), -1);
	assert_int_equal(decode_changed(failed, 0, 0), -1);
	assert_int_equal(decode_changed(failed, 0, GUEST_WIRE_STEP_SAVE_FILE + 1), -1);
	assert_int_equal(decode_changed(failed, 4, 0), -1);
	assert_int_equal(decode_changed(failed, 4, 4096), -1);
}

static void a_save_of_nothing_of_too_much_or_out_of_order_is_refused(void **state)
{
	const struct guest_wire_message *save = &samples[9];
	const struct guest_wire_message *first = &samples[10];

	(void)state;
	assert_int_equal(decode_changed(first, 0, 0), -1);
	assert_int_equal(decode_changed(first, 8, 0), -1);
	assert_int_equal(decode_changed(first, 4, 1), -1);
	assert_int_equal(decode_changed(save, 4, LIMIT_SAVED_BYTES - 7), 0);
	assert_int_equal(decode_changed(save, 4, LIMIT_SAVED_BYTES - 6), -1);
	assert_int_equal(decode_changed(save, 4, UINT32_MAX), -1);
	/* What is removed is older than what comes. */
	assert_int_equal(decode_changed(save, 0, 8), -1);
	assert_int_equal(decode_changed(save, 40, 9), -1);
	assert_int_equal(decode_changed(save, 40, 0), 0);
}

static void a_refused_message_leaves_the_result_alone(void **state)
{
	struct guest_wire_message message = { .type = GUEST_WIRE_KILL };

	(void)state;
	assert_int_equal(guest_wire_decode(&message, "nonsense", 8), -1);
	assert_int_equal(message.type, GUEST_WIRE_KILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_survives_the_wire),
		cmocka_unit_test(a_message_of_any_other_length_is_refused),
		cmocka_unit_test(unknown_and_reserved_types_are_refused),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(a_save_of_nothing_of_too_much_or_out_of_order_is_refused),
		cmocka_unit_test(a_refused_message_leaves_the_result_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
