/* SPDX-License-Identifier: MIT */
#include "transport/http/auth.h"

#include "base/attr.h"
#include "base/buf.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADA "0123456789abcdef"
#define BOB "fedcba9876543210"
#define EVE "~!@#$%^&*()_+-={"
#define SIXTY_FOUR "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"

static struct tokens *parse(const char *text, const char *variable, struct error *err)
{
	return tokens_parse("tokens", text, strlen(text), variable, err);
}

/* Who "Bearer TOKEN" is: "NAME", "NAME!" for an operator, "-" for nobody. */
static void assert_holder(const struct tokens *tokens, const char *token, const char *expected)
{
	const struct token_holder *holder = NULL;
	char authorization[256];
	char told[128] = "-";

	(void)snprintf(authorization, sizeof(authorization), "Bearer %s", token);
	if (tokens_judge(tokens, authorization, &holder) == TOKEN_KNOWN)
		(void)snprintf(told, sizeof(told), "%s%s", holder->name,
			       holder->is_operator ? "!" : "");
	assert_string_equal(told, expected);
}

static void a_file_names_the_holders_of_tokens(void **state)
{
	static const char text[] = "# who may\n"
				   "\n"
				   "ada " ADA "\r\n"
				   "   # not this one\n"
				   "\t bob.1_2-3 \t " BOB "  operator \n" SIXTY_FOUR " " EVE;
	struct tokens *tokens = parse(text, NULL, NULL);

	(void)state;
	assert_non_null(tokens);
	assert_int_equal(tokens_count(tokens), 3);
	assert_holder(tokens, ADA, "ada");
	assert_holder(tokens, BOB, "bob.1_2-3!");
	assert_holder(tokens, EVE, SIXTY_FOUR);
	assert_holder(tokens, "0123456789abcdeF", "-");
	assert_holder(tokens, ADA "0", "-");
	assert_holder(tokens, "0123456789abcde", "-");
	tokens_destroy(tokens);
}

static void what_is_wrong_with_a_file_is_told_without_what_it_holds(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "tokens holds no token" },
		{ "# only this\n\n", "tokens holds no token" },
		{ ADA "\n", "tokens, line 1: a line is NAME TOKEN" },
		{ "ada " ADA " operator x\n", "line 1: a line is NAME TOKEN" },
		{ "ada " ADA "\nbob " BOB " Operator\n", "line 2: what follows the token" },
		{ "bob " BOB " " ADA "\n", "line 1: what follows the token" },
		{ "b\303\266b " BOB "\n", "line 1: a name is 1 to 64 characters" },
		{ "a/b " BOB "\n", "line 1: a name is 1 to 64 characters" },
		{ SIXTY_FOUR "h " BOB "\n", "line 1: a name is 1 to 64 characters" },
		{ "\357\273\277ada " ADA "\n", "line 1: a name is 1 to 64 characters" },
		{ "ada 0123456789abcde\n", "line 1: the token is shorter than 16" },
		{ "ada 0123456789abcde\xff\n", "line 1: the token may hold only visible" },
		{ "ada 0123456789abcde\x7f\n", "line 1: the token may hold only visible" },
		{ "ada " ADA "\n# x\nada " BOB "\n", "line 3: the name stands in line 1 already" },
		{ "ada " ADA "\nbob " ADA "\n", "line 2: the token stands in line 1 already" },
		{ "default " ADA "\n", "line 1: the name is that of KILNTAINERS_AUTH_TOKEN" },
		{ "ada THIS-IS-THE-VARIABLE\n", "line 1: the token is that of KILNTAINERS_AUTH" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct error err = ERROR_INIT;

		assert_null(parse(rows[i].text, "THIS-IS-THE-VARIABLE", &err));
		assert_int_equal(err.kind, ERROR_CONFIG);
		if (!strstr(err.message, rows[i].error))
			fail_msg("row %zu: %s", i, err.message);
		assert_null(strstr(err.message, "0123456789"));
		assert_null(strstr(err.message, BOB));
		assert_null(strstr(err.message, "THIS-IS"));
	}
}

