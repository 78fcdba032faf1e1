/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "base/cleanup.h"
#include "tests/unit/zygote/bpf.h"
#include "tests/unit/zygote/seccomp_fixture.h"
#include "zygote/seccomp_filters.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/personality.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* libseccomp 2.5.4 knows the calls below this number. */
#define LIBRARY_NUMBERS 448

#define NO_ORACLE "golang-github-containers-common is not installed"

static char *policy_text;
static size_t policy_bytes;

/* --- the policy as shipped ----------------------------------------------- */

static void every_argument_rule_answers_as_expected_with_any_high_words(void **state)
{
	(void)state;
	assert_int_equal(expectations_failed(policy_text, policy_bytes, false, 20), 0);
}

static void every_number_is_answered_as_debians_list_says_or_a_reason_is_given(void **state)
{
	(void)state;
	if (!oracle_path()) {
		print_message("# SKIP " NO_ORACLE "\n");
		skip();
	}
	assert_int_equal(expectations_read(), 0);
	assert_int_equal(expectations_failed(policy_text, policy_bytes, true, 20), 0);
}

static void compile_shipped(size_t index, enum seccomp_audience audience,
			    struct seccomp_program *program)
{
	static struct seccomp_policy policy;

	assert_int_equal(seccomp_policy_parse(policy_text, policy_bytes,
					      &architectures[index].numbers, &policy, NULL),
			 0);
	assert_int_equal(
		seccomp_compile(&policy, architectures[index].audit, audience, program, NULL), 0);
}

static void foreign_architectures_are_answered_enosys(void **state)
{
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_PPC64, 0,
					    UINT32_MAX };
	struct seccomp_program program;

	(void)state;
	for (size_t a = 0; a < architecture_count; a++) {
		compile_shipped(a, SECCOMP_FOR_GUEST, &program);
		for (size_t f = 0; f < ARRAY_LENGTH(foreign); f++)
			for (int number = 0; number < 600; number++) {
				struct seccomp_data data = { .nr = number, .arch = foreign[f] };

				assert_int_equal(bpf_run(program.code, program.count, &data),
						 ANSWER(ENOSYS));
			}
	}
}

static void x32_and_unassigned_numbers_are_answered_enosys(void **state)
{
	static const int bases[] = { 0x40000000, 600, 0x7fffff00, -600 };
	struct seccomp_program program;

	(void)state;
	for (size_t a = 0; a < architecture_count; a++) {
		compile_shipped(a, SECCOMP_FOR_GUEST, &program);
		for (size_t b = 0; b < ARRAY_LENGTH(bases); b++)
			for (int i = 0; i < 256; i++) {
				struct seccomp_data data = { .nr = bases[b] + i,
							     .arch = architectures[a].audit };

				assert_int_equal(bpf_run(program.code, program.count, &data),
						 ANSWER(ENOSYS));
			}
	}
}

/* Load time is instructions walked; an unbalanced tree or a missed run shows here. */
static void the_filters_stay_small(void **state)
{
	struct seccomp_program program;

	(void)state;
	for (size_t a = 0; a < architecture_count; a++)
		for (enum seccomp_audience audience = SECCOMP_FOR_GUEST;
		     audience <= SECCOMP_FOR_COMMAND; audience++) {
			compile_shipped(a, audience, &program);
			print_message("# %s %s: %zu instructions\n", architectures[a].name,
				      audience == SECCOMP_FOR_GUEST ? "guest" : "command",
				      program.count);
			assert_in_range(program.count, 100, 185);
		}
}

/* For the architecture that builds. */
static const struct architecture *compile_own(enum seccomp_audience audience,
					      struct seccomp_program *program)
{
	for (size_t a = 0; a < architecture_count; a++)
		if (architectures[a].audit == BUILD_AUDIT_ARCH) {
			compile_shipped(a, audience, program);
			return &architectures[a];
		}
	fail_msg("the architecture that builds is not among the tested ones");
	return NULL;
}

