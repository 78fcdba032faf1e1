/* SPDX-License-Identifier: MIT */
#include "zygote/seccomp_compile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

/*
 * BPF jumps only forward, so the program is written from its end: what a jump
 * goes to is always there already. Positions count from the start of `code`,
 * of which [first, SECCOMP_MAX_INSTRUCTIONS) is written.
 */
struct writer {
	const struct seccomp_policy *policy;
	size_t first;
	struct sock_filter code[SECCOMP_MAX_INSTRUCTIONS];
	bool is_full;
	/* Rules that count for this audience, in order, by number: indices into the policy's. */
	uint16_t first_rule[SECCOMP_MAX_NUMBER + 1];
	uint16_t next_rule[SECCOMP_MAX_RULES];
};

#define NO_RULE UINT16_MAX

/* A conditional jump reaches 255 instructions on; a few are kept for what gets between. */
#define NEAR 250

/* Numbers from `start` up to the next run's start, all treated alike. */
struct run {
	uint32_t start;
	uint16_t leader; /* a number whose rules stand for all of them */
	size_t target;	 /* where their code is, once written */
};

static size_t put(struct writer *writer, struct sock_filter instruction)
{
	if (writer->first == 0) {
		writer->is_full = true;
		return 0;
	}
	writer->code[--writer->first] = instruction;
	return writer->first;
}

static bool is_near(const struct writer *writer, size_t target)
{
	return target - writer->first <= NEAR;
}

/* A return of `verdict` that the next instruction can jump to. */
static size_t put_return(struct writer *writer, uint32_t verdict)
{
	struct sock_filter wanted = BPF_STMT(BPF_RET | BPF_K, verdict);

	for (size_t at = writer->first; at < SECCOMP_MAX_INSTRUCTIONS; at++)
		if (is_near(writer, at) && memcmp(&writer->code[at], &wanted, sizeof(wanted)) == 0)
			return at;
	return put(writer, wanted);
}

/* `target`, or something that does the same and that the next instruction can jump to. */
static size_t put_reach(struct writer *writer, size_t target)
{
	const struct sock_filter *code = &writer->code[target];
	struct sock_filter jump = BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(target - writer->first));

	if (is_near(writer, target))
		return target;
	if (code->code == (BPF_RET | BPF_K))
		return put_return(writer, code->k);
	return put(writer, jump);
}

/* `operation` is BPF_JEQ or BPF_JGE. */
static size_t put_branch(struct writer *writer, unsigned operation, uint32_t value, size_t yes,
			 size_t no)
{
	struct sock_filter branch = BPF_JUMP(BPF_JMP | BPF_K, value, 0, 0);

	yes = put_reach(writer, yes);
	no = put_reach(writer, no);
	branch.code |= (uint16_t)operation;
	branch.jt = (uint8_t)(yes - writer->first);
	branch.jf = (uint8_t)(no - writer->first);
	return put(writer, branch);
}