static void a_nul_is_no_part_of_a_name_or_token(void **state)
{
	static const char in_name[] = "a\0b " ADA "\n";
	static const char in_token[] = "ada 0123456789abcdef\0ef\n";
	struct error err = ERROR_INIT;

	(void)state;
	assert_null(tokens_parse("tokens", in_name, sizeof(in_name) - 1, NULL, &err));
	assert_non_null(strstr(err.message, "a name is"));
	assert_null(tokens_parse("tokens", in_token, sizeof(in_token) - 1, NULL, &err));
	assert_non_null(strstr(err.message, "visible"));
}

static void a_token_has_a_greatest_length(void **state)
{
	char text[LIMIT_TOKEN_MAX_BYTES + 16];
	struct error err = ERROR_INIT;
	struct tokens *tokens;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "ada ", 4);
	tokens = tokens_parse("tokens", text, 4 + LIMIT_TOKEN_MAX_BYTES, NULL, &err);
	assert_non_null(tokens);
	tokens_destroy(tokens);
	assert_null(tokens_parse("tokens", text, 5 + LIMIT_TOKEN_MAX_BYTES, NULL, &err));
	assert_non_null(strstr(err.message, "longer than 1024"));
}

static void as_many_tokens_as_allowed_are_told_apart(void **state)
{
	struct buf text = BUF_INIT(LIMIT_TOKEN_FILE_BYTES);
	struct error err = ERROR_INIT;
	struct tokens *tokens;
	int i;

	(void)state;
	for (i = 0; i < LIMIT_TOKENS; i++)
		assert_int_equal(buf_printf(&text, "agent-%d token-of-an-agent-%d\n", i, i), 0);
	tokens = tokens_parse("tokens", text.data, text.length, NULL, &err);
	assert_non_null(tokens);
	assert_int_equal(tokens_count(tokens), LIMIT_TOKENS);
	assert_holder(tokens, "token-of-an-agent-0", "agent-0");
	assert_holder(tokens, "token-of-an-agent-9999", "agent-9999");
	assert_holder(tokens, "token-of-an-agent-10000", "-");
	tokens_destroy(tokens);
	assert_int_equal(buf_append_string(&text, "one-more token-of-one-more\n"), 0);
	assert_null(tokens_parse("tokens", text.data, text.length, NULL, &err));
	assert_non_null(strstr(err.message, "line 10001: it holds more than 10000 tokens"));
	buf_finish(&text);
}

static void the_variable_is_the_operator_default(void **state)
{
	struct error err = ERROR_INIT;
	struct tokens *tokens = tokens_load(NULL, EVE, &err);

	(void)state;
	assert_non_null(tokens);
	assert_holder(tokens, EVE, "default!");
	tokens_destroy(tokens);
	tokens = parse("ada " ADA "\n", EVE, &err);
	assert_non_null(tokens);
	assert_holder(tokens, EVE, "default!");
	assert_holder(tokens, ADA, "ada");
	tokens_destroy(tokens);
}