static void assert_same_code(const struct sock_filter *code, size_t bytes,
			     enum seccomp_audience audience)
{
	struct seccomp_program program;

	(void)compile_own(audience, &program);
	assert_int_equal(program.count * sizeof(*code), bytes);
	assert_memory_equal(program.code, code, bytes);
}

static void the_arrays_in_the_guest_are_what_these_tests_test(void **state)
{
	(void)state;
	assert_same_code(seccomp_guest_code, sizeof(seccomp_guest_code), SECCOMP_FOR_GUEST);
	assert_same_code(seccomp_command_code, sizeof(seccomp_command_code), SECCOMP_FOR_COMMAND);
}

static void the_policys_own_constants_are_the_systems(void **state)
{
	static const struct {
		const char *name;
		uint32_t value;
	} constants[] = {
		{ "AF_UNIX", AF_UNIX },
		{ "AF_INET", AF_INET },
		{ "AF_INET6", AF_INET6 },
		{ "AF_NETLINK", AF_NETLINK },
		{ "SOCK_TYPE_MASK", 0xf },
		{ "SOCK_STREAM", SOCK_STREAM },
		{ "SOCK_DGRAM", SOCK_DGRAM },
		{ "SOCK_RAW", SOCK_RAW },
		{ "IPPROTO_IP", IPPROTO_IP },
		{ "IPPROTO_TCP", IPPROTO_TCP },
		{ "IPPROTO_UDP", IPPROTO_UDP },
		{ "IPPROTO_MPTCP", IPPROTO_MPTCP },
		{ "NETLINK_ROUTE", 0 },
		{ "MSG_OOB", MSG_OOB },
		{ "SOL_TCP", IPPROTO_TCP },
		{ "TCP_ULP", 31 },
		{ "TIOCSTI", TIOCSTI },
		{ "TIOCLINUX", TIOCLINUX },
		{ "CLONE_NEW_ANY", CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
					   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET },
		{ "CLONE_NEWUTS", CLONE_NEWUTS },
		{ "PER_LINUX32", PER_LINUX32 },
		{ "UNAME26", UNAME26 },
		{ "LINUX32_UNAME26", PER_LINUX32 | UNAME26 },
		{ "ADDR_NO_RANDOMIZE", ADDR_NO_RANDOMIZE },
		{ "QUERY", 0xffffffff },
	};
	size_t found = 0;

	(void)state;
	for (const char *at = policy_text; (at = strstr(at, "\nlet ")); at++) {
		char name[64];
		unsigned value;

		assert_int_equal(sscanf(at, "\nlet %63s %i", name, (int *)&value), 2);
		for (size_t i = 0; i < ARRAY_LENGTH(constants); i++)
			if (strcmp(constants[i].name, name) == 0) {
				assert_int_equal(constants[i].value, value);
				found++;
			}
	}
	assert_int_equal(found, ARRAY_LENGTH(constants));
}

/* --- libseccomp as a second opinion -------------------------------------- */

static uint32_t library_arch(const struct architecture *architecture)
{
	return architecture->audit == AUDIT_ARCH_X86_64 ? SCMP_ARCH_X86_64 : SCMP_ARCH_AARCH64;
}

static void the_numbers_of_the_headers_are_those_of_libseccomp(void **state)
{
	unsigned compared = 0;

	(void)state;
	for (size_t a = 0; a < architecture_count; a++)
		for (size_t i = 0; i < architectures[a].numbers.count; i++) {
			const struct seccomp_call *call = &architectures[a].numbers.calls[i];
			int number = seccomp_syscall_resolve_name_arch(
				library_arch(&architectures[a]), call->name);

			if (number == __NR_SCMP_ERROR) /* newer than the library */
				continue;
			assert_int_equal(number, call->number);
			compared++;
		}
	assert_in_range(compared, 250 * architecture_count, 2000);
}

/* Everything but the calls with argument rules, which the library would reorder, and calls newer
 * than the library, which it refuses. */
