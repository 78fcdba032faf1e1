/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/fd.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* stderr goes into a pipe for the length of a test. */
struct redirected {
	int saved;
	int ends[2];
};

static void redirect(struct redirected *redirected)
{
	redirected->saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(redirected->ends), 0);
	assert_int_equal(dup2(redirected->ends[1], STDERR_FILENO), STDERR_FILENO);
}

/* Puts stderr back; `text` gets what was written, at most `size` - 1 bytes. */
static void restore(struct redirected *redirected, char *text, size_t size)
{
	ssize_t got;

	(void)dup2(redirected->saved, STDERR_FILENO);
	(void)close(redirected->saved);
	(void)close(redirected->ends[1]);
	got = read(redirected->ends[0], text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	(void)close(redirected->ends[0]);
}

static void one_event_is_one_line_whatever_its_fields_hold(void **state)
{
	struct redirected redirected;
	char text[4096];

	(void)state;
	log_configure(LOG_INFO, LOG_TEXT);
	redirect(&redirected);
	log_event(LOG_INFO, "thing_happened", LOG_STRING("name", "a\nb\"c"),
		  LOG_NUMBER("count", -3));
	log_event(LOG_DEBUG, "not_shown", LOG_NUMBER("count", 1));
	restore(&redirected, text, sizeof(text));
	assert_non_null(strstr(text, " info thing_happened name=\"a\\u000ab\\\"c\" count=-3\n"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void json_lines_carry_the_same_fields(void **state)
{
	struct redirected redirected;
	char text[4096];

	(void)state;
	log_configure(LOG_INFO, LOG_JSON);
	redirect(&redirected);
	log_event(LOG_WARNING, "thing_happened", LOG_STRING("name", "a\\b"),
		  LOG_NUMBER("count", 3));
	restore(&redirected, text, sizeof(text));
	assert_non_null(strstr(text, "\"level\":\"warning\",\"event\":\"thing_happened\","
				     "\"name\":\"a\\\\b\",\"count\":3}\n"));
	log_configure(LOG_INFO, LOG_TEXT);
}

/* While the server starts, before its log has a thread. */
static void a_full_stderr_holds_up_no_start(void **state)
{
	static const char byte = 'x';
	struct redirected redirected;
	char text[4096];

	(void)state;
	redirect(&redirected);
	/* Were anyone to wait, this would never end. */
	while (fd_write_ready(redirected.ends[1], &byte, 1) == 0)
		;
	log_event(LOG_INFO, "nobody_reads", LOG_NUMBER("count", 1));
	restore(&redirected, text, sizeof(text));
	assert_null(strstr(text, "nobody_reads"));
}

/* Last: the writer thread cannot be stopped again. */
static void nobody_waits_for_a_stderr_that_nobody_reads(void **state)
{
	static char name[900];
	struct redirected redirected;
	char text[4096];
	int i;

	(void)state;
	/* As the server does: the reader of stderr may go away at any time. */
	(void)signal(SIGPIPE, SIG_IGN);
	memset(name, 'x', sizeof(name) - 1);
	redirect(&redirected);
	log_start();
	/* Far more than pipe and ring hold: were anyone to wait, this would never end. */
	for (i = 0; i < 1000; i++)
		log_event(LOG_INFO, "flood", LOG_STRING("name", name));
	log_finish();
	restore(&redirected, text, sizeof(text));
	assert_non_null(strstr(text, "flood"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_event_is_one_line_whatever_its_fields_hold),
		cmocka_unit_test(json_lines_carry_the_same_fields),
		cmocka_unit_test(a_full_stderr_holds_up_no_start),
		cmocka_unit_test(nobody_waits_for_a_stderr_that_nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
