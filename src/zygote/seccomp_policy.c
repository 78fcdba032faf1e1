/* SPDX-License-Identifier: MIT */
#include "zygote/seccomp_policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

struct word {
	const char *start;
	size_t bytes;
};

struct value {
	struct word name;
	uint32_t number;
};

struct parser {
	const struct seccomp_numbers *numbers;
	struct seccomp_policy *policy;
	struct error *err;
	uint16_t line;
	size_t value_count;
	struct value values[SECCOMP_MAX_VALUES];
	size_t word_count;
	struct word words[SECCOMP_MAX_WORDS];
};

/* The only answers a policy may give. ENOSYS is what is left when no line matches. */
static const struct {
	const char *name;
	uint32_t number;
} answers[] = {
	{ "0", 0 },
	{ "EPERM", EPERM },
	{ "EAFNOSUPPORT", EAFNOSUPPORT },
	{ "EPROTONOSUPPORT", EPROTONOSUPPORT },
	{ "EOPNOTSUPP", EOPNOTSUPP },
	{ "ENOPROTOOPT", ENOPROTOOPT },
};

static bool word_is(struct word word, const char *text)
{
	return word.bytes == strlen(text) && memcmp(word.start, text, word.bytes) == 0;
}

static bool words_equal(struct word a, struct word b)
{
	return a.bytes == b.bytes && memcmp(a.start, b.start, a.bytes) == 0;
}

static int fail(const struct parser *parser, const char *what, struct word word)
{
	return error_set(parser->err, ERROR_CONFIG, "line %u: %s: '%.*s'", parser->line, what,
			 (int)word.bytes, word.start);
}

static int fail_line(const struct parser *parser, const char *what)
{
	return error_set(parser->err, ERROR_CONFIG, "line %u: %s", parser->line, what);
}

/* Decimal, or hexadecimal after 0x; the whole word. */
static bool read_number(struct word word, uint64_t max, uint32_t *number)
{
	bool is_hex = word.bytes > 2 && word.start[0] == '0' && word.start[1] == 'x';
	const char *digits = is_hex ? "0123456789abcdef" : "0123456789";
	uint64_t value = 0;

	if (word.bytes == 0 || word.bytes > 10)
		return false;
	for (size_t i = is_hex ? 2 : 0; i < word.bytes; i++) {
		const char *digit = memchr(digits, word.start[i], is_hex ? 16 : 10);

		if (!digit)
			return false;
		value = value * (is_hex ? 16 : 10) + (uint64_t)(digit - digits);
	}
	if (value > max)
		return false;
	*number = (uint32_t)value;
	return true;
}

static int read_value(const struct parser *parser, struct word word, uint32_t *number)
{
	for (size_t i = 0; i < parser->value_count; i++)
		if (words_equal(parser->values[i].name, word)) {
			*number = parser->values[i].number;
			return 0;
		}
	if (!read_number(word, UINT32_MAX, number))
		return fail(parser, "neither a number nor a name that a line above defines", word);
	return 0;
}

/* 1 with *number, 0 if this architecture has no such call, -1 if the word is malformed. */
static int read_call(const struct parser *parser, struct word word, uint16_t *number)
{
	const char *equals = memchr(word.start, '=', word.bytes);
	struct word name = { word.start, equals ? (size_t)(equals - word.start) : word.bytes };
	int known = seccomp_numbers_find(parser->numbers, name.start, name.bytes);
	uint32_t given = 0;

	for (size_t i = 0; i < name.bytes; i++)
		if (!memchr("abcdefghijklmnopqrstuvwxyz0123456789_", name.start[i], 37))
			return fail(parser, "not the name of a system call", word);
	if (name.bytes == 0 || name.bytes >= SECCOMP_MAX_NAME)
		return fail(parser, "not the name of a system call", word);
	if (equals) {
		struct word digits = { equals + 1, word.bytes - name.bytes - 1 };

		if (!read_number(digits, SECCOMP_MAX_NUMBER, &given))
			return fail(parser, "not a system call number", word);
		if (known >= 0 && (uint32_t)known != given)
			return fail(parser, "the headers have another number for it", word);
		*number = (uint16_t)given;
		return 1;
	}
	if (known < 0)
		return 0;
	*number = (uint16_t)known;
	return 1;
}

/* What reads of one filter would see of the rules so far: has this call its last word? */
static bool is_settled(const struct seccomp_policy *policy, uint16_t number, bool in_guest)
{
	for (size_t i = 0; i < policy->count; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];

		if (rule->number == number && rule->term_count == 0 &&
		    (in_guest || !rule->is_guest_only))
			return true;
	}
	return false;
}