static scmp_filter_ctx build_with_library(const struct seccomp_policy *policy)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	assert_non_null(context);
	for (size_t i = 0; i < policy->count; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];

		if (rule->term_count == 0 && rule->number < LIBRARY_NUMBERS)
			assert_int_equal(seccomp_rule_add(context, rule->verdict, rule->number, 0),
					 0);
	}
	return context;
}

static bool has_terms(const struct seccomp_policy *policy, int number)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->rules[i].number == number && policy->rules[i].term_count > 0)
			return true;
	return false;
}

static void the_tree_answers_every_number_as_a_filter_made_by_libseccomp(void **state)
{
	static struct seccomp_policy policy;
	static struct sock_filter code[4096];
	struct seccomp_program program;
	const struct architecture *architecture = compile_own(SECCOMP_FOR_COMMAND, &program);
	scmp_filter_ctx context;
	FILE *file = tmpfile();
	size_t count;

	(void)state;
	assert_int_equal(seccomp_policy_parse(policy_text, policy_bytes, &architecture->numbers,
					      &policy, NULL),
			 0);
	context = build_with_library(&policy);
	assert_int_equal(seccomp_export_bpf(context, fileno(file)), 0);
	seccomp_release(context);
	rewind(file);
	count = fread(code, sizeof(*code), ARRAY_LENGTH(code), file);
	assert_int_equal(fclose(file), 0);
	for (int number = 0; number < LIBRARY_NUMBERS; number++) {
		struct seccomp_data data = { .nr = number, .arch = architecture->audit };

		if (!has_terms(&policy, number))
			assert_int_equal(bpf_run(program.code, program.count, &data),
					 bpf_run(code, count, &data));
	}
}

/* --- mutations ----------------------------------------------------------- */

struct mutations {
	unsigned lines;
	unsigned words;
	unsigned survivors;
};

/* Blanks [from, to), asks all expectations, and puts it back. */
static void try_without(struct mutations *mutations, size_t from, size_t to, bool is_line)
{
	char kept[SECCOMP_MAX_LINE + 1];

	assert_in_range(to - from, 1, SECCOMP_MAX_LINE);
	memcpy(kept, policy_text + from, to - from);
	memset(policy_text + from, ' ', to - from);
	if (expectations_failed(policy_text, policy_bytes, true, 0) == 0) {
		print_message("# nothing notices that this is missing: %.*s\n", (int)(to - from),
			      kept);
		mutations->survivors++;
	}
	memcpy(policy_text + from, kept, to - from);
	if (is_line)
		mutations->lines++;
	else
		mutations->words++;
}

/* The calls of an allow or answer line, one by one. */
static void try_without_words(struct mutations *mutations, size_t at, size_t end)
{
	unsigned word = 0;
	unsigned first = policy_text[at + 1] == 'l' ? 1 : 2;

	while (at < end) {
		size_t length = strcspn(policy_text + at, " \n");

		if (word++ >= first)
			try_without(mutations, at, at + length, false);
		at += length + 1;
	}
}

static void no_line_and_no_name_of_the_policy_can_go_unnoticed(void **state)
{
	struct mutations mutations = { 0, 0, 0 };
	size_t at = 0;

	(void)state;
	if (!oracle_path()) {
		print_message("# SKIP " NO_ORACLE "\n");
		skip();
	}
	assert_int_equal(expectations_read(), 0);
	while (at < policy_bytes) {
		size_t end = at + strcspn(policy_text + at, "\n");

		if (end > at && policy_text[at] != '#') {
			try_without(&mutations, at, end, true);
			if (policy_text[at] == 'a')
				try_without_words(&mutations, at, end);
		}
		at = end + 1;
	}
	print_message("# %u lines and %u names taken out one by one, %u not noticed\n",
		      mutations.lines, mutations.words, mutations.survivors);
	assert_in_range(mutations.lines, 100, 1000);
	assert_in_range(mutations.words, 300, 1000);
	assert_int_equal(mutations.survivors, 0);
}

/* --- the parsers --------------------------------------------------------- */

