/* SPDX-License-Identifier: MIT */
#include "transport/http/outbox.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct ends {
	struct wire wire;
	int peer;
};

static void open_ends(struct ends *ends)
{
	int pair[2], bytes = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	/* Small, so that what is sent is cut at odd places. */
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	ends->wire = (struct wire){ .fd = pair[0] };
	ends->peer = pair[1];
}

static void close_ends(struct ends *ends)
{
	wire_finish(&ends->wire);
	cleanup_fd(&ends->peer);
}

static void take(struct ends *ends, struct buf *received)
{
	char data[777];
	ssize_t bytes;

	while ((bytes = recv(ends->peer, data, sizeof(data), 0)) > 0)
		assert_int_equal(buf_append(received, data, (size_t)bytes), 0);
}

static void what_is_added_leaves_in_order_however_it_is_cut(void **state)
{
	struct budget *budget = budget_create(64 * MIB);
	struct outbox outbox = OUTBOX_INIT(budget);
	struct buf expected = BUF_INIT(8 * MIB), received = BUF_INIT(8 * MIB);
	unsigned random = 1;
	struct ends ends;
	ssize_t sent = 0;

	(void)state;
	open_ends(&ends);
	for (int i = 0; i < 2000; i++) {
		size_t bytes;
		char *piece;

		random = random * 1103515245U + 12345U;
		bytes = random >> 16;
		bytes = i % 50 == 0 ? bytes % 40000 : bytes % 700;
		piece = alloc_zeroed(bytes + 1);
		memset(piece, 'a' + i % 26, bytes);
		assert_int_equal(buf_append(&expected, piece, bytes), 0);
		if (i % 3 == 0) {
			outbox_add_taken(&outbox, piece, bytes);
		} else {
			outbox_add(&outbox, piece, bytes);
			free(piece);
		}
		if (i % 7 == 0)
			sent += outbox_send(&outbox, &ends.wire, 8 * MIB);
		assert_int_equal((size_t)sent + outbox.unsent_bytes, expected.length);
		if (i % 11 == 0)
			take(&ends, &received);
	}
	assert_true(budget_used(budget) >= outbox.unsent_bytes);
	while (outbox.unsent_bytes > 0) {
		assert_true(outbox_send(&outbox, &ends.wire, 8 * MIB) >= 0);
		take(&ends, &received);
	}
	take(&ends, &received);
	assert_int_equal(received.length, expected.length);
	assert_memory_equal(received.data, expected.data, expected.length);
	assert_null(outbox.first);
	assert_int_equal(budget_used(budget), 0);
	buf_finish(&expected);
	buf_finish(&received);
	budget_destroy(budget);
	close_ends(&ends);
}

static void what_was_not_sent_is_given_back(void **state)
{
	struct budget *budget = budget_create(1000);
	struct outbox outbox = OUTBOX_INIT(budget);

	(void)state;
	outbox_add(&outbox, "text", 4);
	outbox_add_taken(&outbox, alloc_string("more"), 4);
	outbox_add_taken(&outbox, alloc_zeroed(100000), 100000);
	/* It is there, so it counts, though there is no room. */
	assert_true(budget_used(budget) > 100000);
	outbox_finish(&outbox);
	assert_int_equal(outbox.unsent_bytes, 0);
	assert_int_equal(budget_used(budget), 0);
	budget_destroy(budget);
}

static void nothing_added_is_nothing_to_send(void **state)
{
	struct outbox outbox = OUTBOX_INIT(NULL);
	struct ends ends;

	(void)state;
	open_ends(&ends);
	outbox_add(&outbox, "", 0);
	outbox_add_taken(&outbox, alloc_string(""), 0);
	assert_null(outbox.first);
	assert_int_equal(outbox_send(&outbox, &ends.wire, 8 * MIB), 0);
	close_ends(&ends);
}

static void no_more_is_sent_than_may_be(void **state)
{
	struct outbox outbox = OUTBOX_INIT(NULL);
	struct buf received = BUF_INIT(MIB);
	struct ends ends;

	(void)state;
	open_ends(&ends);
	outbox_add(&outbox, "small", 5);
	outbox_add_taken(&outbox, alloc_zeroed(1000), 1000);
	outbox_add(&outbox, "end", 3);
	assert_int_equal(outbox_send(&outbox, &ends.wire, 4), 4);
	assert_int_equal(outbox_send(&outbox, &ends.wire, 1000), 1000);
	assert_int_equal(outbox.unsent_bytes, 4);
	assert_int_equal(outbox_send(&outbox, &ends.wire, 1000), 4);
	assert_null(outbox.first);
	take(&ends, &received);
	assert_int_equal(received.length, 1008);
	assert_memory_equal(received.data, "small", 5);
	assert_memory_equal(received.data + 1005, "end", 3);
	buf_finish(&received);
	close_ends(&ends);
}

static void a_peer_that_has_gone_is_noticed(void **state)
{
	struct outbox outbox = OUTBOX_INIT(NULL);
	struct ends ends;

	(void)state;
	open_ends(&ends);
	outbox_add(&outbox, "text", 4);
	assert_false(wire_is_dead(&ends.wire));
	assert_int_equal(shutdown(ends.peer, SHUT_WR), 0);
	assert_false(wire_is_dead(&ends.wire));
	cleanup_fd(&ends.peer);
	assert_true(wire_is_dead(&ends.wire));
	assert_int_equal(outbox_send(&outbox, &ends.wire, 8 * MIB), WIRE_BROKEN);
	outbox_finish(&outbox);
	close_ends(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_leaves_in_order_however_it_is_cut),
		cmocka_unit_test(what_was_not_sent_is_given_back),
		cmocka_unit_test(nothing_added_is_nothing_to_send),
		cmocka_unit_test(no_more_is_sent_than_may_be),
		cmocka_unit_test(a_peer_that_has_gone_is_noticed),
	};

	return cmocka_run_group_tests_name("transport-http_outbox", tests, NULL, NULL);
}
