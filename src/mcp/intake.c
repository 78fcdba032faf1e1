/* SPDX-License-Identifier: MIT */
#include "mcp/intake.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "mcp/state.h"

#include <stdlib.h>

/* A message in the queue, and on its way through a parser thread. */
struct turn {
	struct parser_job job;
	struct turn *next;
	struct intake *intake; /* loop thread; NULL: forgotten while a thread parses it */
	const struct incoming_rules *rules;
	struct incoming incoming;
	char *text;
	size_t bytes;
	intake_fn *on_message;
	void *context;
};

struct intake {
	struct mcp_server *server;
	struct turn *first, *last;
	struct turn *parsing; /* the one that a parser thread has; later ones wait */
	bool is_running;      /* a function up the stack goes through the queue */
	bool is_destroyed;    /* meanwhile */
};

struct intake *intake_create(struct mcp_server *server)
{
	struct intake *intake = alloc_zeroed(sizeof(*intake));

	intake->server = server;
	return intake;
}

bool intake_is_idle(const struct intake *intake)
{
	return !intake->first && !intake->parsing;
}

static void free_turn(struct turn *turn)
{
	incoming_finish(&turn->incoming);
	free(turn->text);
	free(turn);
}

static struct turn *take_first(struct intake *intake)
{
	struct turn *turn = intake->first;

	intake->first = turn->next;
	if (!intake->first)
		intake->last = NULL;
	return turn;
}

static void parse(struct turn *turn)
{
	incoming_parse(&turn->incoming, turn->text, turn->bytes, turn->rules);
	free(TAKE_PTR(turn->text));
}

static void run_queue(struct intake *intake);

static void run_parsing(struct parser_job *job)
{
	parse(CONTAINER_OF(job, struct turn, job));
}

static void hand_on(struct turn *turn)
{
	turn->on_message(turn->context, &turn->incoming, turn->bytes);
	free_turn(turn);
}

static void finish_parsing(struct parser_job *job)
{
	struct turn *turn = CONTAINER_OF(job, struct turn, job);
	struct intake *intake = turn->intake;

	if (!intake) {
		free_turn(turn);
		return;
	}
	/* Goes first in the queue, as what it always was. */
	intake->parsing = NULL;
	turn->next = intake->first;
	intake->first = turn;
	if (!intake->last)
		intake->last = turn;
	run_queue(intake);
}

static void parse_elsewhere(struct intake *intake, struct turn *turn)
{
	turn->job.run = run_parsing;
	turn->job.done = finish_parsing;
	intake->parsing = turn;
	parser_pool_submit(intake->server->parsers, &turn->job);
}

static void run_queue(struct intake *intake)
{
	/* What a callback adds or takes away, the loop below sees. */
	if (intake->is_running)
		return;
	intake->is_running = true;
	while (!intake->is_destroyed && intake->first && !intake->parsing) {
		struct turn *turn = take_first(intake);

		if (turn->text && turn->bytes > LIMIT_LOOP_PARSE_BYTES) {
			parse_elsewhere(intake, turn);
			continue;
		}
		if (turn->text)
			parse(turn);
		hand_on(turn);
	}
	intake->is_running = false;
	if (intake->is_destroyed)
		free(intake);
}

void intake_receive(struct intake *intake, char *text, size_t bytes, intake_fn *on_message,
		    void *context)
{
	struct turn *turn = alloc_zeroed(sizeof(*turn));

	turn->intake = intake;
	turn->rules = &intake->server->rules;
	turn->text = text;
	turn->bytes = bytes;
	turn->on_message = on_message;
	turn->context = context;
	if (intake->first)
		intake->last->next = turn;
	else
		intake->first = turn;
	intake->last = turn;
	run_queue(intake);
}

/* A thread cannot be called back, but a message that waits for one can. */
static void forget_parsing(struct intake *intake)
{
	struct turn *turn = TAKE_PTR(intake->parsing);

	if (parser_pool_withdraw(intake->server->parsers, &turn->job))
		free_turn(turn);
	else
		turn->intake = NULL;
}

void intake_withdraw(struct intake *intake, const void *context)
{
	struct turn *previous = NULL;
	struct turn *turn = intake->first;

	if (intake->parsing && intake->parsing->context == context) {
		forget_parsing(intake);
		run_queue(intake);
		return;
	}
	while (turn && turn->context != context) {
		previous = turn;
		turn = turn->next;
	}
	if (!turn)
		return;
	if (previous)
		previous->next = turn->next;
	else
		intake->first = turn->next;
	if (intake->last == turn)
		intake->last = previous;
	free_turn(turn);
}

void intake_destroy(struct intake *intake)
{
	if (!intake)
		return;
	if (intake->parsing)
		forget_parsing(intake);
	while (intake->first)
		free_turn(take_first(intake));
	intake->is_destroyed = true;
	if (!intake->is_running)
		free(intake);
}