static int add_rule(struct parser *parser, const struct seccomp_rule *rule)
{
	struct seccomp_policy *policy = parser->policy;

	if (is_settled(policy, rule->number, rule->is_guest_only))
		return fail_line(parser, "can never match: a line above answers this call always");
	if (policy->count == SECCOMP_MAX_RULES)
		return fail_line(parser, "too many rules");
	policy->rules[policy->count] = *rule;
	policy->rules[policy->count].line = parser->line;
	policy->count++;
	return 0;
}

static int read_answer(const struct parser *parser, struct word word, uint32_t *verdict)
{
	for (size_t i = 0; i < ARRAY_LENGTH(answers); i++)
		if (word_is(word, answers[i].name)) {
			*verdict = SECCOMP_RET_ERRNO | answers[i].number;
			return 0;
		}
	return fail(parser, "not an answer", word);
}

/* `words[first...]` are calls, all with the same verdict. */
static int add_plain(struct parser *parser, size_t first, uint32_t verdict)
{
	if (parser->word_count == first)
		return fail_line(parser, "no system call named");
	for (size_t i = first; i < parser->word_count; i++) {
		struct seccomp_rule rule = { .verdict = verdict };
		int found = read_call(parser, parser->words[i], &rule.number);

		if (found < 0 || (found > 0 && add_rule(parser, &rule) < 0))
			return -1;
		if (found == 0)
			parser->policy->skipped++;
	}
	return 0;
}

static int parse_let(struct parser *parser)
{
	struct value *value = &parser->values[parser->value_count];

	if (parser->word_count != 3)
		return fail_line(parser, "must be: let NAME NUMBER");
	if (parser->value_count == SECCOMP_MAX_VALUES)
		return fail_line(parser, "too many names for numbers");
	for (size_t i = 0; i < parser->value_count; i++)
		if (words_equal(parser->values[i].name, parser->words[1]))
			return fail(parser, "defined twice", parser->words[1]);
	if (!read_number(parser->words[2], UINT32_MAX, &value->number))
		return fail(parser, "not a number", parser->words[2]);
	value->name = parser->words[1];
	parser->value_count++;
	return 0;
}

static int parse_allow(struct parser *parser)
{
	return add_plain(parser, 1, SECCOMP_RET_ALLOW);
}

static int parse_answer(struct parser *parser)
{
	uint32_t verdict;

	if (parser->word_count < 2)
		return fail_line(parser, "must be: answer ERRNO CALL...");
	if (read_answer(parser, parser->words[1], &verdict) < 0)
		return -1;
	return add_plain(parser, 2, verdict);
}

static struct word word_at(const struct parser *parser, size_t index)
{
	static const struct word none = { "", 0 };

	return index < parser->word_count ? parser->words[index] : none;
}

/* argN or argN.high */
static int parse_argument(const struct parser *parser, struct word word, struct seccomp_term *term)
{
	static const char high[] = ".high";
	struct word rest;

	if (word.bytes < 4 || memcmp(word.start, "arg", 3) != 0 || word.start[3] < '0' ||
	    word.start[3] > '5')
		return fail(parser, "must be arg0 to arg5", word);
	rest = (struct word){ word.start + 4, word.bytes - 4 };
	term->argument = (uint8_t)(word.start[3] - '0');
	term->is_high = word_is(rest, high);
	if (rest.bytes > 0 && !term->is_high)
		return fail(parser, "must be arg0 to arg5, or with .high", word);
	return 0;
}

/* argN [& MASK] == VALUE, moving *at on. */
static int parse_term(const struct parser *parser, size_t *at, struct seccomp_term *term)
{
	if (parse_argument(parser, word_at(parser, *at), term) < 0)
		return -1;
	term->mask = UINT32_MAX;
	(*at)++;
	if (word_is(word_at(parser, *at), "&")) {
		if (read_value(parser, word_at(parser, *at + 1), &term->mask) < 0)
			return -1;
		*at += 2;
	}
	term->is_equal = word_is(word_at(parser, *at), "==");
	if (!term->is_equal && !word_is(word_at(parser, *at), "!="))
		return fail(parser, "must be == or !=", word_at(parser, *at));
	if (read_value(parser, word_at(parser, *at + 1), &term->value) < 0)
		return -1;
	if (term->value & ~term->mask)
		return fail(parser, "has bits outside of the mask", word_at(parser, *at + 1));
	*at += 2;
	return 0;
}