static size_t put_load(struct writer *writer, size_t offset)
{
	return put(writer,
		   (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Both architectures are little endian: the low half comes first. */
static size_t argument_offset(const struct seccomp_term *term)
{
	return offsetof(struct seccomp_data, args) + term->argument * sizeof(uint64_t) +
	       (term->is_high ? sizeof(uint32_t) : 0);
}

/* Where to go on when `term` failed: the code at `next`, without its load if the accumulator
 * holds that argument already. */
static size_t skip_load(const struct writer *writer, size_t next, const struct seccomp_term *term)
{
	const struct sock_filter *code = &writer->code[next];

	if (code->code == (BPF_LD | BPF_W | BPF_ABS) && code->k == argument_offset(term) &&
	    term->mask == UINT32_MAX)
		return next + 1;
	return next;
}

static size_t put_term(struct writer *writer, const struct seccomp_term *term, size_t yes,
		       size_t no)
{
	no = skip_load(writer, no, term);
	(void)put_branch(writer, BPF_JEQ, term->value, term->is_equal ? yes : no,
			 term->is_equal ? no : yes);
	if (term->mask != UINT32_MAX)
		(void)put(writer,
			  (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, term->mask));
	return put_load(writer, argument_offset(term));
}

static void index_rules(struct writer *writer, enum seccomp_audience audience)
{
	memset(writer->first_rule, 0xff, sizeof(writer->first_rule));
	for (size_t i = writer->policy->count; i-- > 0;) {
		const struct seccomp_rule *rule = &writer->policy->rules[i];

		if (rule->is_guest_only && audience != SECCOMP_FOR_GUEST)
			continue;
		writer->next_rule[i] = writer->first_rule[rule->number];
		writer->first_rule[rule->number] = (uint16_t)i;
	}
}

/* The rules of one number, last first: each failed term goes on to the rule after it. */
static size_t put_rules(struct writer *writer, uint16_t number)
{
	size_t next = put_return(writer, SECCOMP_RET_ERRNO | ENOSYS);
	uint16_t chain[SECCOMP_MAX_RULES] = { 0 };
	size_t count = 0;

	for (uint16_t i = writer->first_rule[number]; i != NO_RULE; i = writer->next_rule[i])
		chain[count++] = i;
	while (count-- > 0) {
		const struct seccomp_rule *rule = &writer->policy->rules[chain[count]];
		size_t target = put_return(writer, rule->verdict);

		for (size_t term = rule->term_count; term-- > 0;)
			target = put_term(writer, &rule->terms[term], target, next);
		next = target;
	}
	return next;
}

static bool rules_equal(const struct seccomp_rule *a, const struct seccomp_rule *b)
{
	if (a->verdict != b->verdict || a->term_count != b->term_count)
		return false;
	for (size_t i = 0; i < a->term_count; i++)
		if (a->terms[i].argument != b->terms[i].argument ||
		    a->terms[i].is_high != b->terms[i].is_high ||
		    a->terms[i].is_equal != b->terms[i].is_equal ||
		    a->terms[i].mask != b->terms[i].mask || a->terms[i].value != b->terms[i].value)
			return false;
	return true;
}

static bool is_alike(const struct writer *writer, uint16_t first, uint16_t second)
{
	const struct seccomp_rule *rules = writer->policy->rules;
	uint16_t a = writer->first_rule[first];
	uint16_t b = writer->first_rule[second];

	while (a != NO_RULE && b != NO_RULE && rules_equal(&rules[a], &rules[b])) {
		a = writer->next_rule[a];
		b = writer->next_rule[b];
	}
	return a == b;
}

/* The rest of all numbers, x32 calls among them, belongs to the last run. */
static size_t find_runs(const struct writer *writer, struct run runs[SECCOMP_MAX_NUMBER + 1])
{
	size_t count = 0;

	for (uint16_t number = 0; number <= SECCOMP_MAX_NUMBER; number++)
		if (count == 0 || !is_alike(writer, runs[count - 1].leader, number))
			runs[count++] = (struct run){ .start = number, .leader = number };
	return count;
}

static void put_leaves(struct writer *writer, struct run *runs, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		size_t later = count - 1;

		while (later > i && !is_alike(writer, runs[i].leader, runs[later].leader))
			later--;
		runs[i].target = later > i ? runs[later].target : put_rules(writer, runs[i].leader);
	}
}

/* One number between two runs that are alike is one comparison, not two. */
static size_t fold_exceptions(struct writer *writer, struct run *runs, size_t count)
{
	size_t kept = count;

	for (size_t i = count; i-- > 2;) {
		struct run *before = &runs[i - 2];

		if (runs[i].target != before->target || runs[i].start != runs[i - 1].start + 1)
			continue;
		before->target = put_branch(writer, BPF_JEQ, runs[i - 1].start, runs[i - 1].target,
					    before->target);
		memmove(&runs[i - 1], &runs[i + 1], (kept - i - 1) * sizeof(*runs));
		kept -= 2;
		i--;
	}
	return kept;
}

/* Joins neighbours, pair by pair and level by level, until one branch is the root. */
static size_t put_tree(struct writer *writer, struct run *runs, size_t count)
{
	while (count > 1) {
		size_t pairs = count / 2;

		for (size_t i = 0; i < pairs; i++) {
			struct run *left = &runs[2 * i];

			left->target = put_branch(writer, BPF_JGE, left[1].start, left[1].target,
						  left->target);
			runs[i] = *left;
		}
		if (count % 2 == 1)
			runs[pairs] = runs[count - 1];
		count = (count + 1) / 2;
	}
	return runs[0].target;
}

int seccomp_compile(const struct seccomp_policy *policy, uint32_t architecture,
		    enum seccomp_audience audience, struct seccomp_program *program,
		    struct error *err)
{
	struct writer writer = { .policy = policy, .first = SECCOMP_MAX_INSTRUCTIONS };
	struct run runs[SECCOMP_MAX_NUMBER + 1];
	size_t count;
	size_t root;
	size_t foreign;

	index_rules(&writer, audience);
	count = find_runs(&writer, runs);
	put_leaves(&writer, runs, count);
	count = fold_exceptions(&writer, runs, count);
	root = put_tree(&writer, runs, count);
	if (root != writer.first)
		(void)put(&writer, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
								(uint32_t)(root - writer.first)));
	foreign = put_return(&writer, SECCOMP_RET_ERRNO | ENOSYS);
	root = put_load(&writer, offsetof(struct seccomp_data, nr));
	(void)put_branch(&writer, BPF_JEQ, architecture, root, foreign);
	(void)put_load(&writer, offsetof(struct seccomp_data, arch));
	if (writer.is_full)
		return error_set(err, ERROR_CONFIG, "the filter has more than %d instructions",
				 SECCOMP_MAX_INSTRUCTIONS);
	program->count = SECCOMP_MAX_INSTRUCTIONS - writer.first;
	memcpy(program->code, &writer.code[writer.first], program->count * sizeof(*program->code));
	return 0;
}