static void a_bad_variable_is_told_without_its_value(void **state)
{
	static const struct {
		const char *value, *error;
	} rows[] = {
		{ "", "KILNTAINERS_AUTH_TOKEN: the token is shorter than 16 characters" },
		{ "ABCDEFGH", "KILNTAINERS_AUTH_TOKEN: the token is shorter than 16 characters" },
		{ "ABCDEFGHIJKLMNOPQ\n",
		  "KILNTAINERS_AUTH_TOKEN: the token may hold only visible" },
		{ "ABCDEFGH ABCDEFGH", "KILNTAINERS_AUTH_TOKEN: the token may hold only visible" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct error err = ERROR_INIT;

		assert_null(tokens_load(NULL, rows[i].value, &err));
		assert_int_equal(err.kind, ERROR_CONFIG);
		assert_non_null(strstr(err.message, rows[i].error));
		assert_null(strstr(err.message, "ABCD"));
	}
}

static void without_file_and_variable_nobody_has_a_token(void **state)
{
	struct tokens *tokens = tokens_load(NULL, NULL, NULL);
	const struct token_holder *holder = NULL;

	(void)state;
	assert_int_equal(tokens_count(tokens), 0);
	assert_int_equal(tokens_judge(tokens, "Bearer " ADA, &holder), TOKEN_UNKNOWN);
	tokens_destroy(tokens);
	tokens_destroy(NULL);
}

static void an_authorization_is_judged_by_its_shape_first(void **state)
{
	static const struct {
		const char *authorization;
		enum token_verdict verdict;
	} rows[] = {
		{ NULL, TOKEN_ABSENT },
		{ "", TOKEN_ABSENT },
		{ "Basic YWRhOjAxMjM0NTY3ODlhYmNkZWY=", TOKEN_ABSENT },
		{ ADA, TOKEN_ABSENT },
		{ "Bearer" ADA, TOKEN_ABSENT },
		{ "Bearers " ADA, TOKEN_ABSENT },
		{ "Bearer", TOKEN_MALFORMED },
		{ "Bearer   ", TOKEN_MALFORMED },
		{ "Bearer " ADA " " ADA, TOKEN_MALFORMED },
		{ "Bearer " ADA "\t", TOKEN_MALFORMED },
		{ "Bearer " ADA "\xc3\xa4", TOKEN_MALFORMED },
		{ "Bearer\t" ADA, TOKEN_ABSENT },
		{ "Bearer x", TOKEN_UNKNOWN },
		{ "Bearer " BOB, TOKEN_UNKNOWN },
		{ "Bearer " ADA, TOKEN_KNOWN },
		{ "bearer   " ADA, TOKEN_KNOWN },
		{ "BEARER " ADA, TOKEN_KNOWN },
	};
	struct tokens *tokens = parse("ada " ADA "\n", NULL, NULL);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct token_holder *holder = NULL;

		if (tokens_judge(tokens, rows[i].authorization, &holder) != rows[i].verdict)
			fail_msg("row %zu", i);
		assert_int_equal(holder != NULL, rows[i].verdict == TOKEN_KNOWN);
	}
	tokens_destroy(tokens);
}

/* --- files ------------------------------------------------------------------- */

static char folder[64], path[128];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/kilntainers-tokens-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/tokens", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void a_file_of_its_owner_alone_is_taken(void **state)
{
	struct error err = ERROR_INIT;
	struct tokens *tokens;

	(void)state;
	write_file("ada " ADA "\n", 0400);
	tokens = tokens_load(path, EVE, &err);
	assert_non_null(tokens);
	assert_int_equal(tokens_count(tokens), 2);
	assert_holder(tokens, ADA, "ada");
	tokens_destroy(tokens);
}

static void a_file_that_others_may_touch_is_refused_with_the_remedy(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0601, 0777 };
	char remedy[256];
	size_t i;

	(void)state;
	(void)snprintf(remedy, sizeof(remedy), "chmod 600 %s", path);
	for (i = 0; i < ARRAY_LENGTH(modes); i++) {
		struct error err = ERROR_INIT;

		write_file("ada " ADA "\n", modes[i]);
		assert_null(tokens_load(path, NULL, &err));
		assert_int_equal(err.kind, ERROR_CONFIG);
		assert_non_null(strstr(err.message, remedy));
	}
}

static void what_is_no_file_of_tokens_is_refused_at_once(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_null(tokens_load(path, NULL, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, path));
	assert_null(tokens_load(folder, NULL, &err));
	assert_non_null(strstr(err.message, "not a regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(tokens_load(path, NULL, &err));
	assert_non_null(strstr(err.message, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	write_file("", 0600);
	assert_int_equal(truncate(path, LIMIT_TOKEN_FILE_BYTES + 1), 0);
	assert_null(tokens_load(path, NULL, &err));
	assert_non_null(strstr(err.message, "larger than 2097152 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_names_the_holders_of_tokens),
		cmocka_unit_test(what_is_wrong_with_a_file_is_told_without_what_it_holds),
		cmocka_unit_test(a_nul_is_no_part_of_a_name_or_token),
		cmocka_unit_test(a_token_has_a_greatest_length),
		cmocka_unit_test(as_many_tokens_as_allowed_are_told_apart),
		cmocka_unit_test(the_variable_is_the_operator_default),
		cmocka_unit_test(a_bad_variable_is_told_without_its_value),
		cmocka_unit_test(without_file_and_variable_nobody_has_a_token),
		cmocka_unit_test(an_authorization_is_judged_by_its_shape_first),
		cmocka_unit_test_setup_teardown(a_file_of_its_owner_alone_is_taken, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(
			a_file_that_others_may_touch_is_refused_with_the_remedy, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(what_is_no_file_of_tokens_is_refused_at_once,
						make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("transport-http_auth", tests, NULL, NULL);
}
