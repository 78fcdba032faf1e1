/* SPDX-License-Identifier: MIT */
#include "base/escape.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/utf8.h"

#include "tests/unit/unit.h"

#include <string.h>

static void assert_escaped(const char *text, size_t bytes, size_t max_bytes,
			   enum escape_style style, const char *expected)
{
	struct buf out = BUF_INIT(1024);

	assert_int_equal(escape_append(&out, text, bytes, max_bytes, style), 0);
	assert_int_equal(out.length, strlen(expected));
	assert_memory_equal(out.data, expected, out.length);
	buf_finish(&out);
}

static void control_and_bidi_characters_are_shown_not_obeyed(void **state)
{
	(void)state;
	assert_escaped("a\nb\x1b[31m", 8, 100, ESCAPE_TEXT, "a\\u000ab\\u001b[31m");
	assert_escaped("x\xE2\x80\xAEy", 5, 100, ESCAPE_TEXT, "x\\u202ey");
	assert_escaped("\xC2\x85", 2, 100, ESCAPE_TEXT, "\\u0085");
	assert_escaped("\xE2\x80\xA8", 3, 100, ESCAPE_TEXT, "\\u2028");
	assert_escaped("\0", 1, 100, ESCAPE_TEXT, "\\u0000");
	assert_escaped("caf\xC3\xA9", 5, 100, ESCAPE_TEXT, "caf\xC3\xA9");
}

static void quotes_are_escaped_only_where_they_end_a_string(void **state)
{
	(void)state;
	assert_escaped("a\"b\\c", 5, 100, ESCAPE_TEXT, "a\"b\\c");
	assert_escaped("a\"b\\c", 5, 100, ESCAPE_JSON, "a\\\"b\\\\c");
}

static void long_text_is_cut_with_a_mark(void **state)
{
	(void)state;
	assert_escaped("abcdef", 6, 3, ESCAPE_TEXT, "abc...");
}

static void assert_repaired(const char *text, size_t bytes, const char *expected)
{
	struct buf out = BUF_INIT(1024);

	assert_int_equal(utf8_repair(&out, text, bytes), 0);
	assert_int_equal(out.length, strlen(expected));
	assert_memory_equal(out.data, expected, out.length);
	buf_finish(&out);
}

static void each_broken_part_becomes_one_replacement(void **state)
{
	(void)state;
	assert_repaired("ok", 2, "ok");
	assert_repaired("a\xFFz", 3, "a\xEF\xBF\xBDz");
	assert_repaired("\xE1\x80", 2, "\xEF\xBF\xBD");
	assert_repaired("\xF0\x80\x80\x80", 4, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_repaired("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_repaired("\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80");
}

static void validity_agrees_with_repair(void **state)
{
	(void)state;
	assert_true(utf8_is_valid("plain", 5));
	assert_true(utf8_is_valid("\xF4\x8F\xBF\xBF", 4));
	assert_false(utf8_is_valid("\xF4\x90\x80\x80", 4));
	assert_false(utf8_is_valid("abc\xC3", 4));
	assert_false(utf8_is_valid("\xC0\x80", 2));
}

static void the_hash_is_sha_256(void **state)
{
	char text[HASH_HEX_BYTES];

	(void)state;
	/* FIPS 180-4's example */
	hash_hex(text, "abc", 3);
	assert_string_equal(text,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(hash_equal("same", "same", 4));
	assert_false(hash_equal("same", "sam3", 4));
}

static void assert_hmac(const void *key, size_t key_bytes, const void *data, size_t bytes,
			const char *expected)
{
	unsigned char code[HASH_BYTES];
	char text[HASH_HEX_BYTES];

	hash_hmac(code, key, key_bytes, data, bytes);
	hex_encode(text, code, sizeof(code));
	assert_string_equal(text, expected);
}

/* RFC 4231, cases 1 to 4, 6 and 7. */
static void the_code_is_hmac_by_sha_256(void **state)
{
	unsigned char key[131];
	unsigned char data[50];
	const char *text;

	(void)state;
	memset(key, 0x0b, 20);
	assert_hmac(key, 20, "Hi There", 8,
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	text = "what do ya want for nothing?";
	assert_hmac("Jefe", 4, text, strlen(text),
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	assert_hmac(key, 20, data, sizeof(data),
		    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	text = "Test Using Larger Than Block-Size Key - Hash Key First";
	assert_hmac(key, 131, text, strlen(text),
		    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	text = "This is a test using a larger than block-size key and a larger than block-size "
	       "data. The key needs to be hashed before being used by the HMAC algorithm.";
	assert_hmac(key, 131, text, strlen(text),
		    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	for (unsigned char i = 0; i < 25; i++)
		key[i] = i + 1;
	memset(data, 0xcd, sizeof(data));
	assert_hmac(key, 25, data, sizeof(data),
		    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_and_bidi_characters_are_shown_not_obeyed),
		cmocka_unit_test(quotes_are_escaped_only_where_they_end_a_string),
		cmocka_unit_test(long_text_is_cut_with_a_mark),
		cmocka_unit_test(each_broken_part_becomes_one_replacement),
		cmocka_unit_test(validity_agrees_with_repair),
		cmocka_unit_test(the_hash_is_sha_256),
		cmocka_unit_test(the_code_is_hmac_by_sha_256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