static int parse_terms(const struct parser *parser, size_t *at, struct seccomp_rule *rule)
{
	if (word_is(word_at(parser, *at), "->"))
		return 0;
	for (;;) {
		if (rule->term_count == SECCOMP_MAX_TERMS)
			return fail_line(parser, "too many terms");
		if (parse_term(parser, at, &rule->terms[rule->term_count]) < 0)
			return -1;
		rule->term_count++;
		if (!word_is(word_at(parser, *at), "and"))
			return 0;
		(*at)++;
	}
}

/* `words[at]` is "on". */
static int parse_on(struct parser *parser, size_t at, bool is_guest_only)
{
	struct seccomp_rule rule = { .is_guest_only = is_guest_only };
	int found = read_call(parser, word_at(parser, at + 1), &rule.number);

	if (found < 0)
		return -1;
	at += 2;
	if (parse_terms(parser, &at, &rule) < 0)
		return -1;
	if (!word_is(word_at(parser, at), "->"))
		return fail(parser, "must be -> or and", word_at(parser, at));
	at++;
	if (word_is(word_at(parser, at), "allow")) {
		rule.verdict = SECCOMP_RET_ALLOW;
	} else if (word_is(word_at(parser, at), "answer")) {
		at++;
		if (read_answer(parser, word_at(parser, at), &rule.verdict) < 0)
			return -1;
	} else {
		return fail(parser, "must be allow or answer ERRNO", word_at(parser, at));
	}
	if (at + 1 != parser->word_count)
		return fail(parser, "too many words", word_at(parser, at + 1));
	if (found == 0) {
		parser->policy->skipped++;
		return 0;
	}
	return add_rule(parser, &rule);
}

static int parse_on_everyone(struct parser *parser)
{
	return parse_on(parser, 0, false);
}

static int parse_guest(struct parser *parser)
{
	if (!word_is(word_at(parser, 1), "on"))
		return fail_line(parser, "must be: guest on ...");
	return parse_on(parser, 1, true);
}

static const struct {
	const char *name;
	int (*parse)(struct parser *parser);
} directives[] = {
	{ "let", parse_let },	     { "allow", parse_allow }, { "answer", parse_answer },
	{ "on", parse_on_everyone }, { "guest", parse_guest },
};

static int split_words(struct parser *parser, const char *line, size_t bytes)
{
	size_t at = 0;

	parser->word_count = 0;
	while (at < bytes) {
		size_t start;

		if (line[at] == ' ' || line[at] == '\t') {
			at++;
			continue;
		}
		if (line[at] == '#')
			return 0;
		for (start = at; at < bytes && line[at] != ' ' && line[at] != '\t'; at++)
			if (line[at] < '!' || line[at] > '~')
				return fail_line(parser, "not printable ASCII");
		if (parser->word_count == SECCOMP_MAX_WORDS)
			return fail_line(parser, "too many words");
		parser->words[parser->word_count++] = (struct word){ line + start, at - start };
	}
	return 0;
}

static int parse_line(struct parser *parser, const char *line, size_t bytes)
{
	if (bytes > SECCOMP_MAX_LINE)
		return fail_line(parser, "too long");
	if (split_words(parser, line, bytes) < 0)
		return -1;
	if (parser->word_count == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LENGTH(directives); i++)
		if (word_is(parser->words[0], directives[i].name))
			return directives[i].parse(parser);
	return fail(parser, "must begin with let, allow, answer, on or guest", parser->words[0]);
}

/* Every call with terms has a last word in both filters, so that what a line forgot is an
 * error here and not a hole. */
static int check_settled(const struct parser *parser)
{
	const struct seccomp_policy *policy = parser->policy;

	for (size_t i = 0; i < policy->count; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];

		if (!is_settled(policy, rule->number, false))
			return error_set(parser->err, ERROR_CONFIG,
					 "line %u: no line says what happens when no term matches",
					 rule->line);
	}
	return 0;
}

int seccomp_policy_parse(const char *text, size_t bytes, const struct seccomp_numbers *numbers,
			 struct seccomp_policy *policy, struct error *err)
{
	struct parser parser = { .numbers = numbers, .policy = policy, .err = err };

	policy->count = 0;
	policy->skipped = 0;
	while (bytes > 0) {
		const char *newline = memchr(text, '\n', bytes);
		size_t line_bytes = newline ? (size_t)(newline - text) : bytes;

		if (parser.line == UINT16_MAX)
			return fail_line(&parser, "too many lines");
		parser.line++;
		if (parse_line(&parser, text, line_bytes) < 0)
			return -1;
		line_bytes += newline ? 1 : 0;
		text += line_bytes;
		bytes -= line_bytes;
	}
	return check_settled(&parser);
}
