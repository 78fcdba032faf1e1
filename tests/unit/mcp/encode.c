/* SPDX-License-Identifier: MIT */
#include "mcp/encode.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <string.h>

/* Every ASCII character, and some beyond. */
static void fill_all(char text[160], size_t *bytes)
{
	size_t i;

	for (i = 0; i < 128; i++)
		text[i] = (char)i;
	memcpy(text + 128, "\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80", 9);
	*bytes = 137;
}

/* Decodes the JSON text `"CONTENT"` with a parser that is not ours. */
static json_t *decode(const char *content, size_t bytes)
{
	struct buf quoted = BUF_INIT(65536);
	json_t *value;

	(void)buf_append_byte(&quoted, '"');
	(void)buf_append(&quoted, content, bytes);
	(void)buf_append_byte(&quoted, '"');
	value = json_loadb(quoted.data, quoted.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	buf_finish(&quoted);
	assert_true(json_is_string(value));
	return value;
}

static void encoded_text_decodes_to_itself(void **state)
{
	struct buf out = BUF_INIT(65536);
	char text[160];
	size_t bytes;
	json_t *value;

	(void)state;
	fill_all(text, &bytes);
	encode_text(&out, text, bytes, ENCODE_ONCE);
	assert_int_equal(out.length, encode_text_size(text, bytes, ENCODE_ONCE));
	value = decode(out.data, out.length);
	assert_int_equal(json_string_length(value), bytes);
	assert_memory_equal(json_string_value(value), text, bytes);
	json_decref(value);
	buf_finish(&out);
}

static void text_encoded_twice_is_the_encoding_of_its_encoding(void **state)
{
	struct buf once = BUF_INIT(65536), twice = BUF_INIT(65536), direct = BUF_INIT(65536);
	char text[160];
	size_t bytes;

	(void)state;
	fill_all(text, &bytes);
	encode_text(&once, text, bytes, ENCODE_ONCE);
	encode_text(&twice, once.data, once.length, ENCODE_ONCE);
	encode_text(&direct, text, bytes, ENCODE_TWICE);
	assert_int_equal(direct.length, twice.length);
	assert_memory_equal(direct.data, twice.data, twice.length);
	assert_int_equal(direct.length, encode_text_size(text, bytes, ENCODE_TWICE));
	buf_finish(&once);
	buf_finish(&twice);
	buf_finish(&direct);
}

static void a_full_buffer_fails_and_stays_within_its_bound(void **state)
{
	struct buf out = BUF_INIT(8);

	(void)state;
	encode_text(&out, "\n\n\n\n\n", 5, ENCODE_ONCE);
	assert_true(out.failed);
	assert_true(out.length <= 8);
	buf_finish(&out);
}

static void members_are_quoted(void **state)
{
	struct buf out = BUF_INIT(64);

	(void)state;
	encode_member(&out, "name", "say \"hi\"");
	assert_int_equal(buf_append_byte(&out, '\0'), 0);
	assert_string_equal(out.data, "\"name\":\"say \\\"hi\\\"\"");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_text_decodes_to_itself),
		cmocka_unit_test(text_encoded_twice_is_the_encoding_of_its_encoding),
		cmocka_unit_test(a_full_buffer_fails_and_stays_within_its_bound),
		cmocka_unit_test(members_are_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