static void a_bad_policy_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "permit read\n", "line 1: must begin with let, allow, answer, on or guest" },
		{ "\n# note\nallow\n", "line 3: no system call named" },
		{ "allow Read\n", "line 1: not the name of a system call: 'Read'" },
		{ "allow read read\n", "line 1: can never match" },
		{ "allow read\nanswer EPERM read\n", "line 2: can never match" },
		{ "allow read=7\n", "line 1: the headers have another number" },
		{ "allow unheard_of=1024\n", "line 1: not a system call number" },
		{ "allow unheard_of=\n", "line 1: not a system call number" },
		{ "allow =5\n", "line 1: not the name of a system call" },
		{ "answer\n", "line 1: must be: answer ERRNO CALL..." },
		{ "answer EPERM\n", "line 1: no system call named" },
		{ "answer EFOO read\n", "line 1: not an answer: 'EFOO'" },
		{ "let A\n", "line 1: must be: let NAME NUMBER" },
		{ "let A 4294967296\n", "line 1: not a number" },
		{ "let A 0xfffffffff\n", "line 1: not a number" },
		{ "let A -1\n", "line 1: not a number" },
		{ "let A 1\nlet A 2\n", "line 2: defined twice: 'A'" },
		{ "on read arg0 == A -> allow\n", "line 1: neither a number nor a name" },
		{ "on read arg6 == 1 -> allow\n", "line 1: must be arg0 to arg5: 'arg6'" },
		{ "on read arg0 = 1 -> allow\n", "line 1: must be == or !=: '='" },
		{ "on read arg0 & 1 == 2 -> allow\n", "line 1: has bits outside of the mask" },
		{ "on read arg0 == 1 allow\n", "line 1: must be -> or and" },
		{ "on read arg0 == 1 -> refuse\n", "line 1: must be allow or answer ERRNO" },
		{ "on read arg0 == 1 -> allow now\n", "line 1: too many words: 'now'" },
		{ "on read arg0 == 1 -> allow\n", "line 1: no line says what happens" },
		{ "on read arg0 == 1 and\n", "line 1: must be arg0 to arg5: ''" },
		{ "on read -> allow\non read arg0 == 1 -> allow\n", "line 2: can never match" },
		{ "on\n", "line 1: not the name of a system call: ''" },
		{ "guest allow read\n", "line 1: must be: guest on ..." },
		{ "guest on read -> allow\n", "line 1: no line says what happens" },
		{ "on read arg0 == 0 and arg0 == 0 and arg0 == 0 and arg0 == 0 and arg0 == 0"
		  " -> allow\n",
		  "line 1: too many terms" },
		{ "allow r\xc3\xa9"
		  "ad\n",
		  "line 1: not printable ASCII" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		static struct seccomp_policy policy;
		struct error err = ERROR_INIT;

		assert_int_equal(seccomp_policy_parse(cases[i].text, strlen(cases[i].text),
						      &architectures[0].numbers, &policy, &err),
				 -1);
		assert_int_equal(err.kind, ERROR_CONFIG);
		if (!strstr(err.message, cases[i].message))
			fail_msg("'%s' gives '%s'", cases[i].text, err.message);
	}
}

