/* SPDX-License-Identifier: MIT */
#include "app/history.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every handle begins with; hexadecimal digits follow. */
#define HANDLE_PREFIX "sbx_"

struct history {
	struct history_call calls[LIMIT_STATUS_HISTORY];
	size_t count;
	size_t next; /* where the next one goes: the oldest, once all are in use */
};

struct history *history_create(void)
{
	return alloc_zeroed(sizeof(struct history));
}

void history_destroy(struct history *history)
{
	size_t i;

	if (!history)
		return;
	for (i = 0; i < history->count; i++)
		free(history->calls[i].principal);
	free(history);
}

/* An error may tell its owner handles that he has lost. Here somebody else may read it. */
static void hide_handles(char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;

	while ((at = strstr(at, HANDLE_PREFIX))) {
		size_t secret;

		at += strlen(HANDLE_PREFIX);
		secret = strspn(at, digits);
		memset(at, '*', secret);
	}
}

static void keep_error(struct history_call *call, const struct error *error)
{
	CLEANUP(cleanup_free) char *text = alloc_string(error->message);

	hide_handles(text);
	excerpt_text(call->error, sizeof(call->error), text, strlen(text));
}

void history_add(struct history *history, const struct call_record *record)
{
	struct history_call *call = &history->calls[history->next];

	free(call->principal);
	*call = (struct history_call){
		.principal = record->principal ? alloc_string(record->principal) : NULL,
		.has_result = record->ended_by,
		.ended_by = record->was_cancelled ? "cancelled" : record->ended_by,
		.exit_code = record->exit_code,
		.duration_us = record->duration_us,
		.stdout_bytes = record->stdout_bytes,
		.stderr_bytes = record->stderr_bytes,
		.ended_ms = clock_now_ms(),
	};
	(void)snprintf(call->sandbox, sizeof(call->sandbox), "%s", record->sandbox);
	excerpt_call(call->command, sizeof(call->command), record->command, record->args);
	/* Who cancels a call wants no error of it. */
	if (record->error->kind != ERROR_NONE && !record->was_cancelled)
		keep_error(call, record->error);
	history->next = (history->next + 1) % LIMIT_STATUS_HISTORY;
	if (history->count < LIMIT_STATUS_HISTORY)
		history->count++;
}

static bool is_of(const struct history_call *call, const char *principal)
{
	return !principal || (call->principal && strcmp(call->principal, principal) == 0);
}

void history_each(const struct history *history, const char *principal,
		  void (*visit)(void *context, const struct history_call *call), void *context)
{
	size_t i;

	for (i = 1; i <= history->count; i++) {
		size_t at = (history->next + LIMIT_STATUS_HISTORY - i) % LIMIT_STATUS_HISTORY;

		if (is_of(&history->calls[at], principal))
			visit(context, &history->calls[at]);
	}
}