static void endless_lines_words_names_and_rules_are_refused(void **state)
{
	static struct seccomp_policy policy;
	static char text[1 << 20];
	static const struct {
		const char *piece;
		const char *message;
	} cases[] = {
		{ "allow                  ", "too long" },
		{ "x ", "too many words" },
		{ "on read arg0 == 1 -> allow\n", "too many rules" },
		{ "\n", "too many lines" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		size_t bytes = strlen(cases[i].piece);
		/* Long enough for each maximum, and for none before it. */
		size_t times = cases[i].piece[bytes - 1] == '\n' ? sizeof(text) / bytes
								 : SECCOMP_MAX_LINE / bytes;
		struct error err = ERROR_INIT;

		for (size_t t = 0; t < times + (i == 0); t++)
			memcpy(text + t * bytes, cases[i].piece, bytes);
		assert_int_equal(seccomp_policy_parse(text, (times + (i == 0)) * bytes,
						      &architectures[0].numbers, &policy, &err),
				 -1);
		if (!strstr(err.message, cases[i].message))
			fail_msg("'%s' for ever gives '%s'", cases[i].piece, err.message);
	}
}

/* A spelling mistake looks like a call of another architecture; on x86-64, which has the headers
 * of both, it can be told. */
static void every_name_in_the_policy_is_a_call_of_some_architecture(void **state)
{
	static struct seccomp_policy policy;
	static struct seccomp_numbers both;

	(void)state;
	if (architecture_count < 2) {
		print_message("# SKIP the headers of x86-64 are not here\n");
		skip();
	}
	both = architectures[0].numbers;
	for (size_t i = 0; i < architectures[1].numbers.count; i++) {
		const struct seccomp_call *call = &architectures[1].numbers.calls[i];

		if (seccomp_numbers_find(&both, call->name, strlen(call->name)) < 0) {
			both.calls[both.count] = *call;
			/* Only whether it is known matters here; no two may look the same. */
			both.calls[both.count].number = (uint16_t)(500 + both.count);
			both.count++;
		}
	}
	assert_int_equal(seccomp_policy_parse(policy_text, policy_bytes, &both, &policy, NULL), 0);
	assert_int_equal(policy.skipped, 0);
}

static void numbers_are_read_through_other_names_and_markers_are_left_out(void **state)
{
	static const char text[] = "#define __NR_fstat __NR3264_fstat\n"
				   "#define __NR3264_fstat 80\n"
				   "#define __NR_syscalls 451\n"
				   "#define __NR_arch_specific_syscall 244\n"
				   "#define __NR_loop __NR_loop\n"
				   "#define __NR_far (1 + 2)\n"
				   "#define __NR_high 1024\n"
				   "#define __NR_ 5\n"
				   "#define __NR_read 63\n"
				   "#define UNRELATED 1\n"
				   "#define __NR_last 7";
	static struct seccomp_numbers numbers;

	(void)state;
	assert_int_equal(seccomp_numbers_parse(text, sizeof(text) - 1, &numbers, NULL), 0);
	assert_int_equal(numbers.count, 3);
	assert_int_equal(seccomp_numbers_find(&numbers, "fstat", 5), 80);
	assert_int_equal(seccomp_numbers_find(&numbers, "read", 4), 63);
	assert_int_equal(seccomp_numbers_find(&numbers, "last", 4), 7);
	assert_int_equal(seccomp_numbers_find(&numbers, "syscalls", 8), -1);
	assert_int_equal(seccomp_numbers_parse("nothing\n", 8, &numbers, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_argument_rule_answers_as_expected_with_any_high_words),
		cmocka_unit_test(
			every_number_is_answered_as_debians_list_says_or_a_reason_is_given),
		cmocka_unit_test(foreign_architectures_are_answered_enosys),
		cmocka_unit_test(x32_and_unassigned_numbers_are_answered_enosys),
		cmocka_unit_test(the_filters_stay_small),
		cmocka_unit_test(the_arrays_in_the_guest_are_what_these_tests_test),
		cmocka_unit_test(the_policys_own_constants_are_the_systems),
		cmocka_unit_test(the_numbers_of_the_headers_are_those_of_libseccomp),
		cmocka_unit_test(the_tree_answers_every_number_as_a_filter_made_by_libseccomp),
		cmocka_unit_test(no_line_and_no_name_of_the_policy_can_go_unnoticed),
		cmocka_unit_test(a_bad_policy_is_refused_with_its_line),
		cmocka_unit_test(endless_lines_words_names_and_rules_are_refused),
		cmocka_unit_test(every_name_in_the_policy_is_a_call_of_some_architecture),
		cmocka_unit_test(numbers_are_read_through_other_names_and_markers_are_left_out),
	};
	int failed;

	fixture_load();
	policy_text = read_whole_file(POLICY_PATH, &policy_bytes);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(policy_text);
	return failed;
}
